"""Models in memory: those used last stay, one that was let go is loaded again, and whoever asks it is answered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import MailText
from daemon.commands.check import _model as checked
from daemon.model import model_folder, reader_files
from daemon.model.base_file import sha256_of
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.model.reader_files import ReaderInfo, ReaderRefused, reader_folder, seal, whole_reader
from daemon.settings import Settings
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


def test_a_model_whose_reader_is_missing_or_damaged_is_told_before_it_is_loaded(
    registry: Registry, tmp_path: Path
) -> None:
    settings = Settings(state_dir=tmp_path)
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
    with pytest.raises(ReaderRefused, match="it is missing"):
        checked(settings, "one")
    reader = reader_folder(registry.readers, "abc-6-int8-1")
    reader.mkdir(parents=True)
    (reader / "model.bin").write_bytes(b"weights")
    seal(reader, ReaderInfo(base="tiny", sha256="abc", depth=6, form="int8", files={}))
    assert registry.in_use(1, sums=True) == (True, None)
    assert checked(settings, "one").endswith("whole")
    (reader / "model.bin").write_bytes(b"Weights")
    usable, words = registry.in_use(1, sums=True)
    assert not usable
    assert words is not None
    assert "model.bin was changed or damaged" in words
    assert registry.in_use(2) == (True, None), "another mailbox's model needs no reader"


def test_the_reader_that_all_mailboxes_share_is_summed_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred mailboxes' nights would read it two hundred times, and `postroom check` as well."""
    summed = []

    def counted(path: Path) -> str:
        summed.append(path.name)
        return sha256_of(path)

    monkeypatch.setattr(reader_files, "sha256_of", counted)
    weights = tmp_path / "model.bin"
    weights.write_bytes(b"weights")
    seal(tmp_path, ReaderInfo(base="tiny", sha256="abc", depth=6, form="int8", files={}))
    summed.clear()
    monkeypatch.setattr(reader_files, "SETTLED_S", -1.0)
    for _ in range(3):
        whole_reader(tmp_path)
    assert summed == ["model.bin"]
    weights.write_bytes(b"Weights")
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))
    for _ in range(2):
        with pytest.raises(ReaderRefused, match="was changed or damaged"):
            whole_reader(tmp_path)
    assert summed == ["model.bin"] * 2


def test_the_sum_of_a_file_that_was_just_written_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a tick of the system's clock it may change and look the same."""
    weights = tmp_path / "model.bin"
    weights.write_bytes(b"weights")
    seal(tmp_path, ReaderInfo(base="tiny", sha256="abc", depth=6, form="int8", files={}))
    monkeypatch.setattr(reader_files, "SETTLED_S", 3600.0)
    whole_reader(tmp_path)
    monkeypatch.setattr(reader_files, "sha256_of", lambda _: "another")
    with pytest.raises(ReaderRefused, match="was changed or damaged"):
        whole_reader(tmp_path)
