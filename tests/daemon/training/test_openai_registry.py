"""Promote and roll back with a model server: one that somebody else starts, and Ollama's names.

Where somebody else starts it, yesterday's model serves until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Literal

import pytest
import torch

from connectors.base import MailText
from daemon.commands.check import Finding, examine
from daemon.model import model_folder
from daemon.model.base_file import BaseFile
from daemon.model.codebook import code_token, usable_codes
from daemon.model.engines.embedded import EmbeddedEngine
from daemon.model.engines.engine import EngineUnavailable
from daemon.model.engines.engine_kinds import engine_from
from daemon.model.engines.fingerprint import Fingerprint
from daemon.model.engines.ollama import Publisher
from daemon.model.model_folder import CodeRow, ModelMeta
from daemon.model.prompt import PromptSettings, Renderer
from daemon.model.term_key import TermKey
from daemon.settings import Settings
from daemon.store import mailboxes, training
from daemon.store.database import Database
from daemon.store.records import Category
from daemon.training.registry import ModelError, Registry
from tests.daemon.model.test_ollama_engine import codes_foremost
from tests.model_fixtures import Trained
from tests.servers.llama import LlamaServer
from tests.servers.ollama import OllamaStandIn, StoredModel
from trainer.export.exporting import export_ct2, export_gguf

pytestmark = pytest.mark.model

NOW = datetime(2026, 11, 2, tzinfo=UTC)
MAIL = MailText(subject="Invoice 4711", body="Please pay.")


class Office:
    """A state directory with two models of one mailbox, the first in use."""

    def __init__(self, folder: Path, trained: Trained, name: str = "office", turns: tuple[int, int] = (0, 1)) -> None:
        self.folder, self.name = folder, name
        self.database = Database.open(folder / "postroom.sqlite")
        with self.database.begin() as tx:
            self.box = mailboxes.ensure(tx, name, "imap", "live", NOW).id
            names = [f"Folder {number}" for number in range(6)]
            self.uids = [mailboxes.add_category(tx, self.box, Category("", name, name), NOW).uid for name in names]
        self.codes = list(islice(usable_codes(trained.tokenizer), 6))
        with self.database.begin() as tx:
            mailboxes.extend_codebook(tx, self.box, list(zip(self.codes, self.uids, strict=True)))
        for version, turned in zip(("first", "second"), turns, strict=True):
            self._make(trained, version, turned)
        with self.database.begin() as tx:
            training.promote(tx, self.box, "first", NOW)

    def _make(self, trained: Trained, version: str, turned: int) -> None:
        """A model as the trainer leaves it; each version gives the codes' rows to other codes."""
        folder = self.folder / "models" / self.name / version
        rows = [token for code in self.codes if (token := code_token(code, trained.tokenizer)) is not None]
        head = codes_foremost(trained, rows)
        head[rows] = head[[*rows[turned:], *rows[:turned]]]
        export_gguf(
            trained.base, {**trained.model.state_dict(), "lm_head.weight": head}, folder / "gguf" / "model.gguf", "F16"
        )
        merged = self.folder / f"merged-{version}"
        before = trained.model.lm_head.weight.detach().clone()
        with torch.no_grad():
            trained.model.lm_head.weight.copy_(head)
            trained.model.save_pretrained(merged)
            trained.model.lm_head.weight.copy_(before)
        (merged / "tokenizer.json").write_bytes((trained.folder / "tokenizer.json").read_bytes())
        export_ct2(merged, folder / "ct2", "float32", self.codes)
        renderer = Renderer(trained.tokenizer, PromptSettings())
        with EmbeddedEngine(folder / "ct2", 1) as engine:
            Fingerprint.taken(engine, renderer, self.codes, trained.tokenizer).save(folder)
        book = tuple(CodeRow(code=c, category=u) for c, u in zip(self.codes, self.uids, strict=True))
        key = TermKey.of(self.folder).check
        meta = ModelMeta(
            version=version, created=NOW, kind="llm", codebook=book, categories=tuple(self.uids), term_key=key
        )
        model_folder.save(folder, meta)
        with self.database.begin() as tx:
            training.add_model(tx, self.box, version, f"{self.name}/{version}", NOW, state="kept", verdict="", exam={})

    def registry(self, host: str, kind: Literal["openai", "ollama"] = "openai") -> Registry:
        return Registry(self.database, engine_from({"kind": kind, "host": host}), self.folder / "models")

    def states(self) -> dict[str, str]:
        """What the database says of each version."""
        with self.database.begin() as tx:
            return {model.version: model.state for model in training.models(tx, self.box)}

    def published(self, server: OllamaStandIn, version: str) -> dict[str, StoredModel]:
        """This version on the server, under another name than its own."""
        with Publisher(server.host) as publisher:
            publisher.publish(self.folder / "models" / self.name / version / "gguf" / "model.gguf", "x:1")
        return {"x:1": server.models["x:1"]}

    @property
    def current(self) -> Path:
        return self.folder / "models" / self.name / "current"

    @property
    def gguf(self) -> Path:
        """What a restarted server reads."""
        return (self.current / "gguf" / "model.gguf").resolve()


@pytest.fixture(scope="module")
def office(tiny_trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("openai-office"), tiny_trained)
    yield made
    made.database.close()


def checked(office: Office, kind: str, host: str, **engine: str) -> list[Finding]:
    """What `postroom check` says about the model server."""
    box = {"name": office.name, "kind": "imap", "host": "127.0.0.1", "tls": "none", "user": "o", "credential": "o"}
    settings = Settings(state_dir=office.folder, engine={"kind": kind, "host": host, **engine}, mailbox=[box])  # type: ignore[arg-type]
    return [each for each in examine(settings) if "model server" in each.what]


