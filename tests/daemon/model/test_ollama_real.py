"""The whole life of our models on a real Ollama: learnt, uploaded, examined, promoted, taken back; the server killed,
emptied, and with another model behind our name. `make ollama` compiles it; without it these fail, they are not skipped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from connectors.base import MailText
from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from daemon.model import model_folder
from daemon.model.base_file import BaseFile, find_base
from daemon.model.codebook import code_token, usable_codes
from daemon.model.engines.engine import EngineUnavailable, ModelRefused, OtherModel
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.model.engines.ollama import Publisher, serve_folder
from daemon.model.prompt import PromptSettings, Renderer
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.passes.one_pass import one_pass
from daemon.rules.decision import Policy
from daemon.settings import SortingSettings
from daemon.store import mailboxes, training
from daemon.training.registry import Registry
from tests.daemon.model.test_ollama_engine import codes_foremost
from tests.daemon.training.test_night import Home, home_in
from tests.daemon.training.test_openai_registry import MAIL, NOW, Office, checked
from tests.fakes import Clock
from tests.lessons import letter_rows
from tests.model_fixtures import Trained
from tests.servers.ollama_real import RealOllama
from tests.tiny_models import save_gguf, tiny_model
from trainer.export.exporting import export_gguf

pytestmark = [pytest.mark.model, pytest.mark.ollama]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealOllama]:
    with RealOllama(tmp_path_factory.mktemp("ollama")) as server:
        yield server


@pytest.fixture
def server(running: RealOllama) -> RealOllama:
    """Running, and empty."""
    running.empty()
    return running


@pytest.fixture
def office(tiny_trained: Trained, tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "office", tiny_trained)
    yield made
    while OPENED:
        OPENED.pop().close()
    made.database.close()


OPENED: list[Registry] = []
"""What the test at work has opened."""


def opened(office: Office, server: RealOllama) -> Registry:
    """As a process of its own would open it."""
    OPENED.append(office.registry(f"http://{server.host}", "ollama"))
    return OPENED[-1]


def answer(registry: Registry, office: Office) -> dict[str, float]:
    """How likely the model in use finds each category of one mail."""
    classifier = registry.classifier(office.box)
    assert classifier is not None
    return dict(classifier.classify([MAIL])[0].ranking)


def best(answered: dict[str, float]) -> str:
    return max(answered, key=lambda uid: answered[uid])


def meaning(server: RealOllama, office: Office) -> dict[str, str]:
    """Which version each of this mailbox's names stands for."""
    mine = {name: digest for name, digest in server.models().items() if name.startswith(f"postroom-{office.name}:")}
    tags = {name.partition(":")[2]: digest for name, digest in mine.items()}
    versions = {digest: tag.rpartition("-")[0] for tag, digest in tags.items() if "-" in tag}
    return {tag: versions[digest] for tag, digest in tags.items() if "-" not in tag}


def versioned(server: RealOllama, version: str) -> str:
    [name] = [name for name in server.models() if f":{version}-" in name]
    return name


# --- names, and who answers to them


def test_promotion_and_roll_back_move_the_names_and_the_one_in_use_keeps_its_predecessor(
    office: Office, server: RealOllama
) -> None:
    registry = opened(office, server)
    first = answer(registry, office)
    registry.promote(office.box, "second", NOW)
    second = answer(registry, office)
    assert best(first) != best(second)
    for _ in range(2):  # once more, though it is in use
        assert meaning(server, office) == {"current": "second", "previous": "first"}
        registry.promote(office.box, "second", NOW)
    assert office.states() == {"first": "previous", "second": "current"}
    registry.rollback(office.box, NOW)
    assert meaning(server, office) == {"current": "first", "previous": "second"}
    assert answer(registry, office) == pytest.approx(first)


