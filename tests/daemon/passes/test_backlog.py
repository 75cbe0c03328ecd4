"""Mail that lay in the inbox before Postroom came, sorted when somebody asks for it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import MailText
from daemon.passes import backlog
from daemon.passes.one_pass import one_pass
from daemon.store import decisions, messages
from tests.daemon.passes.test_pipeline import Office, make_office
from tests.fakes import START

__all__ = ["make_office"]


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    """Six mails of the last days before the first look, one of which people have since filed themselves."""
    made = make_office(first_look=False, sorting={"max_moves_per_minute": 6})
    for number in range(6):
        text = MailText(sender="ann@example.org", subject=f"invoice {number}", body="Please pay.")
        made.box.deliver(text, arrived=made.clock() - timedelta(days=number + 1))
    text = MailText(sender="ann@example.org", subject="puzzle", body="?")
    made.box.deliver(text, arrived=made.clock() - timedelta(hours=1))
    one_pass(made.desk)
    made.clock.advance(days=1)
    one_pass(made.desk)
    return made


def in_inbox(office: Office) -> set[str]:
    return {message.text.subject for message in office.box.lying_in("INBOX")}


def minutes_go_by(office: Office, count: int) -> None:
    for _ in range(count):
        one_pass(office.desk)
        office.clock.advance(minutes=1)


def test_nothing_of_it_is_sorted_unless_somebody_asks(office: Office) -> None:
    minutes_go_by(office, 30)
    assert len(in_inbox(office)) == 7


def test_the_newest_are_sorted_a_few_a_minute_and_what_arrives_is_not_held_up(office: Office) -> None:
    asked = backlog.ask(office.desk, START - timedelta(days=5, hours=1), 4)
    assert (asked.messages, asked.more) == (4, 2)
    assert asked.until == office.clock() + timedelta(seconds=90)
    office.deliver("order now")
    one_pass(office.desk)
    assert in_inbox(office) >= {f"invoice {number}" for number in range(1, 6)}
    minutes_go_by(office, 5)
    assert in_inbox(office) == {"puzzle", "invoice 3", "invoice 4", "invoice 5"}
    assert office.folder_of("order now") == ["Orders"]
    assert office.folder_of("invoice 0") == ["Invoices"]
    assert backlog.ask(office.desk, START - timedelta(days=5, hours=1), 10).messages == 2, "the unsure one is decided"


def test_a_dry_run_says_what_would_become_of_them_and_changes_nothing(office: Office) -> None:
    told, more = backlog.would(office.desk, START - timedelta(days=3, hours=1), 3)
    assert (told, more) == (Counter({"Invoices": 2, "": 1}), 1)
    with office.database.read() as tx:
        assert messages.counts(tx, office.desk.mailbox_id) == {"existing": 7}
        assert decisions.since(tx, office.desk.mailbox_id, START - timedelta(days=9)) == []


def test_it_can_be_stopped_and_asked_for_again(office: Office) -> None:
    backlog.ask(office.desk, START - timedelta(days=9), 500)
    office.deliver("invoice fresh")
    one_pass(office.desk)
    left = backlog.take_back(office.desk)
    assert left == 6, "the newest has been decided about"
    minutes_go_by(office, 10)
    assert office.folder_of("invoice fresh") == ["Invoices"], "what arrived since is no backlog"
    assert len(in_inbox(office)) == 7
    assert backlog.ask(office.desk, START - timedelta(days=9), 500).messages == left


def test_a_backup_does_not_bring_back_what_was_stopped_after_it(office: Office, tmp_path: Path) -> None:
    backlog.ask(office.desk, START - timedelta(days=9), 500)
    with sqlite3.connect(office.place) as source, sqlite3.connect(tmp_path / "backup.sqlite") as backup:
        source.backup(backup)
    backlog.take_back(office.desk)
    minutes_go_by(office, 10)
    with sqlite3.connect(tmp_path / "backup.sqlite") as backup, sqlite3.connect(office.place) as target:
        backup.backup(target)
    minutes_go_by(office, 10)
    assert len(in_inbox(office)) == 7
    assert backlog.ask(office.desk, START - timedelta(days=9), 500).messages == 7, "and it may be asked for again"


def test_what_people_moved_since_is_theirs(office: Office) -> None:
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.box.move_by_person(office.ref_of("invoice 2"), "Archive")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 2"), "INBOX")
    office.settle()
    assert backlog.ask(office.desk, START - timedelta(days=9), 500).messages == 5
    minutes_go_by(office, 10)
    assert office.folder_of("invoice 1") == ["Orders"]
    assert office.folder_of("invoice 2") == ["INBOX"]


def test_what_people_copied_into_the_inbox_since_is_theirs(office: Office) -> None:
    office.box.move_by_person(office.ref_of("invoice 3"), "Orders")
    office.settle()
    office.box.copy_by_person(office.ref_of("invoice 3"), "INBOX")
    office.settle()
    office.settle()
    assert backlog.ask(office.desk, START - timedelta(days=9), 500).messages == 6
    minutes_go_by(office, 30)
    assert sorted(office.folder_of("invoice 3")) == ["INBOX", "Orders"]
