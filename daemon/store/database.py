"""Open the database: SQLite in WAL mode with foreign keys, brought to the newest migration.

    with Database.open(path).begin() as tx:        # one transaction: all of it or nothing
        mailboxes.find(tx, "office")

SQLAlchemy stays inside `daemon.store`: to the rest of Postroom `Tx` is only a handle to pass on.
"""

from __future__ import annotations

import contextlib
import os
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
SCRUB_TIMEOUT_S = 2.0
"""How long emptying the log waits for whoever reads it just now."""
SCRUB = "scrub"


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
        _hide(path)
        engine = sqlalchemy.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin_immediate)
        database = cls(engine, str(path))
        with contextlib.ExitStack() as failed:
            failed.callback(database.close)
            with database.begin() as tx:
                grown = _migrate(tx, str(path))
            if grown:  # an older Postroom left what it deleted in free pages
                database.rewrite()
            failed.pop_all()
        return database

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """One transaction: committed at the end, rolled back by any exception. Raises StoreError if SQLite refuses."""
        try:
            with self._engine.begin() as tx:
                yield tx
                wiped = tx.info.pop(SCRUB, False)
            if wiped:
                self.scrub()
        except OperationalError as error:
            raise StoreError(self.place, *_explain(error)) from error
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.IntegrityError):
                raise
            raise StoreError(self.place, *_explain(error)) from error

    def scrub(self) -> bool:
        """Write what was deleted out of the write-ahead log, too. False: not now, because somebody reads or the disk is
        full; the next deletion or the next night does it."""
        try:
            shortly = f"PRAGMA busy_timeout={1000 * SCRUB_TIMEOUT_S:.0f}"
            return self._alone(shortly, "PRAGMA wal_checkpoint(TRUNCATE)") == 0
        except StoreError:  # what was deleted is committed: no reason to call that a failure
            return False

    def rewrite(self) -> None:
        """Write the whole file anew, without a trace of what was ever deleted. Takes seconds. Raises StoreError."""
        self._alone("VACUUM")
        self.scrub()

    def _alone(self, *statements: str) -> int | None:
        """Run statements outside of a transaction; the last one's first number."""
        try:
            raw = self._engine.raw_connection()
            cursor = raw.cursor()
            try:
                row: Any = None
                for statement in statements:
                    cursor.execute(statement)
                    row = cursor.fetchone()
                return None if row is None else int(row[0])
            finally:
                cursor.execute(f"PRAGMA busy_timeout={1000 * BUSY_TIMEOUT_S:.0f}")
                raw.close()
        except sqlite3.Error as error:
            raise StoreError(self.place, *_in_words(str(error))) from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use; nothing if there is none yet."""
    if not source.exists():
        return
    _hide(target)
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(target)) as new:
        old.backup(new)


def new_id(result: Any) -> int:
    """The primary key of the row that an INSERT has just made."""
    return int(result.inserted_primary_key[0])


def scrub_after(tx: Tx) -> None:
    """What this transaction deletes leaves the write-ahead log as soon as it is committed."""
    tx.info[SCRUB] = True


def _hide(path: Path) -> None:
    """Lessons hold mail text. SQLite gives its other files the rights of the database, so that comes first."""
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with contextlib.suppress(FileNotFoundError):
                each.chmod(0o600)
    except OSError as error:
        raise StoreError(
            str(path), f"its rights cannot be set ({error.strerror}).", "Run Postroom as the user who owns it."
        ) from error


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions by itself
    try:
        # Deleted text is overwritten, and none is laid down elsewhere for a sort.
        private = ("secure_delete=ON", "temp_store=MEMORY")
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", *private):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()  # no pool knows it yet
        raise


def _begin_immediate(connection: Tx) -> None:
    # Take the write lock at once: a transaction that first reads and then writes could meet SQLITE_BUSY in its middle.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(tx: Tx, place: str) -> bool:
    """Bring the tables up to date. True if they were there in an older form."""
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
    return found is not None and found != _current_revision(tx)


def _current_revision(tx: Tx) -> str | None:
    if not sqlalchemy.inspect(tx).has_table("alembic_version"):
        return None
    found = tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def _explain(error: DatabaseError) -> tuple[str, str]:
    """The fact and the next step for the ways in which SQLite fails."""
    return _in_words(str(error.orig))


def _in_words(fact: str) -> tuple[str, str]:
    if "full" in fact:
        return "the disk is full; nothing was written.", "Free some space; Postroom goes on by itself."
    if "locked" in fact:
        return f"another process held the database for {BUSY_TIMEOUT_S:.0f} s.", "See who else uses this `state_dir`."
    if "malformed" in fact or "not a database" in fact:
        return "the file is damaged or no SQLite database.", "Move it away; restore a backup or start afresh."
    if "readonly" in fact or "unable to open" in fact:
        return f"the file cannot be written ({fact}).", "Check its owner and rights."
    return f"{fact}.", "Look at the disk and the file's rights."
