"""A mail program saves a message again, edited or without an attachment, and deletes the old one: to the server that is
another message of the same mail. What a person said of the old one holds for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.base import MessageRef
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import undo
from tests.daemon.passes.test_pipeline import Office, make_office, office
from tests.fakes import START

__all__ = ["make_office", "office"]
ROOT = ("<root@x>",)


def ref_in(office: Office, folder: str, subject: str) -> MessageRef:
    [ref] = [each.sighting.ref for each in office.box.lying_in(folder) if each.text.subject == subject]
    return ref


def a_thread_is_filed_by_hand(office: Office) -> None:
    """From now on all mail of that thread goes to Orders, whatever a model says."""
    office.deliver("puzzle root", message_id=ROOT[0])
    office.settle()
    office.box.move_by_person(office.ref_of("puzzle root"), "Orders")
    office.settle()
    assert office.lessons() == ["Orders"]


def save_again(office: Office, subject: str, *, delete: bool = True) -> None:
    """With a new date of arrival and less in it; the old one is deleted a moment later."""
    office.clock.advance(minutes=5)
    office.deliver(subject, "Stripped.", message_id="<reply@x>", references=ROOT, date="yesterday")
    one_pass(office.desk)
    if delete:
        old = next(each.sighting.ref for each in office.box.everything() if each.text.subject == subject)
        office.box.delete_by_person(old)
    office.settle()
    office.settle()


@pytest.mark.parametrize("delete", [True, False])
@pytest.mark.parametrize("settled", [True, False])
def test_a_mail_that_a_person_put_back_and_a_program_saved_again_stays(
    office: Office, settled: bool, delete: bool
) -> None:
    a_thread_is_filed_by_hand(office)
    office.deliver("puzzle reply", message_id="<reply@x>", references=ROOT, date="yesterday")
    office.settle()
    office.box.move_by_person(ref_in(office, "Orders", "puzzle reply"), "INBOX")
    one_pass(office.desk)
    if settled:
        office.settle()
        assert office.corrections()[-1] == ("rejection", "INBOX")
    save_again(office, "puzzle reply", delete=delete)
    assert set(office.folder_of("puzzle reply")) == {"INBOX"}


def test_a_mail_that_a_person_fetched_from_the_archive_and_a_program_saved_again_stays(office: Office) -> None:
    a_thread_is_filed_by_hand(office)
    old = office.clock.now.replace(hour=1)
    office.deliver("puzzle reply", message_id="<reply@x>", references=ROOT, date="yesterday", arrived=old)
    one_pass(office.desk)
    save_again(office, "puzzle reply")
    assert office.folder_of("puzzle reply") == ["INBOX"]


def test_a_mail_that_undo_put_back_and_a_program_saved_again_stays(office: Office) -> None:
    a_thread_is_filed_by_hand(office)
    office.deliver("puzzle reply", message_id="<reply@x>", references=ROOT, date="yesterday")
    office.settle()
    assert undo(office.desk, START, None, dry_run=False).back == 1
    save_again(office, "puzzle reply")
    assert office.folder_of("puzzle reply") == ["INBOX"]


@pytest.mark.parametrize("settled", [True, False])
def test_a_mail_whose_tag_a_person_took_off_and_a_program_saved_again_is_not_tagged(
    make_office: Callable[..., Office], settled: bool
) -> None:
    office = make_office(act_by="tag")
    a_thread_is_filed_by_hand(office)
    office.deliver("puzzle reply", message_id="<reply@x>", references=ROOT, date="yesterday")
    office.settle()
    ref = office.ref_of("puzzle reply")
    office.box.tag_by_person(ref, remove=["Orders"])
    one_pass(office.desk)
    if settled:
        office.settle()
        assert office.corrections()[-1] == ("rejection", "INBOX")
    save_again(office, "puzzle reply")
    assert not office.box.lying_in("INBOX")[-1].sighting.flags


def test_a_copy_of_what_people_filed_elsewhere_or_deleted_is_sorted_as_before(office: Office) -> None:
    a_thread_is_filed_by_hand(office)
    for subject in ("puzzle reply", "puzzle [list] reply"):  # directly, and by a list
        office.deliver(subject, message_id="<reply@x>", references=ROOT, date="yesterday")
    one_pass(office.desk)
    office.box.move_by_person(office.ref_of("puzzle reply"), "Invoices")
    office.settle()
    office.box.delete_by_person(office.ref_of("puzzle reply"))
    assert office.folder_of("puzzle [list] reply") == ["Orders"]
    office.clock.advance(minutes=5)
    office.deliver("puzzle [second list] reply", message_id="<reply@x>", references=ROOT, date="yesterday")
    office.settle()
    assert office.folder_of("puzzle [second list] reply") == ["Orders"]
