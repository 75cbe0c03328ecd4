"""As which category lessons count: whoever learns from them hears the same, and what people filed is never touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.store import learning, mailboxes, messages, twin_pairs
from daemon.store.counting import Place, places
from daemon.store.database import Database
from daemon.store.records import Category, TwinChoice, TwinPair
from tests.fakes import START


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def pair(one: str, other: str, **more: object) -> TwinPair:
    return TwinPair(1, one, other, ("copies",), START, **more)  # type: ignore[arg-type]


def said(one: str, other: str, choice: TwinChoice, into: str, when: float = 1) -> TwinPair:
    return pair(one, other, choice=choice, into=into, chosen=day(when))


def over(one: str, other: str, used: str) -> TwinPair:
    return pair(one, other, lately=used, lately_since=START, over=True)


@pytest.mark.parametrize(
    ("pairs", "paused", "gone", "found"),
    [
        ([], "", "", []),
        ([pair("a", "b")], "", "", []),
        ([pair("a", "b", lately="b")], "", "", []),  # lately says where mail goes, not what lessons are
        ([over("a", "b", "b")], "", "", [Place("a", "b")]),
        ([said("a", "b", "merge", "b")], "", "", [Place("a", "b")]),
        ([said("a", "b", "here", "b")], "", "", [Place("a", "b", day(1))]),
        ([said("a", "b", "differ", "")], "", "", []),
        # Nothing counts as what is not in use. One that was merged may be deleted: its lessons still count.
        ([said("a", "b", "merge", "b")], "b", "b", []),
        ([said("a", "b", "merge", "b")], "a", "a", [Place("a", "b")]),
        ([over("a", "b", "b")], "a", "a", [Place("a", "b")]),
        ([over("a", "b", "b")], "a", "", []),  # it was given another role: that is a person's word
        ([over("a", "b", "b")], "b", "", []),
        # Three: step by step, and round in a circle nowhere.
        ([over("a", "b", "b"), over("b", "c", "c"), over("a", "c", "c")], "", "", [Place("a", "c"), Place("b", "c")]),
        ([said("a", "b", "merge", "b"), over("b", "c", "c")], "", "", [Place("a", "c"), Place("b", "c")]),
        ([over("a", "b", "b"), over("b", "c", "c"), over("a", "c", "a")], "", "", []),
        # To several others: it is split, unless a person has said where it belongs.
        ([over("a", "b", "b"), over("a", "c", "c")], "", "", [Place("a", None)]),
        ([over("a", "b", "b"), said("a", "c", "merge", "c")], "", "", [Place("a", "c")]),
        ([said("a", "b", "merge", "b", 1), said("a", "c", "merge", "c", 2)], "", "", [Place("a", "c")]),
        # What a person says last closes no circle: that one stays.
        (
            [said("a", "b", "merge", "b", 1), said("b", "c", "merge", "c", 2), said("a", "c", "merge", "a", 3)],
            "",
            "",
            [Place("b", "a"), Place("c", "a")],
        ),
        (
            [over("a", "b", "b"), over("b", "c", "c"), said("a", "c", "merge", "a")],
            "",
            "",
            [Place("b", "a"), Place("c", "a")],
        ),
    ],
)
def test_what_follows_from_pairs(pairs: list[TwinPair], paused: str, gone: str, found: list[Place]) -> None:
    assert list(places(pairs, set(paused), set(gone))) == found


@dataclass
class Office:
    """Three folders with some lessons each, of which two are a pair."""

    database: Database
    box: int
    uids: dict[str, str]
    number: int = 0

    def teach(self, folder: str, when: float, thread: str = "") -> None:
        self.number += 1
        sighting = Sighting(
            MessageRef(folder, 1, self.number),
            Identity(None, f"<m{self.number}@x>", f"d{self.number}"),
            references=(thread,) if thread else (),
        )
        with self.database.begin() as tx:
            message = messages.add(tx, self.box, sighting, "elsewhere", START, None)
            text = MailText(subject=f"No. {self.number}", body="We order and you bill us")
            learning.teach(tx, self.box, self.uids[folder], text, day(when), source="correction", message=message)

    @property
    def pair(self) -> TwinPair:
        with self.database.read() as tx:
            return twin_pairs.pairs(tx, self.box)[0]

    def choose(self, choice: TwinChoice, into: str | None = None, when: float = 10) -> None:
        uid = None if into is None else self.uids[into]
        with self.database.begin() as tx:
            twin_pairs.choose(tx, self.box, self.pair.id, choice, uid, day(when))

    def counts(self) -> dict[str, int]:
        """By every way there is to ask."""
        names = {uid: name for name, uid in self.uids.items()}
        with self.database.read() as tx:
            counted = learning.lesson_counts(tx, self.box)
            taught = learning.lessons(tx, self.box)
            ids = learning.lesson_ids(tx, self.box)
            named = learning.lessons_named(tx, self.box, range(1, 100))
        every = list(learning.every_lesson(self.database, self.box))
        assert {lesson.id: lesson.category for lesson in taught} == {one.id: one.category for one in named.values()}
        assert sorted(lesson.id for lesson in every) == sorted(ids) == sorted(lesson.id for lesson in taught)
        assert sum(counted.values()) == len(taught)
        for uid, number in counted.items():
            assert number == sum(lesson.category == uid for lesson in every)
        return {names[uid]: number for uid, number in counted.items()}

    def as_filed(self) -> dict[str, int]:
        found: dict[str, int] = {}
        names = {uid: name for name, uid in self.uids.items()}
        for lesson in learning.every_lesson(self.database, self.box, as_filed=True):
            found[names[lesson.category]] = found.get(names[lesson.category], 0) + 1
        return found


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        uids = {
            name: mailboxes.add_category(tx, box, Category("", name, name), START).uid
            for name in ("Acme", "Plant", "Bills")
        }
        both = (min(uids["Acme"], uids["Plant"]), max(uids["Acme"], uids["Plant"]))
        twin_pairs.save(tx, box, both, ["copies in both"], (None, None, False), START)
    made = Office(database, box, uids)
    for when in range(4):
        made.teach("Acme", when)
    for when in range(2):
        made.teach("Plant", 5 + when)
    made.teach("Bills", 1)
    yield made
    database.close()


def test_one_word_counts_wherever_lessons_are_asked_for_and_another_takes_it_back(office: Office) -> None:
    filed = {"Acme": 4, "Plant": 2, "Bills": 1}
    assert office.counts() == filed
    for choice, into, found in (
        ("merge", "Plant", {"Plant": 6, "Bills": 1}),
        ("merge", "Acme", {"Acme": 6, "Bills": 1}),
        ("here", "Plant", {"Plant": 6, "Bills": 1}),
        ("differ", None, filed),
    ):
        office.choose(choice, into)  # type: ignore[arg-type]
        assert office.counts() == found
        assert office.as_filed() == filed


def test_what_comes_later_counts_after_a_merge_and_not_after_new_mail_goes_here(office: Office) -> None:
    office.choose("here", "Plant", when=10)
    office.teach("Acme", 11)
    office.teach("Plant", 12)
    assert office.counts() == {"Plant": 7, "Bills": 1}
    office.choose("merge", "Plant", when=13)
    assert office.counts() == {"Plant": 8, "Bills": 1}
    office.choose("differ", when=14)
    assert office.counts() == {"Acme": 5, "Plant": 3, "Bills": 1}


def test_a_thread_follows_as_well(office: Office) -> None:
    office.teach("Acme", 7)

    def place() -> str | None:
        with office.database.read() as tx:
            found = learning.of_thread(tx, office.box, [f"<m{office.number}@x>"], None)
        return found[-1].category if found else None

    assert place() == office.uids["Acme"]
    office.choose("merge", "Plant")
    assert place() == office.uids["Plant"]
    office.teach("Acme", 11)
    office.choose("here", "Plant", when=10)
    assert place() is None


def test_who_uses_the_old_one_again_takes_the_taking_over_back(office: Office) -> None:
    with office.database.begin() as tx:
        found = office.pair
        twin_pairs.save(
            tx, office.box, (found.one, found.other), found.why, (office.uids["Plant"], day(5), True), START
        )
    assert office.counts() == {"Plant": 6, "Bills": 1}
    office.teach("Plant", 20)
    office.teach("Acme", 4)  # learnt now, and from before
    assert office.counts() == {"Plant": 8, "Bills": 1}
    office.teach("Acme", 21)
    assert office.counts() == {"Acme": 6, "Plant": 3, "Bills": 1}
    assert not office.pair.over


def test_a_folder_that_was_deleted_after_it_was_merged_goes_on_to_count(office: Office) -> None:
    office.choose("merge", "Plant")
    with office.database.begin() as tx:
        mailboxes.update_category(tx, office.box, office.uids["Acme"], paused='there is no folder "Acme"')
    assert office.counts() == {"Plant": 6, "Bills": 1}
    with office.database.begin() as tx:
        mailboxes.update_category(tx, office.box, office.uids["Acme"], paused=None)
        mailboxes.update_category(tx, office.box, office.uids["Plant"], paused='there is no folder "Plant"')
    assert office.counts() == {"Acme": 4, "Plant": 2, "Bills": 1}


def test_a_person_s_word_is_not_written_over_by_what_is_found_later(office: Office) -> None:
    office.choose("differ")
    with office.database.begin() as tx:
        found = office.pair
        twin_pairs.save(
            tx, office.box, (found.one, found.other), ["more"], (office.uids["Plant"], day(5), True), day(30)
        )
        twin_pairs.remove(tx, office.box, found.id)
    assert office.pair == found


def test_forgetting_and_what_was_filed_see_all_lessons(office: Office) -> None:
    office.choose("here", "Plant", when=10)
    office.teach("Acme", 11)
    with office.database.read() as tx:
        assert len(learning.lessons(tx, office.box, as_filed=True)) == 8
        assert len(learning.lessons(tx, office.box)) == 7
        assert learning.lesson_state(tx, office.box)[1] == 8
