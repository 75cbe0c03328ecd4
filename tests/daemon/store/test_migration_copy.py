"""Before the database is brought up to date it is copied: an older Postroom can go on with the copy."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from daemon.store import database as store
from daemon.store import mailboxes
from daemon.store.database import Database, StoreError
from tests.fakes import START

SECOND = '''
"""A second migration, which adds a column."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One column more."""
    op.add_column("twins", sa.Column("colour", sa.Text()))
    {more}
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of today, with a mailbox in it."""
    path = tmp_path / "postroom.sqlite"
    with contextlib.closing(Database.open(path)) as database, database.begin() as tx:
        mailboxes.ensure(tx, "office", "imap", "shadow", START)
    return path


def newer_postroom(tmp_path: Path, changed: pytest.MonkeyPatch, more: str = "") -> None:
    """From now on this is a Postroom with one migration more."""
    migrations = tmp_path / "newer" / "migrations"
    shutil.copytree(store.MIGRATIONS, migrations)
    (migrations / "versions" / "m0002_second.py").write_text(SECOND.format(more=more))
    changed.setattr(store, "MIGRATIONS", migrations)
    changed.setattr(store, "REVISION", "0002")


def names_in(database: Path) -> list[tuple[str]]:
    with contextlib.closing(sqlite3.connect(database)) as raw:
        return list(raw.execute("SELECT name FROM mailboxes"))


def test_a_migration_keeps_a_copy_that_the_postroom_before_it_can_use(path: Path, tmp_path: Path) -> None:
    assert not (tmp_path / "kept").exists(), "a new database is copied by nobody"
    with pytest.MonkeyPatch.context() as changed:
        newer_postroom(tmp_path, changed)
        Database.open(path).close()
        with contextlib.closing(sqlite3.connect(path)) as raw:
            assert "colour" in [row[1] for row in raw.execute("PRAGMA table_info(twins)")]
        Database.open(path).close()
    kept = tmp_path / "kept" / "0001-before-0002.sqlite"
    assert [each.name for each in (tmp_path / "kept").iterdir()] == [kept.name]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    with pytest.raises(StoreError, match=r"written by a newer Postroom.*\(revision 0002\)") as refused:
        Database.open(path)
    assert "Install that version again" in str(refused.value)
    kept.replace(path)  # as the page on installing says
    with contextlib.closing(Database.open(path)) as database, database.read() as tx:
        assert mailboxes.find(tx, "office") is not None


def test_a_migration_that_fails_changes_nothing_and_the_next_try_replaces_its_copy(path: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as changed:
        newer_postroom(tmp_path, changed, 'op.execute("SELECT * FROM nowhere")')
        with pytest.raises(StoreError):
            Database.open(path)
    with contextlib.closing(Database.open(path)) as database, database.begin() as tx:
        mailboxes.ensure(tx, "sales", "imap", "shadow", START)
    shutil.rmtree(tmp_path / "newer")
    with pytest.MonkeyPatch.context() as changed:
        newer_postroom(tmp_path, changed)
        Database.open(path).close()
    assert names_in(tmp_path / "kept" / "0001-before-0002.sqlite") == [("office",), ("sales",)]


def test_without_room_for_the_copy_nothing_is_migrated(path: Path, tmp_path: Path) -> None:
    (tmp_path / "kept" / ".unfinished.sqlite").mkdir(parents=True)  # so no file can be made there
    with pytest.MonkeyPatch.context() as changed:
        newer_postroom(tmp_path, changed)
        with pytest.raises(StoreError, match=r"no copy could be made .* Nothing was changed"):
            Database.open(path)
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert "colour" not in [row[1] for row in raw.execute("PRAGMA table_info(twins)")]
