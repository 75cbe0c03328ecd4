"""Many at once on one database, and a database that fails: readers wait for nobody, and every failure is a sentence."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.store import database as store
from daemon.store import decisions, journal, learning, mailboxes, messages, training
from daemon.store.database import Database, StoreError, copy_database
from tests.fakes import START

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
input()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "postroom.sqlite"


@pytest.fixture
def database(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.2)  # whoever waits for a lock fails at once
    database = Database.open(path)
    with database.begin() as tx:
        mailboxes.ensure(tx, "office", "imap", "shadow", START)
    yield database
    database.close()


@contextlib.contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """Another process has the write lock."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.kill()


def test_who_only_looks_waits_for_no_writer(database: Database, path: Path) -> None:
    with held_by_another(path):
        with database.read() as tx:
            assert [box.name for box in mailboxes.everyone(tx)] == ["office"]
        with pytest.raises(StoreError, match="another process held the database"), database.begin():
            pass
    with database.begin() as tx:
        mailboxes.set_mode(tx, 1, "live")


def test_opening_a_database_of_today_waits_for_no_writer(database: Database, path: Path) -> None:
    with held_by_another(path):
        beside = Database.open(path)
        with beside.read() as tx:
            assert mailboxes.find(tx, "office") is not None
        beside.close()


def test_a_reader_sees_one_moment_and_holds_up_no_writer(database: Database) -> None:
    with database.read() as looking:
        assert mailboxes.everyone(looking)[0].mode == "shadow"
        with database.begin() as tx:
            mailboxes.set_mode(tx, 1, "live")
        assert mailboxes.everyone(looking)[0].mode == "shadow"
    with database.read() as looking:
        assert mailboxes.everyone(looking)[0].mode == "live"


def test_who_writes_where_only_looking_is_allowed_is_told_at_once(database: Database) -> None:
    with pytest.raises(StoreError, match="only looks"), database.read() as tx:
        mailboxes.set_mode(tx, 1, "live")
    with database.read() as tx:
        assert mailboxes.everyone(tx)[0].mode == "shadow"
    with database.begin() as tx:  # the same connection writes again
        mailboxes.set_mode(tx, 1, "live")


def test_nobody_waits_for_a_connection(database: Database) -> None:
    """The pool's own bound was 15: the sixteenth waited half a minute, and then the service ended."""
    with ExitStack() as open_:
        for _ in range(60):
            open_.enter_context(database.read())
        with database.begin() as tx:
            mailboxes.set_mode(tx, 1, "live")
    assert database._engine.pool.checkedin() <= store.KEPT_CONNECTIONS  # type: ignore[attr-defined]


def test_a_pool_that_runs_out_is_a_sentence(path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0, pool_timeout=0.1)
    small = Database(engine, str(path))
    for transaction in (small.read, small.begin):
        with (
            small.read(),
            pytest.raises(StoreError, match="no connection to the database was free"),
            transaction(),
        ):
            pass
    small.close()


def test_an_error_of_a_row_stays_what_it_is(database: Database) -> None:
    with pytest.raises(sqlalchemy.exc.IntegrityError), database.begin() as tx:
        tx.exec_driver_sql("INSERT INTO folders (mailbox_id, name) VALUES (999, 'x')")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("lessons", "text", '{"body": "zebra'),
        ("lessons", "at", "zebra"),
        ("lessons", "at", 17),
        ("lessons", "category", b"zebra \xff"),
        ("lessons", "text", b"zebra \xff"),
    ],
)
def test_a_damaged_value_is_a_sentence_that_quotes_nothing(
    database: Database, path: Path, table: str, column: str, value: Any
) -> None:
    with database.begin() as tx:
        learning.teach(tx, 1, "c1", MailText(body="zebra"), START, source="csv")
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        new = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
        assert raw.execute(f"UPDATE {table} SET {column} = {new}", (value,)).rowcount == 1
    with pytest.raises(StoreError, match="damaged or no SQLite database") as caught, database.read() as tx:
        learning.lessons(tx, 1)
    assert "zebra" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__, "the log would print what SQLite quotes"


def fill(database: Database) -> None:
    """Some of everything that a pass reads."""
    with database.begin() as tx:
        for number in range(60):
            sighting = Sighting(MessageRef("INBOX", 1, number), Identity(None, f"<{number}@x>", f"d{number}"))
            message = messages.add(tx, 1, sighting, "new", START, START)
            messages.add_sighting(tx, 1, message, sighting.ref, START, ours=False, who=None, judged=False)
            learning.teach(tx, 1, "c1", MailText(subject=f"mail {number}", body="x" * 300), START, source="csv")
        for version in ("a", "b"):
            training.add_model(tx, 1, version, version, START, state="kept", verdict="", exam={"right": 1})
            training.promote(tx, 1, version, START)


def read_all(database: Database) -> None:
    """What passes and commands ask."""
    asked: list[Callable[[Any], object]] = [
        mailboxes.everyone,
        lambda tx: mailboxes.folders(tx, 1),
        lambda tx: mailboxes.categories(tx, 1),
        lambda tx: messages.due(tx, 1, "INBOX", START, 100),
        lambda tx: messages.unjudged(tx, 1, START),
        lambda tx: learning.lessons(tx, 1),
        lambda tx: training.models(tx, 1),
        lambda tx: training.runs(tx, 1, limit=9),
        lambda tx: journal.unfinished(tx, 1),
        lambda tx: decisions.since(tx, 1, START),
    ]
    for ask in asked:
        with database.read() as tx:
            ask(tx)


def test_whatever_is_damaged_in_the_file_is_a_sentence(database: Database, path: Path, tmp_path: Path) -> None:
    """A flipped byte may go unnoticed, for the file has no checksums; what is noticed is told as damage."""
    fill(database)
    whole = tmp_path / "whole.sqlite"
    copy_database(path, whole)
    content, told = whole.read_bytes(), 0
    for seed in range(40):
        chance = random.Random(seed)
        damaged = bytearray(content)
        for _ in range(60):
            damaged[chance.randrange(100, len(damaged))] = chance.randrange(256)
        file = tmp_path / f"damaged{seed}.sqlite"
        file.write_bytes(damaged)
        try:
            with contextlib.closing(Database.open(file)) as opened:
                read_all(opened)
        except StoreError:
            told += 1
    assert told >= 20


def test_a_copy_of_a_damaged_database_is_refused_in_words(tmp_path: Path) -> None:
    source = tmp_path / "broken.sqlite"
    source.write_bytes(b"not a database at all, but long enough to look at" * 50)
    with pytest.raises(StoreError, match="damaged or no SQLite database"):
        copy_database(source, tmp_path / "copy.sqlite")
