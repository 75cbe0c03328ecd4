"""Only deliveries are sorted: what a person puts into the inbox, wherever it comes from, stays there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import MOVED, MailText
from daemon.passes.one_pass import one_pass
from daemon.report.concerns import concerns
from daemon.state.watermark import Watermark
from daemon.store import decisions, mailboxes, messages
from tests.daemon.passes.test_pipeline import Office, make_office, office

__all__ = ["make_office", "office"]


def reasons(office: Office, subject: str) -> list[str]:
    with office.database.read() as tx:
        place = messages.sighting_at(tx, office.desk.mailbox_id, office.ref_of(subject))
        assert place is not None
        return [made.reason for made in decisions.of_message(tx, place.message)]


def stays(office: Office, subject: str) -> None:
    """It lies in the inbox for good, `why` says that somebody put it there, and it teaches nothing."""
    for _ in range(4):
        office.settle()
    assert office.folder_of(subject) == ["INBOX"]
    assert any("somebody put it into the inbox" in reason for reason in reasons(office, subject))
    assert office.corrections() == []


@pytest.mark.parametrize("folder", ["Archive", "Invoices"])
@pytest.mark.parametrize("object_ids", [True, False])
def test_an_old_mail_that_a_person_fetches_back_stays(
    make_office: Callable[..., Office], folder: str, object_ids: bool
) -> None:
    office = make_office(object_ids=object_ids, first_look=False)
    long_ago = office.clock() - timedelta(days=40)
    old = office.box.deliver(MailText(subject="invoice of January"), folder, arrived=long_ago)
    office.settle()
    office.box.move_by_person(old.ref, "INBOX")
    stays(office, "invoice of January")


def test_a_mail_that_came_to_a_category_just_before_the_first_look_is_known_there(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(first_look=False)
    young = office.box.deliver(MailText(subject="invoice of a moment ago"), "Invoices")
    office.clock.advance(seconds=5)
    one_pass(office.desk)
    office.clock.advance(seconds=20)
    office.box.move_by_person(young.ref, "INBOX")
    for _ in range(3):
        office.settle()
    assert office.folder_of("invoice of a moment ago") == ["INBOX"]


def test_a_new_mail_that_went_away_and_came_back_between_two_looks_stays(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    there = office.box.move_by_person(office.ref_of("invoice 1"), "Invoices")
    office.box.move_by_person(there, "INBOX")
    stays(office, "invoice 1")


def test_what_comes_while_nobody_looks_is_sorted_all_the_same(office: Office) -> None:
    office.settle()
    for hour in range(9):
        office.deliver(f"invoice {hour}")
        office.clock.advance(hours=1)
    office.settle()
    assert [office.folder_of(f"invoice {hour}") for hour in range(9)] == [["Invoices"]] * 9


def test_a_new_process_goes_on_from_what_the_last_one_saw(office: Office) -> None:
    office.settle()
    office.desk.seen_until = office.desk.looked = None  # the process ended
    office.deliver("invoice of the night")
    office.clock.advance(hours=9)
    old = office.box.deliver(MailText(subject="invoice of old"), arrived=office.clock() - timedelta(hours=12))
    office.settle()
    assert office.folder_of("invoice of the night") == ["Invoices"]
    assert old.ref == office.ref_of("invoice of old")


@pytest.mark.parametrize("step", [timedelta(days=10), timedelta(days=-10), timedelta(hours=-1), timedelta(hours=1)])
def test_a_clock_of_ours_that_is_put_back_or_forward_hides_no_later_delivery(office: Office, step: timedelta) -> None:
    off = timedelta()
    office.box.clock = lambda: office.clock() - off
    office.settle()
    office.clock.now += step
    off = step
    one_pass(office.desk)
    for number in range(8):
        office.clock.advance(minutes=3)
        office.deliver(f"invoice {number}")
        one_pass(office.desk)
    office.settle()
    filed = [office.folder_of(f"invoice {number}") == ["Invoices"] for number in range(8)]
    assert filed[-2:] == [True, True], "those before may have come too soon to know by how much it is off"


def test_a_server_whose_clock_is_put_back_sorts_again_after_some_mails(office: Office) -> None:
    for number in range(4):
        office.deliver(f"puzzle {number}")
        office.settle()
    office.box.clock = lambda: office.clock() - timedelta(hours=1)
    office.settle()
    for number in range(12):
        office.clock.advance(minutes=3)
        office.deliver(f"invoice {number}")
        one_pass(office.desk)
    office.settle()
    assert office.folder_of("invoice 11") == ["Invoices"]


def test_a_server_whose_clock_is_slow_is_sorted_once_that_is_known(office: Office) -> None:
    office.box.clock = lambda: office.clock() - timedelta(hours=1)
    for number in range(7):
        office.clock.advance(seconds=170)
        office.deliver(f"invoice {number}")
        office.clock.advance(seconds=10)
        one_pass(office.desk)
    office.settle()
    filed = [office.folder_of(f"invoice {number}") == ["Invoices"] for number in range(7)]
    assert filed == [False] * 5 + [True] * 2


def test_a_rule_of_a_server_whose_clock_is_slow_teaches_nothing(office: Office) -> None:
    office.box.clock = lambda: office.clock() - timedelta(hours=1)
    for number in range(6):
        office.clock.advance(seconds=170)
        office.deliver(f"puzzle {number}")
        office.clock.advance(seconds=10)
        one_pass(office.desk)
    office.deliver("puzzle of a rule")
    office.clock.advance(seconds=5)
    one_pass(office.desk)
    office.box.move_by_person(office.ref_of("puzzle of a rule"), "Orders")
    office.clock.advance(seconds=5)
    one_pass(office.desk)
    office.settle()
    assert office.corrections() == []


# --- beside other trouble


@pytest.mark.parametrize("object_ids", [True, False])
def test_a_mail_that_a_person_fetches_back_stays_although_all_uids_restarted(
    make_office: Callable[..., Office], object_ids: bool
) -> None:
    office = make_office(object_ids=object_ids)
    filed = office.box.deliver(MailText(subject="invoice 1"), "Archive", arrived=office.clock())
    office.clock.advance(minutes=5)
    one_pass(office.desk)
    office.box.move_by_person(filed.ref, "INBOX")
    office.box.restart_uids("INBOX")
    for _ in range(4):
        office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]


def test_a_server_that_tells_when_mail_was_put_somewhere_tells_it_after_all_uids_restarted_as_well(
    office: Office,
) -> None:
    office.box.savedate, office.box.clock = True, office.clock
    office.deliver("invoice 1")
    office.deliver("invoice 2")
    one_pass(office.desk)
    office.clock.advance(minutes=1)
    there = office.box.move_by_person(office.ref_of("invoice 1"), "Invoices")
    office.box.move_by_person(there, "INBOX")
    office.box.restart_uids("INBOX")
    stays(office, "invoice 1")
    assert office.folder_of("invoice 2") == ["Invoices"]


def test_a_mail_that_a_rule_put_into_a_renamed_folder_is_seen_there_in_the_same_pass(office: Office) -> None:
    one_pass(office.desk)
    office.box.rename_folder("Invoices", "Bills")
    filed = office.box.deliver(MailText(subject="order 1"), "Bills", arrived=office.clock())
    office.clock.advance(seconds=30)
    one_pass(office.desk)
    office.clock.advance(seconds=30)
    office.box.move_by_person(filed.ref, "INBOX")
    for _ in range(4):
        office.settle()
    assert office.folder_of("order 1") == ["INBOX"]


@pytest.mark.parametrize("apart", [1, 60])
def test_old_mail_of_one_morning_that_is_fetched_back_one_by_one_stays(office: Office, apart: int) -> None:
    """Their ages agree with a server whose clock is slow, but not for long."""
    long_ago = office.clock() - timedelta(hours=5)
    for number in range(14):
        old = office.box.deliver(
            MailText(subject=f"invoice {number}"), "Archive", arrived=long_ago + timedelta(seconds=apart * number)
        )
        office.clock.advance(seconds=3)
        office.box.move_by_person(old.ref, "INBOX")
        one_pass(office.desk)
    for _ in range(3):
        office.settle()
    assert all(office.folder_of(f"invoice {number}") == ["INBOX"] for number in range(14))


def test_old_mail_stays_although_our_clock_has_lost_three_days(office: Office) -> None:
    for number in range(2):
        office.deliver(f"puzzle {number}")
        office.settle()
    yesterday = office.clock() - timedelta(days=1)
    server = office.clock()
    office.clock.now -= timedelta(days=3)
    office.box.clock = lambda: server
    office.desk.looked = office.desk.seen_until = None
    one_pass(office.desk)  # from now on the wrong moment is that of the last look
    for number in range(3):
        old = office.box.deliver(MailText(subject=f"invoice {number}"), "Archive", arrived=yesterday)
        office.box.move_by_person(old.ref, "INBOX")
        office.clock.advance(minutes=1)
        one_pass(office.desk)
    office.settle()
    office.settle()
    assert [office.folder_of(f"invoice {number}") for number in range(3)] == [["INBOX"]] * 3


def test_a_mail_that_another_office_moved_before_we_met_it_is_a_persons_to_move_on(office: Office) -> None:
    """A folder that two offices share."""
    theirs = office.box.deliver(MailText(subject="invoice of theirs"), "Orders", flags=(MOVED,))
    office.settle()
    office.box.move_by_person(theirs.ref, "Invoices")
    office.settle()
    assert office.corrections() == [("correction", "Invoices")]
    assert shown(office) is None


# --- copies


def test_a_mail_that_a_person_copied_to_a_category_is_not_moved_as_well(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.advance(seconds=30)
    office.box.copy_by_person(office.ref_of("invoice 1"), "Orders")
    for _ in range(4):
        office.settle()
    assert sorted(office.folder_of("invoice 1")) == ["INBOX", "Orders"]
    assert office.corrections() == []


def test_a_copy_whose_original_is_deleted_later_is_a_move(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    original = office.ref_of("invoice 1")
    office.clock.advance(minutes=1)
    office.box.copy_by_person(original, "Orders")
    one_pass(office.desk)
    office.clock.advance(minutes=5)
    one_pass(office.desk)
    office.box.delete_by_person(original)
    office.settle()
    office.settle()
    assert office.folder_of("invoice 1") == ["Orders"]
    assert office.corrections() == [("filing", "Orders")]


# --- another Postroom


def moved_by_another(office: Office, subject: str, folder: str) -> None:
    """Somebody else's daemon moves it, and leaves its keyword."""
    ref = office.ref_of(subject)
    office.box.flag_by_person(ref, MOVED)
    office.box.move_by_person(ref, folder)


