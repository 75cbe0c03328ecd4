"""From the first release on every database that an office may have is brought up to date. Until then: it would be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from daemon.store import database as store
from tests import ROOT
from tests.daemon.store import released
from tests.daemon.store.released import STORED, check, counts, dump, of_today, versions
from tests.daemon.store.test_migration_copy import newer_postroom

FILES = sorted(STORED.glob("*.sql")) if STORED.is_dir() else []


def test_every_released_version_has_its_database_here() -> None:
    """Fails at a release: `python -m tests.daemon.store.released VERSION` then, and commit the file."""
    assert {file.stem for file in FILES} == versions((ROOT / "CHANGELOG.md").read_text("utf-8"))


def test_a_change_log_tells_what_is_released() -> None:
    log = "# Changes\n\n## 0.2.0 (not released)\n\ntext\n\n## 0.1.1 (2027-01-08)\n\n## 0.1.0 (2026-12-24)\n"
    assert versions(log) == {"0.1.0", "0.1.1"}


def test_the_database_of_a_released_version_becomes_one_of_today(tmp_path: Path) -> None:
    for file in FILES:
        folder = tmp_path / file.stem
        folder.mkdir()
        check(file.read_text("utf-8"), folder)


def test_what_would_be_stored_today_has_a_row_in_every_table_and_passes(tmp_path: Path) -> None:
    database = of_today(tmp_path)
    assert [name for name, count in counts(database).items() if not count] == []
    check(dump(database), tmp_path)


def test_it_passes_with_one_migration_more_and_not_where_a_released_one_was_changed(tmp_path: Path) -> None:
    sql = dump(of_today(tmp_path))
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    with pytest.MonkeyPatch.context() as changed:
        newer_postroom(tmp_path, changed)
        check(sql, tmp_path / "good")
    with pytest.MonkeyPatch.context() as changed:
        migrations = tmp_path / "changed" / "migrations"
        shutil.copytree(store.MIGRATIONS, migrations)
        first = migrations / "versions" / "m0001_first.py"
        first.write_text(first.read_text().replace('sa.Column("lately"', 'sa.Column("lately_now"'))
        changed.setattr(store, "MIGRATIONS", migrations)
        with pytest.raises(AssertionError, match="was a released migration changed"):
            check(sql, tmp_path / "bad")


def test_a_stored_database_is_never_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = tmp_path / "stored"
    monkeypatch.setattr(released, "STORED", stored)
    monkeypatch.setattr(released, "ROOT", tmp_path)
    released.main("0.1.0")
    assert (stored / "0.1.0.sql").stat().st_size > 1000
    with pytest.raises(SystemExit, match="never changes"):
        released.main("0.1.0")
