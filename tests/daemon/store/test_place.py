"""A database that was deleted or replaced while it is open: nothing more is written into it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.store import mailboxes
from daemon.store.database import Database, DatabaseGone, copy_database
from tests.fakes import START


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "postroom.sqlite"


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def replace(path: Path) -> None:
    copy_database(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def replace_log(path: Path) -> None:
    shutil.copy(log_of(path), path.with_name("copy"))
    path.with_name("copy").replace(log_of(path))


GONE: dict[str, Callable[[Path], object]] = {
    "the file was deleted": Path.unlink,
    "the file was replaced": replace,
    r"its log \(-wal\) was deleted": lambda path: log_of(path).unlink(),
    r"its log \(-wal\) was replaced": replace_log,
}


@pytest.mark.parametrize("what", GONE)
def test_nothing_is_read_or_written_any_more(path: Path, what: str) -> None:
    database = Database.open(path)
    with database.begin() as tx:
        mailboxes.ensure(tx, "office", "imap", "shadow", START)
    GONE[what](path)
    for transaction in (database.begin, database.read):
        with pytest.raises(DatabaseGone, match=what), transaction():
            raise AssertionError("nobody gets this far")
    database.close()


def test_what_sqlite_does_by_itself_is_no_alarm(path: Path) -> None:
    """It takes its log away with the last connection, and makes another with the next."""
    database = Database.open(path)
    with database.begin() as tx:
        mailboxes.ensure(tx, "office", "imap", "shadow", START)
    database._engine.dispose()
    assert not log_of(path).exists()
    for _ in range(2):
        log_of(path).write_bytes(b"")  # so that the inode differs
        with database.read() as tx:
            assert mailboxes.everyone(tx)
        database.rewrite()
        database.scrub()
        database._engine.dispose()
    database.close()


def everyone(database: Database) -> list[str]:
    with database.read() as tx:
        return [mailbox.name for mailbox in mailboxes.everyone(tx)]


def add(database: Database, *names: str) -> None:
    for name in names:
        with database.begin() as tx:
            mailboxes.ensure(tx, name, "imap", "shadow", START)


def notice_and_open(old: Database, path: Path) -> Database:
    with pytest.raises(DatabaseGone):
        old.check_place()
    old.close()
    return Database.open(path)


@pytest.mark.parametrize("how", ["over it", "after it was moved away"])
def test_a_backup_that_is_moved_there_is_what_is_opened(path: Path, how: str) -> None:
    """SQLite would apply the log of the file that lay there before."""
    database = Database.open(path)
    add(database, "before")
    copy_database(path, path.with_name("backup"))
    add(database, *(f"after-{number}" for number in range(50)))
    assert log_of(path).stat().st_size > 0
    if how == "after it was moved away":
        path.rename(path.with_name("before.sqlite"))
    path.with_name("backup").replace(path)
    again = notice_and_open(database, path)
    assert everyone(again) == ["before"]
    add(again, "later")
    again.close()
    with sqlite3.connect(path) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    if how == "after it was moved away":  # with its log it is whole
        log_of(path).with_name("postroom.sqlite-wal.old").rename(path.with_name("before.sqlite-wal"))
        first = Database.open(path.with_name("before.sqlite"))
        assert len(everyone(first)) == 51
        first.close()


def test_a_log_that_came_with_the_new_file_is_kept(path: Path) -> None:
    database = Database.open(path)
    add(database, "before")
    (path.parent / "other").mkdir()
    other = Database.open(path.parent / "other" / path.name)
    add(other, "other")
    for kind in ("", "-wal", "-shm"):  # as a copy of a running one, the file last
        shutil.copy(path.parent / "other" / f"{path.name}{kind}", path.with_name(f"new{kind}"))
    other.close()
    for kind in ("-wal", "-shm", ""):
        path.with_name(f"new{kind}").replace(path.with_name(f"{path.name}{kind}"))
    again = notice_and_open(database, path)
    assert everyone(again) == ["other"]
    again.close()