def test_the_moves_of_a_second_postroom_teach_nothing_and_are_told(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    moved_by_another(office, "invoice 1", "Orders")
    office.settle()
    assert office.corrections() == []
    assert any("a Postroom that this database does not know" in reason for reason in reasons(office, "invoice 1"))
    told = shown(office)
    assert told is not None
    assert told.startswith("1 message was moved by a Postroom that this database knows nothing of")
    with office.database.begin() as tx:
        mailboxes.resume(tx, office.desk.mailbox_id, office.clock())
    assert shown(office) is None


# --- a database restored from a backup


@pytest.mark.parametrize("process", ["new", "running"])
@pytest.mark.parametrize("marks", [True, False])
def test_a_restored_database_knows_itself_for_one_and_teaches_nothing(
    make_office: Callable[..., Office], tmp_path: Path, marks: bool, process: str
) -> None:
    office = make_office()
    office.box.tags = marks  # Microsoft 365 keeps no keywords
    office.desk.watermark = Watermark(tmp_path / "seen" / "office")
    for name in ("put back", "refiled", "let be"):
        office.deliver(f"invoice {name}")
    one_pass(office.desk)
    with sqlite3.connect(office.place) as source, sqlite3.connect(tmp_path / "backup.sqlite") as backup:
        source.backup(backup)
    office.settle()
    office.box.move_by_person(office.ref_of("invoice put back"), "INBOX")
    office.box.move_by_person(office.ref_of("invoice refiled"), "Orders")
    office.deliver("invoice after the backup")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice after the backup"), "INBOX")
    office.settle()
    assert len(office.corrections()) == 3
    with sqlite3.connect(tmp_path / "backup.sqlite") as backup, sqlite3.connect(office.place) as target:
        backup.backup(target)
    if process == "new":
        office.desk.looked = office.desk.seen_until = office.desk.folders_listed = None
    for _ in range(4):
        office.settle()
    assert office.corrections() == []
    places = [office.folder_of(f"invoice {name}") for name in ("put back", "refiled", "let be", "after the backup")]
    assert places == [["INBOX"], ["Orders"], ["Invoices"], ["INBOX"]]
    assert any("restored from a backup" in reason for reason in reasons(office, "invoice after the backup"))
    office.deliver("invoice of today")
    office.settle()
    assert office.folder_of("invoice of today") == ["Invoices"]
    with office.database.read() as tx:
        told = concerns(tx, mailboxes.get(tx, office.desk.mailbox_id), office.clock())["restored"]
    assert "restored from a backup" in told


@pytest.mark.parametrize("marks", [True, False])
def test_a_restored_database_leaves_what_was_put_back_although_all_uids_restarted(
    office: Office, tmp_path: Path, marks: bool
) -> None:
    office.box.tags = marks
    office.desk.watermark = Watermark(tmp_path / "seen" / "office")
    office.deliver("invoice 1")
    one_pass(office.desk)
    with sqlite3.connect(office.place) as source, sqlite3.connect(tmp_path / "backup.sqlite") as backup:
        source.backup(backup)
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "INBOX")
    office.box.restart_uids("INBOX")
    office.settle()
    with sqlite3.connect(tmp_path / "backup.sqlite") as backup, sqlite3.connect(office.place) as target:
        backup.backup(target)
    office.desk.looked = office.desk.seen_until = office.desk.folders_listed = None  # a new process
    if marks:  # the keyword tells it, too
        office.desk.watermark = None
    for _ in range(4):
        office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]


