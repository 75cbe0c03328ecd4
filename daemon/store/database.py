"""Open the database: SQLite in WAL mode with foreign keys, brought to the newest migration.

    with database.read() as tx:         # looks, waits for nobody, and can't write
        mailboxes.find(tx, "office")
    with database.begin() as tx:        # writes: all of it or nothing, one writer at a time
        mailboxes.set_mode(tx, 1, "live")

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
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daemon.errors import PostroomError
from daemon.store.tables import Unreadable, parse_json

Tx = sqlalchemy.Connection

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_TIMEOUT_S = 30.0
KEPT_CONNECTIONS = 10
"""So many stay open between transactions; others are closed at their end. Nobody ever waits for one."""
LOOKS_ONLY = "postroom_looks_only"


class StoreError(PostroomError):
    """The database cannot be used. Says what is wrong with it and what to do."""


class Database:
    """One open database. Safe to share between threads; each transaction has a connection of its own."""

    def __init__(self, engine: sqlalchemy.Engine, place: str) -> None:
        self._engine = engine
        self._looking = engine.execution_options(**{LOOKS_ONLY: True})  # the same connections
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
        engine = sqlalchemy.create_engine(
            f"sqlite:///{path}",
            connect_args={"timeout": BUSY_TIMEOUT_S},
            # How many work at once is bounded by those who work (`passes_at_once`). A pool that ran out would fail
            # whoever comes last, be it the one that asks whether all is well.
            pool_size=KEPT_CONNECTIONS,
            max_overflow=-1,
            json_deserializer=parse_json,
        )
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        database = cls(engine, str(path))
        with contextlib.ExitStack() as failed:
            failed.callback(database.close)
            with database.read() as tx:
                newest = _current_revision(tx) == _newest_revision()
            if not newest:
                with database.begin() as tx:
                    _migrate(tx, str(path))
            _hide(path)
            failed.pop_all()
        return database

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """One transaction that may write: committed at the end, rolled back by any exception.

        Holds the write lock from its beginning, so keep it short and only look in `read`. Raises StoreError if SQLite
        refuses, and sqlalchemy's IntegrityError as it is.
        """
        with _in_words(self.place), self._engine.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One transaction that only looks, at one moment's state: it waits for no writer, and none waits for it.

        Raises StoreError if SQLite refuses, also when somebody writes in it.
        """
        with _in_words(self.place, looking=True), self._looking.begin() as tx:
            yield tx

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


@contextmanager
def _in_words(place: str, *, looking: bool = False) -> Iterator[None]:
    """Whatever a database can fail with, as StoreError. IntegrityError stays: it is about a row, not about the file."""
    try:
        yield
    except IntegrityError:
        raise
    except PoolTimeout as error:
        raise StoreError(place, "no connection to the database was free.", "See whether a process hangs.") from error
    except (DBAPIError, sqlite3.Error) as error:
        words = _explain(getattr(error, "orig", None) or error, looking)
        raise StoreError(place, *words) from (None if words is DAMAGED else error)  # SQLite quotes what it can't decode
    except (UnicodeDecodeError, Unreadable):
        raise StoreError(place, *DAMAGED) from None


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use; nothing if there is none yet. Raises StoreError."""
    if not source.exists():
        return
    with (
        _in_words(str(source)),
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
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


def _begin(connection: Tx) -> None:
    # A writer takes the write lock at once: one that first reads and then writes could meet SQLITE_BUSY in its middle.
    # Who only looks takes none. In WAL mode it sees the last state that was committed, however long others write.
    looks_only = connection.get_execution_options().get(LOOKS_ONLY, False)
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if looks_only else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if looks_only else "BEGIN IMMEDIATE")


def _migrate(tx: Tx, place: str) -> None:
    config = _config()
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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _newest_revision() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _current_revision(tx: Tx) -> str | None:
    if not sqlalchemy.inspect(tx).has_table("alembic_version"):
        return None
    found = tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


DAMAGED = ("the file is damaged or no SQLite database.", "Move it away; restore a backup or start afresh.")
# SQLite's primary result codes, https://www.sqlite.org/rescode.html
_OF_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


def _explain(error: BaseException, looking: bool) -> tuple[str, str]:
    """The fact and the next step for the ways in which SQLite fails. `looking`: in a transaction that may not write."""
    fact, code = str(error), getattr(error, "sqlite_errorcode", None)
    if "full" in fact:
        return "the disk is full; nothing was written.", "Free some space; Postroom goes on by itself."
    if "locked" in fact:
        return f"another process held the database for {BUSY_TIMEOUT_S:.0f} s.", "See who else uses this `state_dir`."
    if (code or 0) & 0xFF in _OF_DAMAGE or "malformed" in fact or "not a database" in fact or "not decode" in fact:
        return DAMAGED
    if looking and code == sqlite3.SQLITE_READONLY:  # a file that may not be written has longer codes
        return "something was to be written where Postroom only looks.", "Nothing was. Report this: it is a mistake."
    if "readonly" in fact or "unable to open" in fact:
        return f"the file cannot be written ({fact}).", "Check its owner and rights."
    return f"{fact}.", "Look at the disk and the file's rights."
