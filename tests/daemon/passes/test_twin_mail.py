"""People use two folders for one thing: what the next mail does, with the real policy and a word of a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from connectors.base import MailText
from daemon.model.prediction import Point, TriedHint
from daemon.passes.decide import current_policy
from daemon.passes.folder_list import list_folders
from daemon.store import decisions, learning, mailboxes, twin_pairs
from daemon.store.records import HintKind
from tests.daemon.passes.test_pipeline import Office, make_office
from tests.daemon.passes.test_sort_heeds import sorted_while
from tests.fakes import START, FakeMeta

__all__ = ["make_office"]


@dataclass
class KnowingMeta(FakeMeta):
    """It was trained for these categories."""

    categories: tuple[str, ...] = ()
    hints: tuple[TriedHint, ...] = ()


@pytest.fixture
def office(make_office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch) -> Office:
    """Its model was right in all of its exam, and is used by the real policy."""
    office = make_office()
    monkeypatch.setattr("daemon.passes.decide.current_policy", current_policy)
    kind = HintKind("thread", "a thread in one folder", "within a day")
    hints = tuple(TriedHint(kind, uid, uid) for uid in office.uids.values() for _ in range(40))
    points = [Point(uid, uid, 0.9, True) for uid in office.uids.values() for _ in range(40)]
    office.model.meta = KnowingMeta(points=points, categories=tuple(office.uids.values()), hints=hints)
    for name in ("Invoices", "Orders"):
        teach(office, name, 20)
    return office


def teach(office: Office, name: str, count: int) -> None:
    with office.database.begin() as tx:
        for number in range(count):
            text = MailText(subject=f"{name} {number}", body=f"What came on day {number} of the year")
            at = START - timedelta(days=count - number)
            learning.teach(tx, office.desk.mailbox_id, office.uids[name], text, at, source="csv")


def reason(office: Office) -> str:
    with office.database.read() as tx:
        return decisions.since(tx, office.desk.mailbox_id, START)[-1].reason


def make_twins(office: Office, lately: str | None = None, *, over: bool = False) -> int:
    one, other = sorted(office.uids.values())
    with office.database.begin() as tx:
        used = None if lately is None else office.uids[lately]
        said = (used, None if used is None else START, over)
        twin_pairs.save(tx, office.desk.mailbox_id, (one, other), ["4 mails lie in both"], said, START)
        return twin_pairs.pairs(tx, office.desk.mailbox_id)[0].id


def test_mail_of_an_open_pair_waits_and_goes_once_people_have_answered(office: Office) -> None:
    number = make_twins(office)
    office.deliver("invoice 1")
    office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]
    assert "Invoices and Orders may mean the same" in reason(office).replace(
        "Orders and Invoices", "Invoices and Orders"
    )
    with office.database.begin() as tx:
        twin_pairs.choose(tx, office.desk.mailbox_id, number, "merge", office.uids["Orders"], START)
    office.deliver("invoice 2")
    office.settle()
    assert office.folder_of("invoice 2") == ["Orders"]
    with office.database.begin() as tx:
        twin_pairs.choose(tx, office.desk.mailbox_id, number, "differ", None, START)
    office.deliver("invoice 3")
    office.settle()
    assert office.folder_of("invoice 3") == ["Invoices"]


def test_mail_of_a_pair_of_which_one_is_used_lately_goes_there_until_people_use_the_other(office: Office) -> None:
    make_twins(office, "Orders", over=True)
    office.deliver("invoice 1")
    office.settle()
    assert office.folder_of("invoice 1") == ["Orders"]
    office.deliver("puzzle")
    office.settle()
    office.box.move_by_person(office.ref_of("puzzle"), "Invoices")
    office.settle()
    office.deliver("invoice 2")
    office.settle()
    assert office.folder_of("invoice 2") == ["INBOX"]


def test_a_folder_that_is_gone_asks_nothing_and_one_renamed_keeps_its_pair(office: Office) -> None:
    make_twins(office)
    office.box.rename_folder("Orders", "Team/Orders")
    list_folders(office.desk)
    office.deliver("invoice 1")
    office.settle()
    assert "may mean the same" in reason(office)
    office.box.delete_folder("Team/Orders")
    list_folders(office.desk)
    office.deliver("invoice 2")
    office.settle()
    assert office.folder_of("invoice 2") == ["Invoices"]
    with office.database.read() as tx:
        assert len(mailboxes.categories(tx, office.desk.mailbox_id)) == 2


def test_what_a_person_says_of_a_pair_while_a_batch_is_worked_on_counts_from_the_next_message_on(
    office: Office,
) -> None:
    number = make_twins(office, "Orders", over=True)
    for count in range(3):
        office.deliver(f"invoice {count}")
    sorted_while(office, lambda tx, box: twin_pairs.choose(tx, box, number, "differ", None, START))
    assert [office.folder_of(f"invoice {count}") for count in range(3)] == [["Orders"], ["Invoices"], ["Invoices"]]