def test_a_service_that_stood_still_is_no_restored_database(office: Office, tmp_path: Path) -> None:
    office.desk.watermark = Watermark(tmp_path / "seen" / "office")
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.desk.looked = office.desk.seen_until = None
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.clock.advance(days=3)
    office.settle()
    assert office.corrections() == [("filing", "Orders")]


def shown(office: Office) -> str | None:
    """What `postroom status` says of another Postroom."""
    with office.database.read() as tx:
        words = concerns(tx, mailboxes.get(tx, office.desk.mailbox_id), office.clock())["another"]
        assert words is None or isinstance(words, str)
        return words


def test_what_people_do_with_a_mail_that_we_moved_still_teaches(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    ref = office.ref_of("invoice 1")
    assert ref.folder == "Invoices"
    office.box.move_by_person(ref, "Orders")
    office.settle()
    assert office.corrections() == [("correction", "Orders")]


def test_what_another_postroom_moved_and_a_person_put_back_stays(office: Office) -> None:
    office.deliver("invoice 1")
    moved_by_another(office, "invoice 1", "Orders")  # before we ever saw it
    office.box.move_by_person(office.ref_of("invoice 1"), "INBOX")
    stays(office, "invoice 1")


def test_a_mail_that_was_copied_while_our_clock_was_put_back_is_not_moved_as_well(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.now -= timedelta(hours=25)
    office.box.copy_by_person(office.ref_of("invoice 1"), "Orders")
    for _ in range(4):
        office.settle()
    office.clock.advance(hours=26)
    office.settle()
    assert sorted(office.folder_of("invoice 1")) == ["INBOX", "Orders"]
