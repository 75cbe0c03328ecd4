"""Models in memory: those used last stay, one that was let go is loaded again, and whoever asks it is answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.model.reader_files import ReaderInfo, reader_folder, seal
from daemon.store import mailboxes, training
from daemon.store.database import Database
from daemon.store.records import Category
from daemon.training import registry as registry_module
from daemon.training.registry import Registry
from tests.a_model import put_model

NOW = datetime(2026, 11, 2, tzinfo=UTC)
MAIL = MailText(subject="Invoice 4711")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Three mailboxes with a linear model each."""
    database = Database.open(tmp_path / "postroom.sqlite")
    for name in ("one", "two", "three"):
        with database.begin() as tx:
            box = mailboxes.ensure(tx, name, "imap", "live", NOW).id
            for folder in ("Invoices", "Orders"):
                mailboxes.add_category(tx, box, Category("", folder, folder), NOW)
        put_model(tmp_path, name, NOW)
    made = Registry(database, EmbeddedSettings(), tmp_path / "models")
    yield made
    made.close()
    database.close()


def test_the_models_used_last_stay(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "MOST_LOADED", 2)
    one, two = registry.classifier(1), registry.classifier(2)
    assert registry.classifier(1) is one
    assert two is not None
    answer = two.classify([MAIL])
    assert registry.classifier(3) is not None
    assert registry.classifier(1) is one
    assert two.classify([MAIL]) == answer, "it was taken from who asks it"
    again = registry.classifier(2)
    assert again is not None
    assert again is not two
    assert again.classify([MAIL]) == answer


def test_a_model_whose_reader_is_missing_or_damaged_is_told_before_it_is_loaded(registry: Registry) -> None:
    assert registry.in_use(1) == (True, None)
    with registry._database.read() as tx:
        current = training.current_model(tx, 1)
    assert current is not None
    folder = registry.folder_of(current)
    meta = model_folder.load(folder)
    model_folder.save(folder, meta.model_copy(update={"reader": "abc-6-int8-1"}))
    usable, words = registry.in_use(1)
    assert not usable
    assert words is not None
    assert "it is missing" in words
    assert "postroom train" in words
    reader = reader_folder(registry.readers, "abc-6-int8-1")
    reader.mkdir(parents=True)
    (reader / "model.bin").write_bytes(b"weights")
    seal(reader, ReaderInfo(base="tiny", sha256="abc", depth=6, form="int8", files={}))
    assert registry.in_use(1, sums=True) == (True, None)
    (reader / "model.bin").write_bytes(b"Weights")
    usable, words = registry.in_use(1, sums=True)
    assert not usable
    assert words is not None
    assert "model.bin was changed or damaged" in words
    assert registry.in_use(2) == (True, None), "another mailbox's model needs no reader"
