"""Open the database: SQLite in WAL mode with foreign keys, brought to the newest migration.

    with Database.open(path).begin() as tx:        # one transaction: all of it or nothing
        mailboxes.find(tx, "office")

SQLAlchemy stays inside `daemon.store`: to the rest of Postroom `Tx` is only a handle to pass on.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, OperationalError

from daemon.errors import PostroomError

Tx = sqlalchemy.Connection

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_TIMEOUT_S = 30.0


class StoreError(PostroomError):
    """The database cannot be used. Says what is wrong with it and what to do."""


class Database:
    """One open database. Safe to share between threads; each transaction has a connection of its own."""

    def __init__(self, engine: sqlalchemy.Engine, place: str) -> None:
        self._engine = engine
        self.place = place

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open or create the database at `path` and migrate it. Raises StoreError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                str(path.parent), f"the folder cannot be made ({error.strerror}).", "Correct `state_dir`."
            ) from error
        engine = sqlalchemy.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin_immediate)
        database = cls(engine, str(path))
        with contextlib.ExitStack() as failed:
            failed.callback(database.close)
            with database.begin() as tx:
                _migrate(tx, str(path))
            _hide(path)
            failed.pop_all()
        return database

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """One transaction: committed at the end, rolled back by any exception. Raises StoreError if SQLite refuses."""
        try:
            with self._engine.begin() as tx:
                yield tx
        except OperationalError as error:
            raise StoreError(self.place, *_explain(error)) from error
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.IntegrityError):
                raise
            raise StoreError(self.place, *_explain(error)) from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use; nothing if there is none yet."""
    if not source.exists():
        return
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(target)) as new:
        old.backup(new)


def new_id(result: Any) -> int:
    """The primary key of the row that an INSERT has just made."""
    return int(result.inserted_primary_key[0])


def _hide(path: Path) -> None:
    """Lessons hold mail text."""
    try:
        path.chmod(0o600)
    except OSError as error:
        raise StoreError(
            str(path), f"its rights cannot be set ({error.strerror}).", "Run Postroom as the user who owns it."
        ) from error


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions by itself
    try:
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()  # no pool knows it yet
        raise


def _begin_immediate(connection: Tx) -> None:
    # Take the write lock at once: a transaction that first reads and then writes could meet SQLITE_BUSY in its middle.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(tx: Tx, place: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = tx
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = _current_revision(tx)
    if found is not None and found not in known:
        raise StoreError(
            place,
            f"the database was written by a newer Postroom (revision {found}).",
            "Install that version again, or move the database away and start afresh.",
        )
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(place, f"the database cannot be migrated: {error}.", "Keep a copy and report this.") from error


def _current_revision(tx: Tx) -> str | None:
    if not sqlalchemy.inspect(tx).has_table("alembic_version"):
        return None
    found = tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def _explain(error: DatabaseError) -> tuple[str, str]:
    """The fact and the next step for the ways in which SQLite fails."""
    fact = str(error.orig)
    if "full" in fact:
        return "the disk is full; nothing was written.", "Free some space; Postroom goes on by itself."
    if "locked" in fact:
        return f"another process held the database for {BUSY_TIMEOUT_S:.0f} s.", "See who else uses this `state_dir`."
    if "malformed" in fact or "not a database" in fact:
        return "the file is damaged or no SQLite database.", "Move it away; restore a backup or start afresh."
    if "readonly" in fact or "unable to open" in fact:
        return f"the file cannot be written ({fact}).", "Check its owner and rights."
    return f"{fact}.", "Look at the disk and the file's rights."
