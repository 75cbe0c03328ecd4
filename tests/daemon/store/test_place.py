"""A database that was deleted or replaced while it is open: nothing more is written into it."""

from __future__ import annotations

import shutil
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
