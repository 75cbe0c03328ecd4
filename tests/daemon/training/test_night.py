"""One night from the daemon's side: a real trainer process on a tiny base, the registry, promote and roll back."""

from __future__ import annotations

import errno
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest

from connectors.base import MailText
from daemon.model.base_file import BaseFile
from daemon.model.engines.engine import EngineUnavailable
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.settings import Settings
from daemon.store import learning, mailboxes, sharing, training
from daemon.store.database import Database
from daemon.store.records import Category
from daemon.training import extra, hand_over
from daemon.training.hand_over import train
from daemon.training.places import TrainingBusy
from daemon.training.registry import ModelError, Registry
from tests.fakes import START, Clock
from tests.lessons import office_rows
from tests.servers.ollama import OllamaStandIn, StoredModel
from tests.service_process import eventually

pytestmark = pytest.mark.model


@dataclass
class Home:
    """A state directory with one mailbox and its lessons."""

    settings: Settings
    database: Database
    registry: Registry
    mailbox: int
    clock: Clock

    def train(self, **more: Any) -> Any:
        self.clock.advance(minutes=1)
        return train(self.database, self.registry, self.settings, self.mailbox, self.clock, **more)

    def teach(self, count: int, skip: int = 0, rows: Sequence[dict[str, Any]] = ()) -> None:
        """Teach `rows`, or so many lessons of an office."""
        with self.database.begin() as tx:
            known = {category.name: category.uid for category in mailboxes.categories(tx, self.mailbox)}
            for row in [*(rows or office_rows(count))][skip:]:
                text = MailText(**{**row["text"], "attachments": tuple(row["text"]["attachments"])})
                at = START + timedelta(hours=row["id"])
                learning.teach(tx, self.mailbox, known[row["category"]], text, at, source="folder")

    def states(self) -> list[str]:
        with self.database.begin() as tx:
            return [model.state for model in training.models(tx, self.mailbox)]


OFFICE = ("complaints", "invoices", "jobs", "orders")


def home_in(folder: Path, base: BaseFile, names: Sequence[str] = OFFICE, **engine: Any) -> Iterator[Home]:
    settings = Settings(
        state_dir=folder,
        engine={"base": str(base.path), "max_tokens": 64, **engine},
        training={"nice": 0},
    )
    database = Database.open(folder / "postroom.sqlite")
    registry = Registry(database, settings.engine, folder / "models")
    clock = Clock()
    with database.begin() as tx:
        mailbox = mailboxes.ensure(tx, "office", "imap", "shadow", clock()).id
        for name in names:
            mailboxes.add_category(tx, mailbox, Category("", name, name), clock())
    yield Home(settings, database, registry, mailbox, clock)
    registry.close()
    database.close()


@pytest.fixture
def home(tmp_path: Path, tiny_base: BaseFile) -> Iterator[Home]:
    yield from home_in(tmp_path, tiny_base)


def test_lessons_become_a_model_in_use_and_a_second_night_can_be_rolled_back(home: Home) -> None:
    home.teach(120)
    events: list[Any] = []
    first = home.train(progress=events.append)
    assert first.outcome == "promoted", first.verdict
    stages = ["clean", "prepare", "linear", "cache", "train", "write", "exam", "export"]
    assert list(dict.fromkeys(event["stage"] for event in events)) == stages
    for stage in ("linear", "cache", "write", "exam", "export"):
        steps = [event for event in events if event["stage"] == stage]
        assert max(event["total"] for event in steps) > 1, f"{stage} tells no steps"
        assert [event["done"] for event in steps][-1] == steps[-1]["total"], f"{stage} tells no end"
    classifier = home.registry.classifier(home.mailbox)
    assert classifier is not None
    assert len(classifier.classify([MailText(body="please pay 12 euros to our account")])[0].ranking) == 4
    home.teach(160, skip=120)
    second = home.train()
    assert second.outcome in ("promoted", "kept")
    if second.outcome == "kept":
        home.registry.promote(home.mailbox, second.version or "", home.clock())
    assert home.states() == ["current", "previous"]
    assert home.registry.rollback(home.mailbox, home.clock()).version == first.version
    with home.database.begin() as tx:
        assert len(mailboxes.codebook(tx, home.mailbox)) == 4
    assert not list((home.settings.state_dir / "training").glob("job-*")), "mail text must not stay behind"


