"""A lesson that is taken back brings back the one that it had replaced, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.store import learning, mailboxes, messages
from daemon.store.database import Database, Tx
from tests.fakes import START

TEXT = MailText(subject="Order 7", body="We order and you bill us")


@dataclass
class Office:
    tx: Tx
    box: int
    numbers: list[int] = field(default_factory=list)

    def message(self, origin: str = "one") -> int:
        self.numbers.append(len(self.numbers) + 1)
        number = self.numbers[-1]
        sighting = Sighting(MessageRef("INBOX", 1, number), Identity(None, f"<m{number}@b>", f"d{number}", origin))
        return messages.add(self.tx, self.box, sighting, "new", START, None)

    def moved(self, message: int, to: str, text: MailText = TEXT) -> int:
        """A person moves it, which teaches. Returns the correction."""
        kind = "correction"
        places = {"from_category": None, "to_category": to, "from_folder": "INBOX", "to_folder": to}
        made = learning.add_correction(self.tx, message, START, kind, **places, who=None, decision=None)
        self.teach(to, message, source="correction", correction=made, text=text)
        return made

    def teach(
        self,
        category: str,
        message: int | None = None,
        *,
        source: str = "folder",
        correction: int | None = None,
        text: MailText = TEXT,
    ) -> None:
        more = {"source": source, "message": message, "thread": "<t>", "correction": correction}
        learning.teach(self.tx, self.box, category, text, START, **more)

    def known(self) -> list[tuple[str, int | None, str, str]]:
        return [
            (lesson.category, lesson.message, lesson.source, lesson.text.subject)
            for lesson in learning.lessons(self.tx, self.box)
        ]

    def newest(self) -> int:
        return max(lesson.id for lesson in learning.lessons(self.tx, self.box))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        yield Office(tx, mailboxes.ensure(tx, "office", "imap", "shadow", START).id)
    database.close()


def test_a_lesson_taken_back_brings_back_the_one_before_it_step_by_step(office: Office) -> None:
    message = office.message()
    office.teach("orders", message)
    first = office.newest()
    learning.freeze(office.tx, office.box, [first])
    office.moved(message, "invoices")
    office.moved(message, "jobs")
    assert office.known() == [("jobs", message, "correction", "Order 7")]
    before = learning.lesson_state(office.tx, office.box)[0]
    assert learning.void_lesson(office.tx, office.box, office.newest(), START)
    assert office.known() == [("invoices", message, "correction", "Order 7")]
    assert office.newest() > before, "what knows lessons by their numbers has to see that it counts again"
    assert learning.void_lesson(office.tx, office.box, office.newest(), START)
    assert office.known() == [("orders", message, "folder", "Order 7")]
    [lesson] = learning.lessons(office.tx, office.box)
    assert (lesson.at, lesson.frozen) == (START, True)
    assert learning.void_lesson(office.tx, office.box, lesson.id, START)
    assert office.known() == []


def test_a_lesson_that_a_person_took_back_never_returns(office: Office) -> None:
    message = office.message()
    office.teach("orders", message)
    learning.void_lesson(office.tx, office.box, office.newest(), START)
    office.moved(message, "invoices")
    learning.void_lesson(office.tx, office.box, office.newest(), START)
    assert office.known() == []


def test_a_correction_taken_back_takes_its_own_lesson_and_no_later_one(office: Office) -> None:
    message = office.message()
    office.teach("orders", message)
    earlier = office.moved(message, "invoices")
    later = office.moved(message, "jobs")
    assert learning.void_correction(office.tx, office.box, earlier, START)
    assert office.known() == [("jobs", message, "correction", "Order 7")]
    assert learning.void_correction(office.tx, office.box, later, START)
    assert office.known() == [("orders", message, "folder", "Order 7")], "invoices was taken back by a person"


def test_mail_put_back_into_the_inbox_loses_its_own_lessons_and_no_other_mails(office: Office) -> None:
    message, copy = office.message(), office.message()
    office.teach("jobs", copy)
    office.teach("orders", message)
    office.moved(message, "invoices")
    learning.void_lessons_of(office.tx, message, START)
    assert office.known() == [("jobs", copy, "folder", "Order 7")]


def test_a_lesson_from_a_file_comes_back_too(office: Office) -> None:
    office.teach("orders", source="csv")
    made = office.moved(office.message(), "invoices")
    assert learning.void_correction(office.tx, office.box, made, START)
    assert office.known() == [("orders", None, "csv", "Order 7")]
