"""The database: migrations, refusals in words, the codebook's promise, lessons that count once."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.store import learning, mailboxes, messages, training
from daemon.store.database import Database, StoreError
from daemon.store.tables import metadata
from tests.fakes import START


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "postroom.sqlite")
    yield database
    database.close()


def open_files() -> list[str]:
    """What this process holds open, by path."""
    return [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]


@pytest.fixture
def office(database: Database) -> int:
    with database.begin() as tx:
        return mailboxes.ensure(tx, "office", "imap", "shadow", START).id


def test_migrations_build_exactly_the_tables_that_the_code_uses(database: Database) -> None:
    with database.begin() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_database_is_wal_with_foreign_keys_and_readable_by_its_owner_only(database: Database, tmp_path: Path) -> None:
    with database.begin() as tx:
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert tx.exec_driver_sql("PRAGMA secure_delete").scalar() == 1, "what is deleted is overwritten"
    assert (tmp_path / "postroom.sqlite").stat().st_mode & 0o077 == 0


def everything_in(path: Path) -> list[str]:
    """The database as SQL, row by row."""
    with contextlib.closing(sqlite3.connect(path)) as raw:
        return list(raw.iterdump())


# The unreleased Postroom named its migrations with a word; its first one is not the first of today.
@pytest.mark.parametrize("revision", ["0999_future", "0001_first", "0005_counting", "0008_model_run"])
def test_database_of_another_postroom_is_refused_with_the_next_step_and_left_as_it_is(
    tmp_path: Path, revision: str
) -> None:
    path = tmp_path / "postroom.sqlite"
    with contextlib.closing(Database.open(path)) as database, database.begin() as tx:
        mailboxes.ensure(tx, "office", "imap", "shadow", START)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", [revision])
        raw.execute("DROP TABLE retention")
    raw.close()
    before = everything_in(path)
    with pytest.raises(StoreError, match="written by a newer Postroom") as caught:
        Database.open(path)
    assert f"or by one from before 0.1.0 (revision {revision})" in str(caught.value)
    assert "move the database away and start afresh" in str(caught.value)
    assert str(path) not in open_files()
    assert everything_in(path) == before


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "postroom.sqlite"
    path.write_bytes(b"not a database at all, but long enough to look at" * 50)
    with pytest.raises(StoreError, match="damaged or no SQLite database"):
        Database.open(path)
    assert str(path) not in open_files()


def test_somebody_elses_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_the_owner(_path: Path, _mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "postroom.sqlite"
    Database.open(path).close()
    monkeypatch.setattr(Path, "chmod", not_the_owner)
    with pytest.raises(StoreError, match="Run Postroom as the user who owns it"):
        Database.open(path)
    assert str(path) not in open_files()


def test_full_disk_is_a_sentence_and_nothing_is_written(database: Database, office: int) -> None:
    with database.begin() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()

    def fill() -> None:
        with database.begin() as tx:
            tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            for number in range(2000):
                learning.teach(tx, office, "c1", MailText(body="x" * 500 + str(number)), START, source="csv")

    with pytest.raises(StoreError, match="disk is full"):
        fill()
    with database.begin() as tx:
        assert learning.lesson_counts(tx, office) == {}


def test_codes_are_never_reused_or_reordered(database: Database, office: int) -> None:
    with database.begin() as tx:
        mailboxes.extend_codebook(tx, office, [("AA", "c1"), ("BB", "c2")])
        mailboxes.extend_codebook(tx, office, [("AA", "c1"), ("BB", "c2"), ("CC", "c3")])
    with pytest.raises(ValueError, match="only grows"), database.begin() as tx:
        mailboxes.extend_codebook(tx, office, [("BB", "c2"), ("AA", "c1")])
    with database.begin() as tx:
        assert mailboxes.codebook(tx, office) == [("AA", "c1"), ("BB", "c2"), ("CC", "c3")]


def test_the_same_text_is_learnt_once_and_the_last_word_counts(database: Database, office: int) -> None:
    text = MailText(subject="Bill", body="Pay us", attachments=("a.pdf (application/pdf)",))
    with database.begin() as tx:
        assert learning.teach(tx, office, "c1", text, START, source="folder")
        assert not learning.teach(tx, office, "c1", text, START, source="folder")
        assert learning.teach(tx, office, "c2", text, START, source="correction")
        assert [(lesson.category, lesson.text) for lesson in learning.lessons(tx, office)] == [("c2", text)]


def test_two_mails_that_say_the_same_are_two_lessons(database: Database, office: int) -> None:
    """People may have put them apart; then that text tells nothing, which only both together can say."""
    text = MailText(subject="Bill", body="Pay us")
    with database.begin() as tx:
        first, second = (
            messages.add(
                tx,
                office,
                Sighting(MessageRef("A", 1, uid), Identity(None, f"<{uid}@b>", f"d{uid}")),
                "elsewhere",
                START,
                None,
            )
            for uid in (1, 2)
        )
        assert learning.teach(tx, office, "c1", text, START, source="csv")
        assert learning.teach(tx, office, "c2", text, START, source="folder", message=first)
        assert learning.teach(tx, office, "c1", text, START, source="folder", message=second)
        assert not learning.teach(tx, office, "c1", text, START, source="folder", message=second)
        assert [(lesson.category, lesson.message) for lesson in learning.lessons(tx, office)] == [
            ("c2", first),
            ("c1", second),
        ]


def test_voided_correction_teaches_nothing_any_more(database: Database, office: int) -> None:
    with database.begin() as tx:
        sighting = Sighting(MessageRef("INBOX", 1, 1), Identity(None, "<a@b>", "d"))
        message = messages.add(tx, office, sighting, "new", START, START)
        correction = learning.add_correction(
            tx,
            message,
            START,
            "filing",
            from_category=None,
            to_category="c1",
            from_folder="INBOX",
            to_folder="Invoices",
            who=None,
            decision=None,
        )
        learning.teach(tx, office, "c1", MailText(body="hello"), START, source="correction", message=message)
        assert learning.void_correction(tx, office, correction, START)
        assert learning.lessons(tx, office) == []
        assert not learning.void_correction(tx, office, correction, START)


def test_there_is_always_exactly_one_current_model(database: Database, office: int) -> None:
    with database.begin() as tx:
        for version in ("a", "b", "c"):
            training.add_model(tx, office, version, f"office/{version}", START, state="kept", verdict="", exam={})
            training.promote(tx, office, version, START)
        states = {model.version: model.state for model in training.models(tx, office)}
    assert states == {"a": "kept", "b": "previous", "c": "current"}


@pytest.mark.parametrize(
    ("identity", "found"),
    [
        (Identity("guid:1", "<x@y>", "d1"), True),
        (Identity("guid:2", "<x@y>", "d1"), False),  # another copy of the same mail
        (Identity(None, "<x@y>", "d1"), True),  # the server was replaced by one without ids
        (Identity("emailid:7", "<x@y>", "d1"), True),  # or by one with better ids
        (Identity(None, "<x@y>", "d2"), False),  # a reused Message-ID is no proof
        (Identity("guid:1", None, "d9"), True),
    ],
)
def test_identity_ladder(database: Database, office: int, identity: Identity, found: bool) -> None:
    with database.begin() as tx:
        known = Sighting(MessageRef("INBOX", 1, 1), Identity("guid:1", "<x@y>", "d1"))
        messages.add(tx, office, known, "new", START, START)
        assert bool(messages.candidates(tx, office, identity)) is found


def test_reused_message_id_on_other_content_is_another_message(database: Database, office: int) -> None:
    with database.begin() as tx:
        first = Sighting(MessageRef("INBOX", 1, 1), Identity(None, "<x@y>", "d1"))
        messages.add(tx, office, first, "new", START, START)
        assert messages.candidates(tx, office, Identity(None, "<x@y>", "d2")) == []
        assert messages.candidates(tx, office, Identity(None, None, "d1")) != []