@pytest.mark.parametrize("place", ["write_lessons", "_take_over"])
def test_a_disk_that_is_full_for_the_service_itself_ends_the_night_in_a_sentence(
    home: Home, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/postroom")

    home.teach(40)
    monkeypatch.setattr(hand_over, place, full)
    outcome = home.train()
    assert outcome.outcome == "failed"
    assert outcome.verdict == "/srv/postroom: No space left on device. Make room there."
    assert not list((home.settings.state_dir / "training").glob("job-*")), "mail text must not stay behind"
    with home.database.begin() as tx:
        assert [run.outcome for run in training.runs(tx, home.mailbox)] == ["failed"]


def test_a_night_whose_model_cannot_be_promoted_has_failed_and_says_why(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise ModelError("office/1", "cannot be used.", "Train again.")

    home.teach(40)
    monkeypatch.setattr(home.registry, "promote", refused)
    outcome = home.train()
    assert (outcome.outcome, outcome.verdict) == ("failed", "office/1: cannot be used. Train again.")
    with home.database.begin() as tx:
        assert [(run.outcome, run.verdict) for run in training.runs(tx, home.mailbox)] == [
            ("failed", "office/1: cannot be used. Train again.")
        ]


def test_a_model_that_is_made_while_its_mailbox_begins_to_share_is_none_of_its_own(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_over = hand_over._take_over

    def late(*given: Any) -> Any:
        with home.database.begin() as tx:
            lender = mailboxes.ensure(tx, "dept", "imap", "shadow", home.clock()).id
            sharing.borrow(tx, home.mailbox, lender)
        return take_over(*given)

    home.teach(80)
    monkeypatch.setattr(hand_over, "_take_over", late)
    assert home.train().outcome == "reloaded"
    with home.database.begin() as tx:
        sharing.borrow(tx, home.mailbox, None)
        assert training.models(tx, home.mailbox) == []
        assert mailboxes.codebook(tx, home.mailbox) == []
        assert training.runs(tx, home.mailbox)[0].outcome == "reloaded"
    assert list((home.settings.state_dir / "models" / "office").glob("*")) == []


def test_a_night_that_ends_in_a_bug_of_ours_has_failed_and_keeps_its_traceback(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: Any) -> None:
        raise AssertionError

    home.teach(40)
    monkeypatch.setattr(hand_over, "_take_over", wrong)
    with pytest.raises(AssertionError):
        home.train()
    with home.database.begin() as tx:
        assert [(run.outcome, run.verdict) for run in training.runs(tx, home.mailbox)] == [
            ("failed", "An unexpected error; see the log.")
        ]
    assert not list((home.settings.state_dir / "training").glob("job-*")), "mail text must not stay behind"


def test_a_mailbox_without_a_category_is_told_so_before_any_trainer_starts(tmp_path: Path, tiny_base: BaseFile) -> None:
    for home in home_in(tmp_path, tiny_base, names=()):
        outcome = home.train()
        assert (outcome.outcome, outcome.version) == ("failed", None)
        assert outcome.verdict == (
            "office: nothing was trained: no folder is known as a category yet. "
            "`postroom folders` says what every folder is for."
        )
        with home.database.read() as tx:
            [run] = training.runs(tx, home.mailbox, 9)
        assert (run.outcome, run.verdict) == ("failed", outcome.verdict)


def test_nothing_to_learn_is_said_and_nothing_is_changed(home: Home) -> None:
    outcome = home.train()
    assert outcome.outcome == "nothing"
    assert "no lessons" in outcome.verdict
    assert home.states() == []


def test_stop_in_the_middle_leaves_nothing_half_made(home: Home) -> None:
    home.teach(120)
    stop = threading.Event()
    outcome = home.train(stop=lambda: "stopped" if stop.is_set() else None, progress=lambda _event: stop.set())
    assert outcome.outcome == "stopped"
    assert home.states() == []
    assert home.train().outcome == "promoted"


def test_a_trainer_that_hangs_is_killed_and_the_night_has_failed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.teach(120)
    stopped: list[psutil.Process] = []
    now = time.monotonic
    hours = SimpleNamespace(monotonic=lambda: now() + (2 * 3600 + 601 if stopped else 0))
    monkeypatch.setattr("daemon.training.trainer_process.time", hours)

    def hang(_event: object) -> None:
        if not stopped:
            (trainer,) = trainers()
            trainer.suspend()
            stopped.append(trainer)

    outcome = home.train(progress=hang)
    assert stopped
    assert outcome.outcome == "failed"
    assert outcome.verdict.startswith("The trainer did not end within 2h10m and was killed.")
    assert not stopped[0].is_running()
    with home.database.read() as tx:
        (run,) = training.runs(tx, home.mailbox)
    assert (run.outcome, run.verdict) == ("failed", outcome.verdict)
    assert home.states() == []


def test_an_interrupt_while_the_trainer_starts_ends_it_and_does_not_wait_for_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.teach(120)
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def interrupted(*arguments: Any, **more: Any) -> subprocess.Popen[str]:
        process = popen(*arguments, **more)
        started.append(process)
        signal.raise_signal(signal.SIGINT)  # Ctrl-C before anybody holds the process
        return process

    monkeypatch.setattr("daemon.training.trainer_process.subprocess.Popen", interrupted)
    # As in a command that somebody typed, whatever a test before this one has left behind.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            home.train()
    finally:
        signal.signal(signal.SIGINT, before)
    (trainer,) = started
    assert trainer.returncode == -signal.SIGKILL
    assert not list((home.settings.state_dir / "training").glob("job-*")), "mail text must not stay behind"


@pytest.mark.parametrize(("cores", "words"), [(8, "is being trained already"), (1, "another training is running")])
def test_two_trainings_of_a_mailbox_at_once_are_refused(
    cores: int, words: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.training.machine.cores", lambda: cores)
    home.teach(120)
    refused: list[TrainingBusy] = []

    def again(_event: object) -> None:
        if not refused:
            try:
                home.train()
            except TrainingBusy as error:
                refused.append(error)

    home.train(progress=again)
    assert words in str(refused[0])


def test_a_training_that_is_killed_for_memory_costs_the_one_beside_it_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.training.machine.cores", lambda: 4)
    home.teach(120)
    with home.database.begin() as tx:
        other = mailboxes.ensure(tx, "sales", "imap", "shadow", home.clock()).id
        for name in OFFICE:
            mailboxes.add_category(tx, other, Category("", name, name), home.clock())
    office, home.mailbox = home.mailbox, other
    home.teach(120)
    begun, outcomes = threading.Barrier(2), {}

    def run(mailbox: int) -> None:
        seen: list[Any] = []

        def first(event: Any) -> None:
            if not seen:
                seen.append(event)
                begun.wait(200)  # both are at work
                if mailbox == office:
                    [job] = [each for each in trainers() if each.cmdline()[-1].endswith(place["office"])]
                    killed.append(Path(f"/proc/{job.pid}/oom_score_adj").read_text().strip())
                    job.kill()

        outcomes[mailbox] = train(home.database, home.registry, home.settings, mailbox, home.clock, progress=first)

    killed: list[str] = []
    place = {"office": "job-1", "sales": "job-2"}
    threads = [threading.Thread(target=run, args=(mailbox,)) for mailbox in (office, other)]
    threads[0].start()
    eventually((home.settings.state_dir / "training" / "job-1").is_dir, "the first has its place")
    threads[1].start()
    for thread in threads:
        thread.join(300)
    assert killed == ["1000"], "the kernel takes the training first, however large the service is"
    assert outcomes[office].outcome == "failed"
    assert outcomes[office].verdict.startswith("The trainer was killed, as happens where memory runs out.")
    assert outcomes[other].outcome == "promoted", outcomes[other].verdict
    assert outcomes[other].peak_memory_mb > 0
    with home.database.read() as tx:
        assert [run.outcome for run in training.runs(tx, office)] == ["failed"]
        assert [run.outcome for run in training.runs(tx, other)] == ["promoted"]
    assert not list((home.settings.state_dir / "training").glob("job-*")), "mail text must not stay behind"


def trainers() -> list[psutil.Process]:
    """The trainers that this process has started and that have not ended."""
    alive = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    return [each for each in alive if "daemon.training.child" in each.cmdline()]


def test_corrupt_base_ends_in_a_sentence_and_yesterdays_model_serves(home: Home, tmp_path: Path) -> None:
    home.teach(120)
    assert home.train().outcome == "promoted"
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\x03\x00\x00\x00 and then nothing of use")
    engine = home.settings.engine.model_copy(update={"base": broken})
    home.settings = home.settings.model_copy(update={"engine": engine})
    outcome = home.train()
    assert outcome.outcome == "failed"
    assert "broken.gguf" in outcome.verdict
    assert "Traceback" not in outcome.verdict
    assert home.registry.classifier(home.mailbox) is not None


def test_damaged_model_is_not_promoted_and_the_one_in_use_stays(home: Home) -> None:
    home.teach(120)
    first = home.train()
    home.teach(160, skip=120)
    second = home.train()
    older, newer = first.version or "", second.version or ""
    home.registry.promote(home.mailbox, older, home.clock())
    weights = home.registry.models_dir / "office" / newer / "linear" / "linear.npz"
    if not weights.exists():
        weights = home.registry.models_dir / "office" / newer / "ct2" / "model.bin"
    weights.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be used"):
        home.registry.promote(home.mailbox, newer, home.clock())
    with home.database.begin() as tx:
        current = training.current_model(tx, home.mailbox)
    assert current is not None
    assert current.version == older


def test_previous_model_serves_while_the_one_in_use_is_damaged(home: Home) -> None:
    home.teach(120)
    first = home.train()
    with home.database.begin() as tx:
        training.add_model(tx, home.mailbox, "broken", "office/broken", START, state="kept", verdict="", exam={})
        training.promote(tx, home.mailbox, "broken", START)
    (home.registry.models_dir / "office" / "broken").mkdir()
    classifier = home.registry.classifier(home.mailbox)
    assert classifier is not None
    assert classifier.meta.version == first.version

    # A bit that has rotted keeps its file's length: whoever has tried to load the model knows, and who asks for sums.
    home.registry.promote(home.mailbox, first.version, home.clock())
    weights = home.registry.models_dir / "office" / first.version / "linear" / "linear.npz"
    rotten = bytearray(weights.read_bytes())
    rotten[len(rotten) // 2] ^= 1
    weights.write_bytes(rotten)
    registry = Registry(home.database, home.settings.engine, home.registry.models_dir)
    assert registry.in_use(home.mailbox)[1] is None
    assert "wrong sha256" in str(registry.in_use(home.mailbox, sums=True)[1])
    assert registry.classifier(home.mailbox) is None
    assert "wrong sha256" in str(registry.in_use(home.mailbox)[1])
    assert not registry.in_use(home.mailbox)[0]
    registry.close()


def test_what_ollama_refuses_is_told_before_the_training_and_what_is_away_is_not_trained_for(
    tmp_path: Path, tiny_base: BaseFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.training.hand_over.run_trainer", lambda *_: pytest.fail("it was paid for"))
    with OllamaStandIn(tmp_path / "ollama", "0.34.1") as server:
        engine = {"kind": "ollama", "host": f"http://{server.host}", "quantization": "q4_K_M"}
        for home in home_in(tmp_path / "state", tiny_base, **engine):
            home.teach(24)
            outcome = home.train()
            assert outcome.outcome == "failed"
            assert outcome.verdict == (
                f"Nothing was trained. Ollama at http://{server.host}: version 0.34.1 makes no q4_K_M of a GGUF file "
                '(since 0.34.1 none does). Write another `quantization` under [engine], for example "q4_0", which '
                "Postroom makes itself."
            )
            server.stop()
            assert "does not answer. Start it" in home.train().verdict


def test_without_the_extra_a_night_that_tunes_says_what_to_install(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.training.hand_over.run_trainer", lambda *_: pytest.fail("it cannot be tuned"))
    monkeypatch.setitem(extra.MODULES, "torch_that_is_not_there", "torch")
    training = home.settings.training.model_copy(update={"tuning": "answer"})
    outcome = replace(home, settings=home.settings.model_copy(update={"training": training})).train()
    assert outcome.outcome == "failed"
    assert outcome.verdict == (
        '[training] tuning: "answer" needs torch, which is not installed. Add the extra `tune`, as docs/installing.md '
        "says: /opt/postroom/venv/bin/uv pip install --torch-backend auto --python /opt/postroom/venv "
        "'/opt/postroom[tune]'."
    )


def test_ollama_serves_the_same_categories_and_its_names_follow_promotion(tmp_path: Path, tiny_base: BaseFile) -> None:
    with OllamaStandIn(tmp_path / "ollama") as server:
        for home in home_in(tmp_path / "state", tiny_base, kind="ollama", host=f"http://{server.host}"):
            home.teach(120)
            outcome = home.train()
            assert outcome.outcome == "promoted", outcome.verdict
            classifier = home.registry.classifier(home.mailbox)
            assert classifier is not None
            mails = [
                MailText(body=body) for body in ("please pay 12 euros to our account", "I apply for the position 7")
            ]
            answered = [prediction.best for prediction in classifier.classify(mails)]
            names = {model["name"] for model in httpx.get(f"http://{server.host}/api/tags").json()["models"]}
            if classifier.meta.kind != "linear":
                assert "postroom-office:current" in names
            # What a killed training left is gone after the next one; other mailboxes and other people keep theirs.
            for name in ("postroom-office:2026-01-01a-0123", "postroom-desk:2026-01-01a-0123", "llama3:latest"):
                server.models[name] = StoredModel(tmp_path, "0", 1)
            assert home.registry.tidy_server(home.mailbox) == ["postroom-office:2026-01-01a-0123"]
            assert names | {"postroom-desk:2026-01-01a-0123", "llama3:latest"} == set(server.models)
            embedded = Registry(
                home.database, EmbeddedSettings(base=home.settings.engine.base, max_tokens=64), home.registry.models_dir
            )
            in_process = embedded.classifier(home.mailbox)
            assert in_process is not None
            assert [prediction.best for prediction in in_process.classify(mails)] == answered
            embedded.close()
            server.stop()
            if classifier.meta.kind != "linear":
                with pytest.raises(EngineUnavailable):
                    classifier.classify(mails)