def test_another_model_behind_our_name_files_nothing_until_promote_puts_ours_back(
    office: Office, server: RealOllama
) -> None:
    running = opened(office, server)
    first = answer(running, office)
    running.promote(office.box, "second", NOW)
    running.rollback(office.box, NOW)
    assert answer(running, office) == pytest.approx(first)
    copy = {"source": versioned(server, "second"), "destination": versioned(server, "first")}
    assert server.post("/api/copy", copy).status_code == 200

    restarted = opened(office, server)
    for registry in (running, restarted):  # while it runs, and after a restart or a reload
        for _ in range(2):
            with pytest.raises(OtherModel, match="another model than ours answers") as refused:
                answer(registry, office)
    cure = "`postroom promote first --mailbox office` publishes ours again."
    assert str(refused.value).endswith(cure)
    [_, told] = checked(office, "ollama", f"http://{server.host}")
    assert not told.fine
    assert told.seen.endswith(cure)

    by_hand = opened(office, server)
    by_hand.promote(office.box, "first", NOW)
    assert office.states() == {"first": "current", "second": "previous"}
    assert meaning(server, office) == {"current": "first", "previous": "second"}
    assert all(each.fine for each in checked(office, "ollama", f"http://{server.host}"))
    for registry in (running, restarted):  # neither was told
        assert answer(registry, office) == pytest.approx(first)


def test_a_model_of_another_kind_behind_our_name_is_told_as_such(
    office: Office, server: RealOllama, tmp_path: Path
) -> None:
    registry = opened(office, server)
    answer(registry, office)
    base = save_gguf(tiny_model("gemma3"), tmp_path / "gemma.gguf")
    with Publisher(server.host) as publisher:
        publisher.publish(base, versioned(server, "first"))
    with pytest.raises(OtherModel):
        answer(registry, office)


# --- a server that goes and comes back


def test_an_emptied_server_gets_every_name_back(office: Office, server: RealOllama) -> None:
    registry = opened(office, server)
    registry.promote(office.box, "second", NOW)
    before = answer(registry, office)
    names = sorted(server.models())
    assert len(names) == 4
    server.empty()
    assert answer(registry, office) == pytest.approx(before)
    assert sorted(server.models()) == names
    assert meaning(server, office) == {"current": "second", "previous": "first"}


def test_a_killed_server_means_waiting_and_an_emptied_one_after_it_is_filled_again(
    office: Office, server: RealOllama
) -> None:
    registry = opened(office, server)
    before = answer(registry, office)
    classifier = registry.classifier(office.box)
    assert classifier is not None
    server.kill()
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="does not answer"):
            classifier.classify([MAIL])
        with pytest.raises(EngineUnavailable, match="does not answer"):
            answer(registry, office)
    server.start()
    assert answer(registry, office) == pytest.approx(before)
    server.kill()
    server.start()
    server.empty()
    assert answer(registry, office) == pytest.approx(before)


