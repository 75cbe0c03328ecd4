"""Lessons that contradict one another, or were taken back: nothing is filed that the evidence does not carry, and `why`
says what a person could decide."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.store import decisions, learning
from tests.daemon.passes.test_pipeline import Office, make_office, office
from tests.fakes import START

__all__ = ["make_office", "office"]  # fixtures
BODY = "The boiler of house seven was serviced on Monday by two of our people, all valves are tight again now"


def person_files(office: Office, subject: str, folder: str, body: str = BODY, references: Sequence[str] = ()) -> str:
    """A mail comes, and a person puts it there from wherever it lies by then. Returns its Message-ID."""
    found = office.deliver(subject, body, references=references)
    office.settle()
    assert found.identity.message_id is not None
    [lies] = [
        each for each in office.box.everything() if each.sighting.identity.message_id == found.identity.message_id
    ]
    if lies.sighting.ref.folder != folder:
        office.box.move_by_person(lies.sighting.ref, folder)
    office.settle()
    return found.identity.message_id


def last_reason(office: Office) -> str:
    with office.database.begin() as tx:
        return decisions.since(tx, office.desk.mailbox_id, START)[-1].reason


def arrives(office: Office, subject: str, body: str = BODY, references: Sequence[str] = ()) -> list[str]:
    office.deliver(subject, body, references=references)
    office.settle()
    return office.folder_of(subject)


def test_the_very_same_mail_in_two_folders_says_nothing(office: Office) -> None:
    person_files(office, "puzzle boiler", "Orders")
    person_files(office, "puzzle boiler", "Invoices")
    assert sorted(office.lessons()) == ["Invoices", "Orders"]
    assert "INBOX" in arrives(office, "puzzle boiler")


def test_a_near_copy_of_a_lesson_that_was_taken_back_is_no_hint(office: Office) -> None:
    person_files(office, "puzzle boiler", "Orders")
    with office.database.begin() as tx:
        [lesson] = learning.lessons(tx, office.desk.mailbox_id)
        assert learning.void_lesson(tx, office.desk.mailbox_id, lesson.id, office.clock())
    assert "INBOX" in arrives(office, "puzzle boiler", BODY + " indeed")
    assert "same words" not in last_reason(office)


def test_mail_of_one_sender_that_goes_to_whoever_is_on_duty_is_left(office: Office) -> None:
    """The same report every day: this week it is Orders' turn, the week before it was Invoices'."""
    for folder in ("Invoices", "Invoices", "Orders"):
        person_files(office, "puzzle report", folder)
    assert arrives(office, "puzzle report").count("INBOX") == 1


def test_a_thread_whose_mails_lie_in_several_folders_files_nothing_and_says_so(office: Office) -> None:
    root = person_files(office, "puzzle root", "Invoices", "One thing.")
    person_files(office, "puzzle reply", "Orders", "Another thing.", (root,))
    assert arrives(office, "puzzle again", "A third thing.", (root,)) == ["INBOX"]
    assert "same thread as a mail that was filed by hand" in last_reason(office)
    assert "not enough to file by" in last_reason(office)
