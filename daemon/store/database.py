"""Open the database: SQLite in WAL mode with foreign keys, brought to the newest migration.

    with database.read() as tx:         # looks, waits for nobody, and can't write
        mailboxes.find(tx, "office")
    with database.begin() as tx:        # writes: all of it or nothing, one writer at a time
        mailboxes.set_mode(tx, 1, "live")

SQLAlchemy stays inside `daemon.store`: to the rest of Postroom `Tx` is only a handle to pass on.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from daemon.mistakes import PostroomError, disk_trouble
from daemon.store.kept_copy import keep_copy
from daemon.store.place import OpenedPlace
from daemon.store.tables import REVISION, Unreadable, parse_json

if TYPE_CHECKING:
    from alembic.config import Config

Tx = sqlalchemy.Connection

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_TIMEOUT_S = 30.0
KEPT_CONNECTIONS = 10
"""So many stay open between transactions; others are closed at their end. Nobody ever waits for one."""
LOOKS_ONLY = "postroom_looks_only"
SCRUB_TIMEOUT_S = 2.0
"""How long emptying the log waits for whoever reads it just now."""
SCRUB = "scrub"


class StoreError(PostroomError):
    """The database cannot be used. Says what is wrong with it and what to do."""


class DatabaseGone(StoreError):
    """The file that was opened is not the one at its path any more. Nothing more is written into it."""


class Database:
    """One open database. Safe to share between threads; each transaction has a connection of its own."""

    def __init__(self, engine: sqlalchemy.Engine, place: str) -> None:
        self._engine = engine
        self._looking = engine.execution_options(**{LOOKS_ONLY: True})  # the same connections
        self.place = place
        self._opened: OpenedPlace | None = None

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
                newest = current_revision(tx) == REVISION
            if not newest:
                with database.begin() as tx:
                    _migrate(tx, str(path))
            with database.read():
                database._opened = OpenedPlace(path)
            failed.pop_all()
        return database

    def check_place(self) -> None:
        """Raises DatabaseGone where the file, or its log, was deleted or replaced since it was opened."""
        happened = None if self._opened is None else self._opened.what_happened()
        if happened is not None:
            raise DatabaseGone(self.place, happened, "Nothing more is written into it. What lies there now is opened.")

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """One transaction that may write: committed at the end, rolled back by any exception.

        Holds the write lock from its beginning, so keep it short and only look in `read`. Raises StoreError if SQLite
        refuses, and sqlalchemy's IntegrityError as it is.
        """
        self.check_place()
        with _in_words(self.place):
            with self._engine.begin() as tx:
                yield tx
                wiped = tx.info.pop(SCRUB, False)
            if wiped:
                self.scrub()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One transaction that only looks, at one moment's state: it waits for no writer, and none waits for it.

        Raises StoreError if SQLite refuses, also when somebody writes in it.
        """
        self.check_place()
        with _in_words(self.place, looking=True), self._looking.begin() as tx:
            yield tx

    def scrub(self) -> bool:
        """Write what was deleted out of the write-ahead log, too. False: not now, because somebody reads or the disk is
        full; the next deletion or the next night does it."""
        try:
            shortly = f"PRAGMA busy_timeout={1000 * SCRUB_TIMEOUT_S:.0f}"
            return self._alone(shortly, "PRAGMA wal_checkpoint(TRUNCATE)") == 0
        except StoreError:  # what was deleted is committed: no reason to call that a failure
            return False

    def rewrite(self) -> None:
        """Write the whole file anew, without a trace of what was ever deleted. Takes seconds. Raises StoreError.

        SQLite's copy meanwhile is a file without a name, beside the database: in memory it would take as much as the
        database is large, and /tmp is not ours.
        """
        beside = str(Path(self.place).parent).replace("'", "''")
        self._alone(
            f"PRAGMA temp_store_directory='{beside}'",
            "PRAGMA temp_store=FILE",
            "VACUUM",
            afterwards=("PRAGMA temp_store=MEMORY", "PRAGMA temp_store_directory=''"),
        )
        self.scrub()

    def _alone(self, *statements: str, afterwards: Sequence[str] = ()) -> int | None:
        """Run statements outside of a transaction; the last one's first number. `afterwards`: on the same connection,
        however they end. Raises StoreError."""
        with _in_words(self.place):
            raw = self._engine.raw_connection()
            cursor = raw.cursor()
            try:
                row: Any = None
                for statement in ("PRAGMA query_only=OFF", *statements):
                    cursor.execute(statement)
                    row = cursor.fetchone()
                return None if row is None else int(row[0])
            finally:
                for statement in afterwards:
                    cursor.execute(statement)
                cursor.execute(f"PRAGMA busy_timeout={1000 * BUSY_TIMEOUT_S:.0f}")
                raw.close()

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