def test_mail_waits_while_the_server_is_away_or_another_model_answers(
    office: Office, server: RealOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [f"Folder {number}" for number in range(6)]
    clock = Clock()
    box = MemoryConnector(folders=("INBOX", *folders), clock=clock)
    mailbox = ImapSettings(name="office", host="localhost", user="u", credential="c", mode="live")
    registry = opened(office, server)
    desk = Desk(mailbox, SortingSettings(), office.database, box, registry, office.box, clock)
    list_folders(desk)
    with office.database.begin() as tx:
        categories = {each.uid: each for each in mailboxes.categories(tx, office.box)}
    # These models took no exam, so that no threshold can be drawn from it.
    policy = Policy(categories, dict.fromkeys(categories, 0.2), "first")
    monkeypatch.setattr("daemon.passes.decide.current_policy", lambda *_: policy)
    answer(registry, office)
    one_pass(desk)
    box.deliver(MAIL)
    one_pass(desk)  # seen, and not acted upon before the server's own rules had their time

    def places() -> list[str]:
        clock.advance(minutes=11)
        return [each.sighting.ref.folder for each in box.everything()]

    assert places() == ["INBOX"]
    server.kill()
    for _ in range(2):
        with pytest.raises(EngineUnavailable):
            one_pass(desk)
        assert places() == ["INBOX"]
    server.start()
    with Publisher(server.host) as publisher:
        publisher.publish(office.folder / "models" / "office" / "second" / "gguf" / "model.gguf", "x:1")
        publisher.point(versioned(server, "first"), "x:1")
    for _ in range(2):
        with pytest.raises(OtherModel):
            one_pass(desk)
        assert places() == ["INBOX"]
    opened(office, server).promote(office.box, "first", NOW)
    one_pass(desk)
    [place] = places()
    assert place == categories[best(answer(registry, office))].folder


def test_a_killed_server_leaves_no_process(tmp_path: Path, office: Office) -> None:
    with RealOllama(tmp_path / "ollama") as server:
        registry = opened(office, server)
        answer(registry, office)
        theirs = [each for each in psutil.process_iter(["environ"]) if server.host in str(each.info["environ"])]
        assert len(theirs) >= 2, "the server, and what it started to run the model"
    until = time.monotonic() + 30  # whom the kernel has been told to end, it ends soon, not at once
    while left := [each for each in theirs if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < until, left
        time.sleep(0.1)


def test_two_mailboxes_whose_models_take_turns_get_their_own_answers(
    office: Office, server: RealOllama, tiny_trained: Trained, tmp_path: Path
) -> None:
    desk = Office(tmp_path / "desk", tiny_trained, "desk", turns=(3, 4))
    both = [(each, opened(each, server)) for each in (office, desk)]
    alone = [answer(registry, each) for each, registry in both]
    assert set(alone[0]) != set(alone[1])
    for _ in range(4):  # the server keeps one model at a time
        for (each, registry), expected in zip(both, alone, strict=True):
            assert answer(registry, each) == pytest.approx(expected, abs=1e-3)
    both[0][1].promote(office.box, "second", NOW)
    assert meaning(server, desk) == {"current": "first"}
    both[0][1].tidy_server(office.box)
    assert meaning(server, desk) == {"current": "first"}
    while OPENED:
        OPENED.pop().close()
    desk.database.close()


# --- forms


@pytest.mark.parametrize(
    ("form", "kind", "tolerance"),
    [
        ("f16", "F16", 0.02),
        ("q8_0", "Q8_0", 0.05),
        ("q5_1", "Q5_1", 0.3),
        ("q5_0", "Q5_0", 0.3),
        ("q4_1", "Q4_1", 0.5),
        ("q4_0", "Q4_0", 0.5),
        ("q4_K_M", "F16", 0.5),
    ],
)
def test_the_server_lists_every_form_as_what_it_is_and_answers_by_it(
    server: RealOllama, tiny_trained: Trained, tmp_path: Path, form: str, kind: Any, tolerance: float
) -> None:
    codes = list(islice(usable_codes(tiny_trained.tokenizer), 8))
    rows = [token for code in codes if (token := code_token(code, tiny_trained.tokenizer)) is not None]
    state = {**tiny_trained.model.state_dict(), "lm_head.weight": codes_foremost(tiny_trained, rows)}
    file = export_gguf(tiny_trained.base, state, tmp_path / "gguf" / "model.gguf", kind)
    prompt = Renderer(tiny_trained.tokenizer, PromptSettings(max_tokens=128)).render(MAIL)
    with serve_folder(server.host, tmp_path, "office", "one", 128, 2, form) as engine:
        served = np.exp(engine.code_logprobs([prompt], codes))
    assert np.abs(served - truth(tiny_trained, state, prompt.ids, rows)).max() < tolerance
    [row] = server.get("/api/tags").json()["models"]
    weights = sum(value.numel() for value in state.values())
    assert row["details"]["quantization_level"] == form.upper()
    assert row["details"]["parameter_size"] == f"{weights / 1000:.0f}K"
    shown = server.post("/api/show", {"model": row["name"]}).json()
    assert shown["model_info"]["general.parameter_count"] == weights
    assert shown["model_info"]["general.basename"] == "postroom"
    assert row["size"] < 1.1 * file.stat().st_size


def truth(trained: Trained, state: dict[str, Any], ids: tuple[int, ...], rows: list[int]) -> np.ndarray:
    import torch

    with torch.no_grad():
        last = trained.model.model(torch.tensor([ids])).last_hidden_state[0, -1]
        answers: np.ndarray = torch.softmax(state["lm_head.weight"][rows] @ last, -1).numpy()
    return answers


def test_a_k_quant_of_a_file_that_is_none_of_f16_is_refused_for_good(
    server: RealOllama, tiny_trained: Trained, tmp_path: Path
) -> None:
    export_gguf(tiny_trained.base, tiny_trained.model.state_dict(), tmp_path / "gguf" / "model.gguf", "Q8_0")
    with pytest.raises(ModelRefused, match="That stays so") as refused:
        serve_folder(server.host, tmp_path, "office", "one", 128, 2, "q4_K_M")
    assert "tries again" not in str(refused.value)


# --- nights


@pytest.fixture(scope="module")
def letters_base(tmp_path_factory: pytest.TempPathFactory) -> BaseFile:
    return find_base(save_gguf(tiny_model("llama"), tmp_path_factory.mktemp("base") / "tiny-llama.gguf"))


def taught(home: Home, rows: list[dict[str, Any]]) -> None:
    home.teach(0, rows=rows)


def right(home: Home, registry: Registry, rows: list[dict[str, Any]]) -> int:
    """How many of these the model in use knows."""
    with home.database.begin() as tx:
        names = {each.uid: each.name for each in mailboxes.categories(tx, home.mailbox)}
    classifier = registry.classifier(home.mailbox)
    assert classifier is not None
    assert classifier.meta.kind != "linear", "the server has to answer here"
    found = classifier.classify([MailText(subject=row["text"]["subject"]) for row in rows])
    return sum(names[each.best or ""] == row["category"] for each, row in zip(found, rows, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(900)  # trainings, on a machine that may have other work
def test_learnt_uploaded_examined_promoted_and_rolled_back(
    server: RealOllama, letters_base: BaseFile, tmp_path: Path
) -> None:
    rows = letter_rows(220, 4)
    names = sorted({row["category"] for row in rows})
    host = f"http://{server.host}"
    for home in home_in(tmp_path, letters_base, names, kind="ollama", host=host, quantization="q4_K_M"):
        taught(home, rows[:120])
        first = home.train()
        assert first.outcome == "promoted", first.verdict
        assert first.exam is not None
        assert first.exam["llm"] is not None, "the exam was taken by what serves"
        [row] = [row for row in server.get("/api/tags").json()["models"] if f":{first.version}-" in row["name"]]
        assert row["details"]["quantization_level"] == "Q4_K_M"
        assert row["name"].endswith("-q4_k_m")
        assert right(home, home.registry, rows[120:160]) >= 30
        with home.database.begin() as tx:
            current = training.current_model(tx, home.mailbox)
        assert current is not None
        folder = home.registry.folder_of(current)
        assert "fingerprint.json" in model_folder.load(folder).files

        taught(home, rows[120:180])
        second = home.train()
        assert second.outcome in ("promoted", "kept"), second.verdict
        assert second.report == (), "the model in use took the exam on the server, too"
        if second.outcome == "kept":
            home.registry.promote(home.mailbox, str(second.version), home.clock())
        known = right(home, home.registry, rows[180:])
        assert home.registry.rollback(home.mailbox, home.clock()).version == first.version
        home.registry.rollback(home.mailbox, home.clock())
        restarted = Registry(home.database, home.settings.engine, home.registry.models_dir)
        assert right(home, restarted, rows[180:]) == known
        restarted.close()
        tags = {name.partition(":")[2].rpartition("-q4")[0].rpartition("-")[0] for name in server.models()} - {""}
        assert tags == {first.version, second.version}, "nothing else is left there"


@pytest.mark.slow
@pytest.mark.timeout(900)  # trainings, on a machine that may have other work
def test_thirty_categories_of_which_the_server_shows_twenty(
    server: RealOllama, letters_base: BaseFile, tmp_path: Path
) -> None:
    rows = letter_rows(450, 30)
    names = sorted({row["category"] for row in rows})
    host = f"http://{server.host}"
    for home in home_in(tmp_path, letters_base, names, kind="ollama", host=host):
        taught(home, rows[:390])
        outcome = home.train()
        assert outcome.outcome == "promoted", outcome.verdict
        served = right(home, home.registry, rows[390:])
        embedded = Registry(
            home.database, EmbeddedSettings(base=home.settings.engine.base, max_tokens=64), home.registry.models_dir
        )
        assert abs(served - right(home, embedded, rows[390:])) <= 3
        assert served >= 24, "two of 60 would be luck"
        embedded.close()
