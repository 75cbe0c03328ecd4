"""What people say while a batch is worked on counts from the next message on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from connectors.base import Action, Identity, MailText, MessageRef, Note
from daemon.model.prediction import Prediction
from daemon.passes.one_pass import Pass, one_pass
from daemon.passes.sort import BATCH
from daemon.store import learning, mailboxes
from daemon.store.database import Tx
from tests.daemon.passes.test_pipeline import Office, make_office, office

__all__ = ["make_office", "office"]

STATEMENT = "Please find attached the quarterly statement of account number four two seven for the depot in the harbour"


def sorted_while(office: Office, say: Callable[[Tx, int], object]) -> Pass:
    """One pass over what has come, in which somebody says this just after the first message was moved."""
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    box, real = office.box, office.box.apply

    def apply(
        ref: MessageRef, identity: Identity, action: Action, note: Note, unless: frozenset[str] = frozenset()
    ) -> MessageRef:
        landed = real(ref, identity, action, note, unless)
        box.apply = real  # type: ignore[method-assign]
        with office.database.begin() as tx:
            say(tx, office.desk.mailbox_id)
        return landed

    box.apply = apply  # type: ignore[method-assign]
    return one_pass(office.desk)


def in_folders(office: Office, *subjects: str) -> list[str]:
    return [office.ref_of(subject).folder for subject in subjects]


@pytest.mark.parametrize("count", [3, 2 * BATCH])
def test_nothing_moves_any_more_once_somebody_has_paused_the_mailbox(office: Office, count: int) -> None:
    for number in range(count):
        office.deliver(f"invoice {number}")
    done = sorted_while(office, lambda tx, box: mailboxes.set_paused(tx, box, "the move of the office"))
    assert done.sorted.outcomes == {"done": 1}
    with office.database.begin() as tx:
        mailboxes.resume(tx, office.desk.mailbox_id, office.clock())
    office.clock.advance(minutes=2)
    assert one_pass(office.desk).sorted.outcomes == {"done": min(count - 1, 30)}


def test_a_pause_while_the_model_thinks_counts_from_the_first_message_on(office: Office) -> None:
    office.deliver("invoice 0")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    classify = office.model.classify

    def slowly(texts: Sequence[MailText]) -> list[Prediction]:
        with office.database.begin() as tx:
            mailboxes.set_paused(tx, office.desk.mailbox_id, "the move of the office")
        return classify(texts)

    office.model.classify = slowly  # type: ignore[method-assign]
    assert one_pass(office.desk).sorted.outcomes == {}
    assert in_folders(office, "invoice 0") == ["INBOX"]


def test_nothing_moves_any_more_once_the_mailbox_is_in_shadow(office: Office) -> None:
    for number in range(3):
        office.deliver(f"invoice {number}")
    done = sorted_while(office, lambda tx, box: mailboxes.set_mode(tx, box, "shadow"))
    assert done.sorted.outcomes == {"done": 1, "would-file": 2}
    assert in_folders(office, "invoice 0", "invoice 1", "invoice 2") == ["Invoices", "INBOX", "INBOX"]


def test_a_lesson_that_was_taken_back_leads_no_more_mail(office: Office) -> None:
    office.deliver("Statement", STATEMENT)
    office.settle()
    office.box.move_by_person(office.ref_of("Statement"), "Orders")
    office.settle()
    assert office.lessons() == ["Orders"]
    office.deliver("invoice first")
    office.deliver("Statement two", STATEMENT)

    def take_back(tx: Tx, box: int) -> None:
        [lesson] = learning.lessons(tx, box)
        tx.exec_driver_sql("UPDATE lessons SET voided = 'taken back' WHERE id = ?", (lesson.id,))

    sorted_while(office, take_back)
    assert in_folders(office, "invoice first", "Statement two") == ["Invoices", "INBOX"]


def test_a_category_that_was_paused_gets_no_more_mail(office: Office) -> None:
    for number in range(3):
        office.deliver(f"invoice {number}")
    uid = office.uids["Invoices"]
    pause = "UPDATE categories SET paused = 'the folder is gone' WHERE uid = ?"
    done = sorted_while(office, lambda tx, _: tx.exec_driver_sql(pause, (uid,)))
    assert done.sorted.outcomes == {"done": 1, "left": 2}
    assert in_folders(office, "invoice 1", "invoice 2") == ["INBOX", "INBOX"]


@pytest.mark.parametrize("flag", ["\\Flagged", "\\Answered"])
def test_what_people_flag_or_answer_while_the_model_thinks_stays(office: Office, flag: str) -> None:
    office.deliver("invoice 0")
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    classify = office.model.classify

    def slowly(texts: Sequence[MailText]) -> list[Prediction]:
        office.box.flag_by_person(office.ref_of("invoice 1"), flag)
        return classify(texts)

    office.model.classify = slowly  # type: ignore[method-assign]
    assert one_pass(office.desk).sorted.outcomes == {"done": 1, "touched": 1}
    assert in_folders(office, "invoice 0", "invoice 1") == ["Invoices", "INBOX"]
    office.clock.advance(minutes=3)
    assert one_pass(office.desk).sorted.outcomes == {}
