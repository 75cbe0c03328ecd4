"""Deletion is deletion: what teaches nothing any more is in no file of the database, while it is open and in use."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.passes.mailroom import open_mailroom
from daemon.privacy import retention
from daemon.service.loop import Service
from daemon.settings import Settings, SortingSettings
from daemon.store import clocks as store
from daemon.store import learning, mailboxes, messages, training
from daemon.store.clocks import Waiting
from daemon.store.database import Database
from daemon.training.never_senders import void_never_senders
from tests.daemon.report.test_lessons import CONFIG
from tests.fakes import START

NOW = START + timedelta(days=400)


class Office:
    """One mailbox, and lessons with words that can be looked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database.open(folder / "postroom.sqlite")
        with self.database.begin() as tx:
            self.box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
            store.note(tx, self.box, Waiting(NOW - timedelta(days=1)))  # as last night left it

    def message(self, number: int, seen: datetime = START) -> int:
        with self.database.begin() as tx:
            ref = MessageRef("Orders", 1, number)
            sighting = Sighting(ref, Identity(None, f"<zqid{number}@x.example>", f"zqdigest{number}"))
            message = messages.add(tx, self.box, sighting, "elsewhere", seen, None)
            messages.add_sighting(tx, self.box, message, ref, seen, ours=False, who=None, judged=True)
        return message

    def teach(
        self,
        word: str,
        category: str = "c1",
        at: datetime = START,
        message: int | None = None,
        source: str = "correction",
        sender: str = "Ann <ann@x.example>",
    ) -> int:
        # Long enough for pages of its own, which SQLite frees whole, and for a part that lies in the row's page.
        text = MailText(sender=sender, subject=word, body=f"{word} {'and more ' * 900}{word}")
        with self.database.begin() as tx:
            assert learning.teach(tx, self.box, category, text, at, source=source, message=message, thread=f"<{word}>")
            return learning.lesson_state(tx, self.box)[0]

    def holds(self, word: str) -> bool:
        """Does any of the database's files?"""
        return any(word.encode() in file.read_bytes() for file in self.folder.iterdir())

    def words(self) -> list[str]:
        with self.database.begin() as tx:
            return [lesson.text.subject for lesson in learning.lessons(tx, self.box)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.database.close()


def take_back(office: Office, message: int, lesson: int) -> None:
    with office.database.begin() as tx:
        learning.void_lesson(tx, office.box, lesson, NOW)


def take_the_correction_back(office: Office, message: int, lesson: int) -> None:
    places = {"from_category": None, "to_category": "c1", "from_folder": "INBOX", "to_folder": "Orders"}
    with office.database.begin() as tx:
        done = learning.add_correction(tx, message, START, "filing", **places, who="Eve", decision=None)
        assert learning.void_correction(tx, office.box, done, NOW)


def put_into_the_inbox(office: Office, message: int, lesson: int) -> None:
    with office.database.begin() as tx:
        learning.void_lessons_of(tx, message, NOW)


def think_again(office: Office, message: int, lesson: int) -> None:
    office.teach("zqother", "c2", NOW, message)


def list_the_sender(office: Office, message: int, lesson: int) -> None:
    void_never_senders(office.database, office.box, SortingSettings(never_senders=("@x.example",)), NOW)


@pytest.mark.parametrize("how", [take_back, take_the_correction_back, put_into_the_inbox, think_again, list_the_sender])
def test_what_teaches_nothing_any_more_loses_its_text_at_once_and_keeps_its_line(
    office: Office, how: Callable[[Office, int, int], None]
) -> None:
    message = office.message(1)
    for number in range(20):
        office.teach(f"zqkept{number}", sender="bob@y.example")
    lesson = office.teach("zqgone", message=message)
    assert office.holds("zqgone")
    how(office, message, lesson)
    assert not office.holds("zqgone")
    assert all(office.holds(f"zqkept{number}") for number in range(20))
    with office.database.begin() as tx:
        found = learning.lessons_of(tx, message)[0]
        assert (found.id, found.category, found.text, found.thread) == (lesson, "c1", MailText(), None)
        assert found.voided == NOW
        row = tx.exec_driver_sql(f"SELECT fingerprint FROM lessons WHERE id = {lesson}").scalar()
    assert row == "", "a checksum would prove a guess"


def test_a_lesson_that_was_taken_back_is_not_taught_again_by_its_folder(office: Office) -> None:
    message = office.message(1)
    take_back(office, message, office.teach("zqgone", message=message))
    with office.database.begin() as tx:
        again = (tx, office.box, "c1", MailText(body="zqgone"), NOW)
        assert not learning.teach(*again, source="folder", message=message)
        assert learning.teach(*again, source="correction", message=message)


def test_lessons_grow_old_and_each_folder_keeps_its_newest(office: Office) -> None:
    for number in range(6):
        office.teach(f"zqmany{number}", "c1", NOW - timedelta(days=10 - number))
    frozen = office.teach("zqfrozen", "c1", NOW - timedelta(days=90))
    old_exam = office.teach("zqexam", "c2", NOW - timedelta(days=366))
    office.teach("zqyoung", "c2", NOW - timedelta(days=364))
    with office.database.begin() as tx:
        learning.freeze(tx, office.box, [frozen, old_exam])
    gone = retention.hold(office.database, office.box, Settings(training={"max_per_folder": 4}), NOW)
    assert gone.lessons == 4
    assert sorted(office.words()) == ["zqfrozen", "zqmany3", "zqmany4", "zqmany5", "zqyoung"]
    assert not any(office.holds(word) for word in ("zqmany0", "zqmany1", "zqmany2", "zqexam"))
    assert retention.hold(office.database, office.box, Settings(), NOW).lessons == 0


def test_the_number_of_a_deleted_lesson_never_comes_again(office: Office) -> None:
    lessons = [office.teach(f"zqone{number}") for number in range(3)]
    with office.database.begin() as tx:
        learning.delete_lessons(tx, lessons[1:])
    assert office.teach("zqnew") == lessons[-1] + 1


def test_identities_go_whether_they_taught_or_not_and_lessons_live_on_without(office: Office) -> None:
    taught, untaught, recent = office.message(1), office.message(2), office.message(3, NOW)
    lesson = office.teach("zqtaught", at=NOW, message=taught)
    assert retention.hold(office.database, office.box, Settings(), NOW).identities == 2
    assert not any(office.holds(f"zqid{number}@") or office.holds(f"zqdigest{number}") for number in (taught, untaught))
    assert office.holds(f"zqid{recent}@")
    with office.database.begin() as tx:
        [kept] = learning.lessons(tx, office.box)
        assert (kept.id, kept.message) == (lesson, None)
        assert not learning.teach(tx, office.box, "c1", kept.text, NOW, source="folder"), "its text is known"


def test_mailboxes_that_the_settings_no_longer_name_grow_old_too(office: Office) -> None:
    office.teach("zqold")
    with office.database.begin() as tx:
        other = mailboxes.ensure(tx, "other", "imap", "shadow", NOW).id
    retention.hold_others(office.database, {office.box}, Settings(), NOW)
    assert office.words() == ["zqold"]
    retention.hold_others(office.database, {other}, Settings(), NOW)
    assert office.words() == []


def test_every_night_holds_it_also_one_that_trains_nothing_and_each_start_for_the_senders(
    office: Office, tmp_path: Path
) -> None:
    with office.database.begin() as tx:
        other = mailboxes.ensure(tx, "no longer in the settings", "imap", "shadow", NOW).id
        learning.teach(tx, other, "c9", MailText(body="zqother"), START, source="csv")
    office.teach("zqold")
    office.teach("zqyoung", at=NOW)
    config = tmp_path / "postroom.toml"
    limits = '[training]\nwindow = "00:00-23:59"\nmin_corrections = 1000\n'
    config.write_text(CONFIG.format(state=tmp_path) + limits + '[sorting]\nnever_senders = ["@y.example"]\n')
    settings = Settings.load(config)
    service = Service(config, settings, clock=lambda: NOW)
    with open_mailroom(settings, clock=lambda: NOW) as mailroom:
        service._plan(mailroom, mailroom.desks()).nights.train_all()
    with office.database.begin() as tx:
        assert [run.outcome for run in training.runs(tx, office.box)] == ["skipped"]
        assert learning.lesson_counts(tx, other) == {}
    assert office.words() == ["zqyoung"]
    assert not office.holds("zqold")
    assert not office.holds("zqother")
    office.teach("zqlisted", at=NOW, sender="bob@y.example")
    service.stopping.set()
    service._run_until_change()
    assert office.words() == ["zqyoung"]


def test_a_reader_that_holds_the_log_only_puts_its_emptying_off(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.store.database.SCRUB_TIMEOUT_S", 0.05)
    first, second = office.teach("zqfirst"), office.teach("zqsecond")
    reader = sqlite3.connect(office.folder / "postroom.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM lessons").fetchone()
    take_back(office, 0, first)
    assert office.holds("zqfirst"), "whoever reads sees what was there when it began"
    reader.execute("COMMIT")
    reader.close()
    take_back(office, 0, second)
    assert not office.holds("zqfirst")
    assert not office.holds("zqsecond")
