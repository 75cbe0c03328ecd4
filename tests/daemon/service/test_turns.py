"""Who may have a connection where a server takes fewer than there are mailboxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from daemon.service.turns import BELIEVED_S, Turns


class Office:
    """Mailboxes at a server that takes `admits` connections, and a mailbox that asks for one or gives it up."""

    def __init__(self, mailboxes: int, admits: int) -> None:
        self.turns, self.admits = Turns(), admits
        self.names = [f"box{number}" for number in range(mailboxes)]
        self.connected: set[str] = set()
        self.looked: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.asked: list[str] = []
        """Who was asked to be looked at, and has not been."""
        self.now = 0.0

    def look(self, name: str) -> None:
        may_enter, asked = self.turns.enter(name, "imap.example.com:993", self.now)
        self._ask(asked)
        if not may_enter:
            return
        well = name in self.connected or len(self.connected) < self.admits
        if well:
            self.connected.add(name)
            self.looked[name] += 1
            self.refused[name] = 0
        else:
            self.refused[name] += 1
            self._ask(self.turns.refused(name, self.now, again=self.refused[name] > 1))
        if self.turns.ends(name, well=well) or not well:
            self.connected.discard(name)
            self._ask(self.turns.gone(name))

    def round(self) -> None:
        """Everybody is due once, and then whoever was asked."""
        self.now += 60
        for name in self.names:
            self.look(name)
        for _ in range(10 * len(self.names)):
            if not self.asked:
                return
            self.look(self.asked.pop(0))
        raise AssertionError("they ask each other for ever")

    def _ask(self, name: str | None) -> None:
        if name is not None:
            self.asked.append(name)


@pytest.fixture
def office() -> Iterator[Office]:
    office = Office(mailboxes=12, admits=5)
    office.round()
    yield office
    assert len(office.connected) <= office.admits


def test_nobody_starves_and_nobody_is_refused_again(office: Office) -> None:
    for _ in range(5):
        office.round()
    assert min(office.looked.values()) >= 5
    assert set(office.looked) == set(office.names)
    assert not +office.refused
    assert len(office.connected) == office.admits, "who is not asked for room keeps its connection"


def test_all_are_told_of_it(office: Office) -> None:
    words = office.turns.in_words("box11")
    assert words is not None
    assert words.startswith("the server takes 5 connections of ours at a time, and 12 mailboxes are there")


def test_one_connection_is_enough_for_all() -> None:
    office = Office(mailboxes=6, admits=1)
    for _ in range(4):
        office.round()
    assert min(office.looked[name] for name in office.names) >= 3
    assert "takes one connection of ours" in str(office.turns.in_words("box0"))


def test_a_limit_is_forgotten_some_time_after_the_last_refusal(office: Office) -> None:
    office.admits = 12
    office.now += BELIEVED_S + 1
    office.round()
    assert len(office.connected) == 12
    assert office.turns.in_words("box0") is None


def test_a_limit_that_falls_is_noticed(office: Office) -> None:
    office.admits = 3
    while len(office.connected) > office.admits:
        office.turns.gone(office.connected.pop())
    before = Counter(office.looked)
    for _ in range(6):
        office.round()
    assert min((office.looked - before)[name] for name in office.names) >= 3


def test_a_mailbox_that_is_refused_for_a_limit_of_its_own_costs_the_others_next_to_nothing() -> None:
    """Its own user's limit is used up by other programs: no connection of ours that closes makes room."""
    office = Office(mailboxes=12, admits=12)
    for name in office.names[1:]:
        office.look(name)
    office.admits = 0
    for _ in range(30):
        office.look("box0")
        while office.asked:
            name = office.asked.pop(0)
            office.admits = 12 * (name != "box0")
            office.look(name)
            office.admits = 0
    assert office.refused["box0"] >= 10
    office.admits = 11
    before = Counter(office.looked)
    for name in office.names[1:]:
        office.look(name)
    office.round()
    assert min((office.looked - before)[name] for name in office.names[1:]) >= 1


def test_servers_have_nothing_to_do_with_each_other() -> None:
    turns = Turns()
    assert turns.enter("one", "here", 0.0) == (True, None)
    turns.ends("one", well=True)
    assert turns.enter("two", "here", 0.0) == (True, None)
    assert turns.refused("two", 0.0, again=False) == "one"
    turns.ends("two", well=False)
    assert turns.enter("three", "there", 0.0) == (True, None)
    assert turns.enter("four", "", 0.0) == (True, None)
    assert turns.in_words("one") is not None
    assert turns.in_words("three") is None
    assert turns.enter("two", "here", 1.0) == (False, None), "the one that rests was asked already"
    assert turns.enter("one", "here", 1.0) == (True, None), "who has a connection is let in"
    assert turns.ends("one", well=True)
    assert turns.gone("one") == "two"


def test_where_nobody_knows_the_server_all_may_enter() -> None:
    turns = Turns()
    for name in ("one", "two"):
        assert turns.enter(name, "", 0.0) == (True, None)
        assert not turns.ends(name, well=True)
    assert turns.refused("two", 0.0, again=False) is None
    assert turns.enter("two", "", 1.0) == (True, None)


def test_who_leaves_at_a_reload_makes_room_waits_in_no_line_and_is_not_counted() -> None:
    office = Office(3, 2)
    for _ in range(3):
        office.round()
    resting, (waiting,) = sorted(office.connected), set(office.names) - office.connected
    assert "3 mailboxes are there" in (office.turns.in_words(waiting) or "")
    office.turns.enter(waiting, "imap.example.com:993", office.now)
    assert office.turns.leaves(resting[0]) == waiting
    assert "2 mailboxes are there" in (office.turns.in_words(waiting) or "")
    assert office.turns.enter(waiting, "imap.example.com:993", office.now)[0]
    assert office.turns.leaves("never asked") is None


def test_who_leaves_while_it_waits_is_called_no_more() -> None:
    office = Office(3, 2)
    for _ in range(3):
        office.round()
    resting, (waiting,) = sorted(office.connected), set(office.names) - office.connected
    office.turns.enter(waiting, "imap.example.com:993", office.now)
    assert office.turns.leaves(waiting) is None
    assert office.turns.gone(resting[0]) is None