def copy_database(source: Path, target: Path, *, alone: bool = False) -> None:
    """A consistent copy of a database that may be in use; nothing if there is none yet. Raises StoreError.

    `alone`: all of it lies in the one file, and goes on doing so while somebody reads it.
    """
    if not source.exists():
        return
    _hide(target)
    with (
        _in_words(str(source)),
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        if alone:  # until somebody writes: opened as ours it has a log again
            new.execute("PRAGMA journal_mode=DELETE")


@contextmanager
def read_only(path: Path) -> Iterator[Tx]:
    """A database that is not touched, whatever version of Postroom wrote it. Raises StoreError."""
    engine = sqlalchemy.create_engine(f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true", poolclass=NullPool)
    with _in_words(str(path)), engine.connect() as tx:
        yield tx


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
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with contextlib.suppress(FileNotFoundError):
                file.chmod(0o600)
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


def _begin(connection: Tx) -> None:
    # A writer takes the write lock at once: one that first reads and then writes could meet SQLITE_BUSY in its middle.
    # Who only looks takes none. In WAL mode it sees the last state that was committed, however long others write.
    looks_only = connection.get_execution_options().get(LOOKS_ONLY, False)
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if looks_only else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if looks_only else "BEGIN IMMEDIATE")


def _migrate(tx: Tx, place: str) -> None:
    """Bring the tables up to date. Raises StoreError, with nothing changed, where the database is of a Postroom that
    these migrations do not know."""
    # Alembic costs more CPU than a whole `postroom status`, and only a new database or an older one needs it.
    from alembic import command
    from alembic.util import CommandError

    config = _config()
    config.attributes["connection"] = tx
    found = current_revision(tx)
    refuse_revision(found, known_revisions(), place)
    if found not in (None, REVISION):
        _keep_copy(Path(place), found)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(place, f"the database cannot be migrated: {error}.", "Keep a copy and report this.") from error


def refuse_revision(found: str | None, known: Collection[str], place: str) -> None:
    """Raises StoreError where a database is of a revision that this Postroom does not know. None: it has no tables."""
    if found is not None and found not in known:
        raise StoreError(
            place,
            f"the database was written by a newer Postroom, or by one from before 0.1.0 (revision {found}).",
            "Install that version again, or put back the copy of before it (docs/installing.md, Updating), or move the "
            "database away and start afresh.",
        )


def _keep_copy(path: Path, found: str) -> None:
    """Raises StoreError where there is no room for a copy: then nothing is migrated either."""
    try:
        keep_copy(path, found, REVISION, copy_database)
    except (StoreError, OSError) as error:
        trouble = disk_trouble(error, path.parent) if isinstance(error, OSError) else error
        fact = getattr(trouble, "fact", None) or str(error)
        raise StoreError(
            str(path),
            f"no copy could be made before it is brought up to date ({fact.rstrip('.')}). Nothing was changed.",
            "It needs as much room again as the database; then start once more.",
        ) from error


def known_revisions() -> frozenset[str]:
    """The revisions of databases that this Postroom can bring up to date, today's among them."""
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def current_revision(tx: Tx) -> str | None:
    """The revision of this database; None: it has no tables yet."""
    named = tx.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    if named.scalar() is None:
        return None
    found = tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


DAMAGED = (
    "the file is damaged or no SQLite database.",
    "Stop the service, move the file away with its -wal and -shm, and restore a backup (docs/installing.md) or start "
    "afresh: an empty database begins in shadow, without lessons.",
)
# SQLite's primary result codes, https://www.sqlite.org/rescode.html
_WORDS_OF_DAMAGE = ("malformed", "not a database", "not decode", "no such table", "no such column", "already exists")
"""The last three: of tables whose description is damaged."""
_OF_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


def _explain(error: BaseException, looking: bool) -> tuple[str, str]:
    """The fact and the next step for the ways in which SQLite fails. `looking`: in a transaction that may not write."""
    fact, code = str(error), getattr(error, "sqlite_errorcode", None)
    if "full" in fact:
        return "the disk is full; nothing was written.", "Free some space; Postroom goes on by itself."
    if "locked" in fact:
        return f"another process held the database for {BUSY_TIMEOUT_S:.0f} s.", "See who else uses this `state_dir`."
    if (code or 0) & 0xFF in _OF_DAMAGE or any(words in fact for words in _WORDS_OF_DAMAGE):
        return DAMAGED
    if looking and code == sqlite3.SQLITE_READONLY:  # a file that may not be written has longer codes
        return "something was to be written where Postroom only looks.", "Nothing was. Report this: it is a mistake."
    if "readonly" in fact or "unable to open" in fact:
        return f"the file cannot be written ({fact}).", "Check its owner and rights."
    return f"{fact}.", "Look at the disk and the file's rights."
