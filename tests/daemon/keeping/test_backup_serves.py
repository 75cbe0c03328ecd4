"""A model that was really trained answers after a restore on a machine that has neither its reader nor its base."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.store import mailboxes, training
from daemon.store.database import Database
from daemon.training.registry import Registry
from tests.daemon.keeping.test_backup import Installation
from tests.fakes import START
from tests.lessons import SECRET, office_rows, write_job
from tests.tiny_models import save_folder, tiny_qwen3
from trainer.candidates import choice
from trainer.night import run

pytestmark = pytest.mark.model

MAIL = [MailText(subject="order", body="please ship 12 chairs by the 9th")]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory in which a language model serves: a small head on the reader that all mailboxes share."""
    state = tmp_path / "state"
    base = save_folder(tiny_qwen3(layers=4), tmp_path / "tiny-base")
    job = write_job(tmp_path / "job", office_rows(60), state / "training" / "cache", base=str(base), threads=1)
    with pytest.MonkeyPatch.context() as patch:  # such a small base is never the best candidate
        patch.setattr(choice, "best", lambda candidates, *_: candidates[1])
        result = run(job, lambda *_: None)
    assert result.outcome == "candidate", result.verdict
    meta = model_folder.load(job / "candidate")
    (state / "model.key").write_bytes(SECRET)
    (state / "models" / "office").mkdir(parents=True)
    (job / "candidate").rename(state / "models" / "office" / meta.version)
    database = Database.open(state / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        mailboxes.extend_codebook(tx, box, [(row.code, row.category) for row in meta.codebook])
        folder = f"office/{meta.version}"
        training.add_model(tx, box, meta.version, folder, START, state="kept", verdict="", exam={})
        training.promote(tx, box, meta.version, START)
    database.close()
    return state


def answer(state: Path) -> object:
    """What the model in use says; "no model": the one in use cannot be used."""
    database = Database.open(state / "postroom.sqlite")
    registry = Registry(database, EmbeddedSettings(), state / "models")
    try:
        classifier = registry.classifier(1)
        return "no model" if classifier is None else classifier.classify(MAIL)
    finally:
        registry.close()
        database.close()


def test_the_reader_that_models_share_is_in_the_backup(state: Path, tmp_path: Path) -> None:
    before = answer(state)
    assert before != "no model"
    here, there = Installation(tmp_path), Installation(tmp_path, "other")
    here.told("backup", str(here.file))
    with tarfile.open(here.file) as tar:
        names = tar.getnames()
    assert any(name.startswith("training/cache/reader-") for name in names)
    assert not any("/base-" in name or "/lessons/" in name for name in names)
    there.told("restore", str(here.file))
    assert answer(there.state) == before


def test_a_damaged_reader_there_is_made_whole_by_the_restore(state: Path, tmp_path: Path) -> None:
    before, here = answer(state), Installation(tmp_path)
    here.told("backup", str(here.file))
    next((state / "training" / "cache").glob("reader-*/model.bin")).write_bytes(b"rubbish")
    assert answer(state) == "no model"
    here.told("restore", str(here.file))
    assert answer(state) == before
