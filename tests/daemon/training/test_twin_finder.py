"""Twin folders in a mailbox as it is kept: what is found, what is kept of it, and what three hundred folders cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.model.prediction import Point
from daemon.rules.twins import Between, Side, reasons
from daemon.store import learning, mailboxes, messages, training, twin_pairs
from daemon.store.counting import counting
from daemon.store.database import Database
from daemon.store.records import Category, TwinPair
from daemon.training import twin_finder
from daemon.training.twin_finder import find_twins
from tests.fakes import START

WANTED = 0.95


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@dataclass
class Office:
    database: Database
    box: int
    uids: dict[str, str]
    number: int = 0

    def folder(self, name: str) -> None:
        with self.database.begin() as tx:
            self.uids[name] = mailboxes.add_category(tx, self.box, Category("", name, name), START).uid

    def teach(self, folder: str, when: float, body: str = "", sender: str = "") -> int:
        """One lesson as it lies in its folder. Returns its id."""
        self.number += 1
        ref = MessageRef(folder, 1, self.number)
        sighting = Sighting(ref, Identity(None, f"<m{self.number}@x>", f"d{self.number}"))
        with self.database.begin() as tx:
            message = messages.add(tx, self.box, sighting, "elsewhere", START, None)
            text = MailText(subject="Hello", body=body or f"No. {self.number}", sender=sender)
            learning.teach(tx, self.box, self.uids[folder], text, day(when), source="folder", message=message)
            return learning.lesson_state(tx, self.box)[0]

    def find(self, points: Sequence[Point] = ()) -> int:
        return find_twins(self.database, self.box, points, WANTED, day(100))

    def pairs(self) -> list[TwinPair]:
        with self.database.read() as tx:
            return twin_pairs.pairs(tx, self.box)

    def names(self) -> set[frozenset[str]]:
        called = {uid: name for name, uid in self.uids.items()}
        return {frozenset((called[pair.one], called[pair.other])) for pair in self.pairs()}

    def answers(self, *said: tuple[str, str, int]) -> list[Point]:
        return [
            Point(self.uids[asked], self.uids[best], 0.9, asked == best)
            for asked, best, times in said
            for _ in range(times)
        ]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
    made = Office(database, box, {})
    for name in ("Acme", "Plant (Acme)", "Bills"):
        made.folder(name)
        for number in range(10):
            made.teach(name, number + 0.1 * len(name))
    yield made
    database.close()


def copies(office: Office, *folders: str, count: int = 4) -> None:
    for number in range(count):
        for folder in folders:
            office.teach(folder, 12 + number, body=f"the boiler of house {number} was serviced")


def test_names_alone_are_no_twins(office: Office) -> None:
    assert office.find() == 0
    assert office.pairs() == []


def test_the_very_same_mail_in_two_folders_is_found(office: Office) -> None:
    copies(office, "Acme", "Plant (Acme)")
    assert office.find() == 1
    [found] = office.pairs()
    assert office.names() == {frozenset({"Acme", "Plant (Acme)"})}
    assert found.why[0].startswith("4 mails lie in both")
    assert office.find() == 0  # it is known


def test_one_mail_that_was_copied_into_another_folder_is_found_although_one_lesson_stands_for_both(
    office: Office,
) -> None:
    for number in range(4):
        for folder in ("Acme", "Bills"):
            place = MessageRef(folder, 1, 500 + number)
            sighting = Sighting(place, Identity(None, f"<c{number}@x>", f"c{number}", f"mail {number}"))
            with office.database.begin() as tx:
                message = messages.add(tx, office.box, sighting, "elsewhere", START, None)
                text = MailText(subject="Hello", body=f"the boiler of house {number} was serviced")
                uid = office.uids[folder]
                learning.teach(tx, office.box, uid, text, day(1), source="folder", message=message)
    assert office.find() == 1
    assert office.names() == {frozenset({"Acme", "Bills"})}


def test_mail_that_a_person_moved_from_one_to_the_other_lies_in_one(office: Office) -> None:
    for number in range(4):
        text = MailText(subject="Hello", body=f"the boiler of house {number} was serviced")
        identity = Identity(None, f"<b{number}@x>", f"b{number}")
        with office.database.begin() as tx:
            message = messages.add(
                tx, office.box, Sighting(MessageRef("Acme", 1, 900 + number), identity), "elsewhere", START, None
            )
            learning.teach(tx, office.box, office.uids["Acme"], text, day(1), source="folder", message=message)
            where = {"from_category": office.uids["Acme"], "to_category": office.uids["Bills"], "from_folder": "Acme"}
            made = learning.add_correction(
                tx, message, day(2), "correction", **where, to_folder="Bills", who=None, decision=None
            )
            more = {"source": "correction", "message": message, "correction": made}
            learning.teach(tx, office.box, office.uids["Bills"], text, day(2), **more)  # type: ignore[arg-type]
    assert office.find() == 0


def test_near_copies_count_as_the_last_training_found_them(office: Office) -> None:
    ids = [(office.teach("Acme", 12 + number), office.teach("Bills", 12 + number)) for number in range(4)]
    with office.database.begin() as tx:
        run = training.start_run(tx, office.box, START, 10, 99)
        training.end_run(tx, run, START, "kept", "No better.", (), ids)
    assert office.find() == 1
    assert office.names() == {frozenset({"Acme", "Bills"})}


def test_a_clique_of_one_newsletter_counts_once_a_folder(office: Office) -> None:
    """Twelve near copies make 36 pairs, and are few mails still."""
    ones = [office.teach("Acme", 12) for _ in range(9)]
    other = office.teach("Bills", 12)
    with office.database.begin() as tx:
        run = training.start_run(tx, office.box, START, 10, 99)
        training.end_run(tx, run, START, "kept", "No better.", (), [(one, other) for one in ones])
    assert office.find() == 0


def test_held_out_answers_make_twins_and_unmake_them(office: Office) -> None:
    toss = office.answers(("Acme", "Bills", 8), ("Acme", "Acme", 8), ("Bills", "Acme", 8), ("Bills", "Bills", 8))
    assert office.find(toss) == 1
    assert office.find([]) == 0
    assert len(office.pairs()) == 1  # without answers nothing speaks against it
    apart = office.answers(("Acme", "Acme", 40), ("Bills", "Bills", 40))
    assert office.find(apart) == 0
    assert office.pairs() == []


def test_copies_make_no_twins_of_what_a_model_tells_apart(office: Office) -> None:
    copies(office, "Acme", "Plant (Acme)")
    apart = office.answers(("Acme", "Acme", 40), ("Plant (Acme)", "Plant (Acme)", 40))
    assert office.find(apart) == 0
    assert office.pairs() == []


def test_what_a_person_decided_is_not_asked_again(office: Office) -> None:
    copies(office, "Acme", "Plant (Acme)")
    office.find()
    with office.database.begin() as tx:
        twin_pairs.choose(tx, office.box, office.pairs()[0].id, "differ", None, day(50))
    assert office.find() == 0
    assert [pair.choice for pair in office.pairs()] == ["differ"]


def test_three_folders_with_the_same_mail_are_pairs_that_hang_together(office: Office) -> None:
    copies(office, "Acme", "Bills", "Plant (Acme)")
    assert office.find() == 3
    assert set().union(*office.names()) == {"Acme", "Bills", "Plant (Acme)"}


def test_who_writes_to_one_and_then_to_the_other_shows_that_it_has_taken_over(office: Office) -> None:
    office.folder("Old")
    office.folder("New")
    for number in range(12):
        office.teach("Old", number, sender="Ann <ann@acme.example>")
        office.teach("New", 20 + number, sender="ann@acme.example")
    assert office.find() == 1
    [found] = office.pairs()
    assert found.over
    assert found.lately == office.uids["New"]
    with office.database.read() as tx:
        assert counting(tx, office.box).by_category() == {office.uids["Old"]: office.uids["New"]}


def test_a_folder_whose_mail_went_to_two_others_teaches_nothing(office: Office) -> None:
    for name in ("Old", "North", "South"):
        office.folder(name)
    for number in range(24):
        office.teach("Old", number, sender=f"{'ann' if number % 2 else 'bo'}@x.example")
    for number in range(12):
        office.teach("North", 30 + number, sender="ann@x.example")
        office.teach("South", 30 + number, sender="bo@x.example")
    assert office.find() == 2
    with office.database.read() as tx:
        assert counting(tx, office.box).by_category() == {office.uids["Old"]: None}


def test_one_that_is_not_in_use_is_no_twin_and_its_pair_waits(office: Office) -> None:
    copies(office, "Acme", "Plant (Acme)")
    with office.database.begin() as tx:
        mailboxes.update_category(tx, office.box, office.uids["Acme"], paused="its folder is no longer a category")
    assert office.find() == 0


def test_of_three_hundred_folders_only_those_that_share_something_are_compared(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with office.database.begin() as tx:
        for number in range(300):
            name = f"Client {number}"
            uid = mailboxes.add_category(tx, office.box, Category("", name, name), START).uid
            for when in range(5):
                text = MailText(subject=f"{number} {when}", body="Hello", sender=f"c{number % 40}@x.example")
                learning.teach(tx, office.box, uid, text, day(when), source="csv")
    compared: list[tuple[Side, Side]] = []

    def counted(one: Side, other: Side, between: Between, wanted: float) -> tuple[str, ...]:
        compared.append((one, other))
        return reasons(one, other, between, wanted)

    monkeypatch.setattr(twin_finder, "reasons", counted)
    toss = [Point(*both, 0.9, False) for both in [tuple(office.uids.values())[:2]]]
    office.find(toss)
    assert len(compared) == 1  # of 45,753
    assert office.pairs() == []