def test_check_asks_the_model_server(office: Office, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    office.current.unlink(missing_ok=True)
    [first] = checked(office, "openai", nobody)
    assert (first.fine, first.seen) == (True, "not asked: there is no model yet")
    office.current.symlink_to("first")
    for kind in ("openai", "ollama"):
        for down in checked(office, kind, nobody):
            assert not down.fine
            assert "127.0.0.1:9" in down.seen
    with LlamaServer(office.gguf, "postroom-office", context=1024) as server:
        served = Finding("office model server", True, f"{server.host} serves the model in use, first")
        assert checked(office, "openai", server.host) == [served]
        office.current.unlink()
        office.current.symlink_to("second")
        [other] = checked(office, "openai", server.host)
        assert "Restart it" in other.seen
    office.current.unlink()


def test_check_asks_ollama_for_its_version_and_for_the_model_in_use(office: Office, tmp_path: Path) -> None:
    with OllamaStandIn(tmp_path / "new", "0.34.1") as ollama:
        host = f"http://{ollama.host}"
        there, model = checked(office, "ollama", host)
        assert (there.fine, there.seen) == (True, f"Ollama 0.34.1 at {host} answers; it has 0 models")
        assert (model.fine, model.seen) == (
            True,
            f"{host} has not got the model in use, first; the next pass publishes it",
        )
        refused, _ = checked(office, "ollama", host, quantization="q4_K_M")
        assert not refused.fine
        assert "makes no q4_K_M of a GGUF file" in refused.seen
        registry = office.registry(host, "ollama")
        registry.promote(office.box, "first", NOW)
        registry.close()
        before = sorted(office.folder.iterdir())
        _, model = checked(office, "ollama", host)
        assert (model.fine, model.seen) == (True, f"{host} serves the model in use, first")
        [name] = [name for name in ollama.models if ":first-" in name]
        [other] = [model for name, model in office.published(ollama, "second").items()]
        ollama.models[name] = other
        _, model = checked(office, "ollama", host)
        assert not model.fine
        assert "`postroom promote first --mailbox office` publishes ours again." in model.seen
        assert sorted(office.folder.iterdir()) == before, "a check changes nothing"


def test_a_model_server_is_recognised_waited_for_and_rolled_back(office: Office, tiny_base: BaseFile) -> None:
    nobody = office.registry("http://127.0.0.1:9")
    with pytest.raises(EngineUnavailable, match="does not answer"):
        nobody.classifier(office.box)  # mail waits
    assert office.current.readlink() == Path("first")
    assert office.current.with_name("current.version").read_text() == "first\n"

    with LlamaServer(office.gguf, "postroom-office", context=1024) as server:
        registry = office.registry(server.host)

        def serving() -> str:
            classifier = registry.classifier(office.box)
            assert classifier is not None
            assert len(classifier.classify([MAIL])[0].ranking) == 6
            return classifier.meta.version

        assert serving() == "first"
        registry.promote(office.box, "second", NOW)
        assert office.current.readlink() == Path("second")
        assert [serving(), serving()] == ["first", "first"]  # not restarted yet: yesterday's model goes on
        server.serve(office.gguf)
        assert serving() == "second"
        asked = len(server.requests)
        assert serving() == "second"
        assert len(server.requests) - asked == 3  # its name, the probes, the mail: no more loading

        registry.rollback(office.box, NOW + timedelta(hours=1))
        assert office.current.with_name("current.version").read_text() == "first\n"
        server.serve(tiny_base.path)  # neither of ours
        with pytest.raises(EngineUnavailable, match="Restart it"):
            registry.classifier(office.box)
        server.serve(office.gguf)
        assert serving() == "first"
        registry.close()


def test_a_link_that_a_crash_left_behind_is_set_right(office: Office) -> None:
    office.current.unlink()
    office.current.symlink_to("second")
    with pytest.raises(EngineUnavailable):
        office.registry("http://127.0.0.1:9").classifier(office.box)
    assert office.current.readlink() == Path("first")


def test_the_names_on_an_ollama_server_say_what_is_in_use_and_where_a_rollback_leads(
    tiny_trained: Trained, tmp_path: Path
) -> None:
    office = Office(tmp_path / "office", tiny_trained)
    with OllamaStandIn(tmp_path) as server:
        registry = office.registry(f"http://{server.host}", "ollama")

        def meaning() -> dict[str, str]:
            """Which version `current` and `previous` stand for."""
            ours = {name.partition(":")[2]: model.digest for name, model in server.models.items()}
            versions = {digest: name.partition("-")[0] for name, digest in ours.items() if "-" in name}
            return {name: versions[digest] for name, digest in ours.items() if "-" not in name}

        registry.promote(office.box, "first", NOW)
        assert meaning() == {"current": "first"}, "promoted anew it does not become its own predecessor"
        registry.promote(office.box, "second", NOW)
        assert meaning() == {"current": "second", "previous": "first"}
        registry.rollback(office.box, NOW)
        assert meaning() == {"current": "first", "previous": "second"}
        registry.promote(office.box, "first", NOW)
        assert meaning() == {"current": "first", "previous": "second"}, "nor does it forget the one before"
        assert office.states() == {"first": "current", "second": "previous"}
        registry.promote(office.box, "second", NOW)
        registry.promote(office.box, "first", NOW, withdraw="people moved 12 of 30 messages")
        assert meaning() == {"current": "first"}, "no name leads back to what was withdrawn"
        assert any(":second-" in name for name in server.models), "a training may be comparing with it"
        with pytest.raises(ModelError, match="no previous model"):
            registry.rollback(office.box, NOW)
        [removed] = registry.tidy_server(office.box)
        assert ":second-" in removed
        assert meaning() == {"current": "first"}
        registry.close()
    office.database.close()
