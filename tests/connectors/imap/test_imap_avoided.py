"""What a server does not bear or does not do right: asked otherwise, remembered, and told by `postroom check`."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import MessageRef, Move
from connectors.errors import ActionRefused
from connectors.imap.answers import Abilities
from connectors.imap.avoided import FALL_BACKS, TIMES, Avoided, avoided_in
from tests.contract import arrive, find, ignore, refuse, start, watch, where
from tests.faults import FaultyLine
from tests.imap_fixtures import ImapWorld

pytestmark = pytest.mark.imap


class Breaking(FaultyLine):
    """A line that breaks at every command in which these words occur, and counts them."""

    def __init__(self, port: int, words: bytes) -> None:
        super().__init__(port, change=self._break)
        self.words, self.broken = words, 0

    def _break(self, line: bytes) -> bytes:
        if self.words in line:
            self.broken += 1
            raise OSError
        return line


class Blind(FaultyLine):
    """A line on which nobody hears where a copy went, nor finds it."""

    def __init__(self, port: int) -> None:
        super().__init__(port, hide=("UIDPLUS",), change=self._change)
        self.copied = False

    def _change(self, line: bytes) -> bytes:
        self.copied = self.copied or b" UID COPY " in line
        return re.sub(rb"FETCH \d+:4294967295", b"FETCH 4294967295", line) if self.copied else line

    def _told(self, answer: bytes) -> bytes:
        return re.sub(rb"\[COPYUID [^]]*\] ", b"", super()._told(answer))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (b"(QRESYNC (", "QRESYNC"),
        (b"ENABLE QRESYNC", "QRESYNC"),
        (b"STATUS (", "LIST-STATUS"),
        (b"X-GUID", "X-GUID"),
    ],
)
def test_what_broke_the_line_twice_is_used_no_more_and_remembered(
    dovecot_world: ImapWorld, words: bytes, name: str
) -> None:
    world = dovecot_world
    for subject in ("stays", "goes"):
        world.deliver(subject)
    seen = tuple(world.connector.newest(world.inbox, 5))
    cursor = start(world)
    world.delete("goes")
    world.deliver("new")
    with Breaking(world.server.port, words) as line:
        connector, restarted = world.another(port=line.port), world.another(port=line.port)
        changes = connector.changes(cursor, watch(world, arrived=seen))
        assert line.broken == TIMES
        assert (len(changes.arrived), changes.vanished) == (1, (seen[0].ref,))
        assert avoided_in(changes.cursor) == [name]
        assert any(name in note and FALL_BACKS[name] in note for note in connector.capabilities().notes)
        after = restarted.changes(changes.cursor, watch(world, arrived=(*seen, *changes.arrived)))
        assert line.broken == TIMES
        assert after.cursor == changes.cursor
        assert restarted.renamed(after.cursor, {}) == after.cursor
        connector.close()
        restarted.close()


def test_a_line_that_breaks_once_is_nobodys_fault(dovecot_world: ImapWorld) -> None:
    world = dovecot_world
    cursor, seen = arrive(world, "goes")
    world.delete("goes")

    class Once(Breaking):
        def _break(self, line: bytes) -> bytes:
            return line if self.broken else super()._break(line)

    with Once(world.server.port, b"(QRESYNC (") as line:
        with world.another(port=line.port) as connector:
            changes = connector.changes(cursor, watch(world, arrived=(seen,)))
        assert (line.broken, changes.vanished, avoided_in(changes.cursor)) == (1, (seen.ref,), [])


def test_breaks_with_looks_between_them_are_the_networks_fault() -> None:
    avoided = Avoided()
    for _ in range(TIMES + 1):
        avoided.broke("LIST-STATUS")
        avoided.looked()
    assert not avoided.words


def test_a_change_is_given_up_only_when_it_broke_at_two_messages() -> None:
    avoided, one, other = Avoided(), MessageRef("INBOX", 1, 1), MessageRef("INBOX", 1, 2)
    for _ in range(TIMES + 1):
        avoided.broke("MOVE", one)
    assert not avoided.words
    avoided.worked("MOVE")
    avoided.broke("MOVE", other)
    assert not avoided.words
    avoided.broke("MOVE", one)
    assert avoided.words == {"MOVE"}


def test_a_cursor_with_words_of_somebody_else_is_read_all_the_same() -> None:
    assert avoided_in('{"":["QRESYNC","what?"],"INBOX":[1,2,3,4]}') == ["QRESYNC", "what?"]
    assert avoided_in(None) == avoided_in("[]") == avoided_in('{"":7}') == avoided_in("what?") == []


def test_without_condstore_there_is_no_qresync() -> None:
    able = Abilities.of(["CONDSTORE", "QRESYNC", "ENABLE", "LIST-STATUS", "MOVE"])
    left = able.without({"CONDSTORE", "LIST-STATUS", "COPY"})
    assert (left.condstore, left.qresync, left.list_status, left.move) == (False, False, False, True)


# James


def test_a_mail_that_went_above_the_highest_uid_is_missed_by_qresync_and_found(james_world: ImapWorld) -> None:
    """James never tells that the newest mail of a folder left."""
    world = james_world
    for subject in ("one", "two", "three"):
        world.deliver(subject)
    seen = world.connector.newest(world.inbox, 5)
    cursor = start(world)
    world.move("three", world.first)
    changes = world.connector.changes(cursor, watch(world, arrived=seen))
    assert changes.vanished == (seen[0].ref,)
    assert [one.ref.folder for one in changes.arrived] == [world.first]


def test_an_emptied_inbox_and_a_newer_mail(james_world: ImapWorld) -> None:
    """James asked by QRESYNC then fills its memory and says nothing."""
    world = james_world
    for subject in ("one", "two"):
        world.deliver(subject)
    connector = world.another(timeout=4.0)
    seen = connector.newest(world.inbox, 5)
    cursor = connector.changes(None, watch(world)).cursor
    for subject in ("one", "two"):
        world.delete(subject)
    world.deliver("new")
    changes = connector.changes(cursor, watch(world, arrived=seen))
    assert set(changes.vanished) == {one.ref for one in seen}
    assert len(changes.arrived) == 1
    assert avoided_in(changes.cursor) == ["QRESYNC"]


def test_an_inbox_that_becomes_empty(james_world: ImapWorld) -> None:
    """James answers BAD to whatever is asked about an empty folder."""
    world = james_world
    cursor, seen = arrive(world, "Invoice 7")
    there = world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
    assert list(world.connector.fetch([seen.ref])) == []
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert changes.vanished == (seen.ref,)
    assert [one.ref for one in changes.arrived] == [there]


# maddy


def test_a_first_mail_without_a_flag_is_among_the_newest(maddy_world: ImapWorld) -> None:
    """maddy's search without a set leaves out the first mail that has no flag."""
    world = maddy_world
    for subject in ("one", "two", "three"):
        world.deliver(subject)
    world.hands.flag("one", "\\Seen")
    world.hands.flag("three", "\\Seen")
    assert len(world.connector.newest(world.inbox, 5)) == 3


def test_a_folder_whose_messages_maddy_cannot_count(maddy_world: ImapWorld) -> None:
    """Its STATUS is an "I/O error" once the inbox was emptied by a client that marks and expunges."""
    world = maddy_world
    cursor, seen = arrive(world, "one")
    world.deliver("two")
    world.delete("one")
    world.delete("two")
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert (changes.vanished, changes.arrived) == ((seen.ref,), ())
    assert world.inbox in [folder.name for folder in world.connector.folders()]


class Rewriting(FaultyLine):
    """A line on which every moved mail has another size and another header, and nobody hears where it went."""

    moved = False

    def __init__(self, port: int) -> None:
        super().__init__(port, change=self._change)

    def _change(self, line: bytes) -> bytes:
        self.moved = self.moved or b" UID MOVE " in line
        return line

    def _told(self, answer: bytes) -> bytes:
        answer = re.sub(rb"\[COPYUID [^]]*\] ", b"", super()._told(answer))
        if self.moved:
            answer = re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE 7", answer)
            answer = answer.replace(b"From: Ann Lee", b"From: Bob Lee")
        return answer


def test_a_moved_mail_is_found_whatever_became_of_it(dovecot_world: ImapWorld) -> None:
    """Else our own move would look like somebody's, and be learnt from."""
    world = dovecot_world
    world.deliver("Invoice 7")
    with Rewriting(world.server.port) as line, world.another(port=line.port) as connector:
        (seen,) = connector.newest(world.inbox, 5)
        without = replace(seen.identity, object_id=None)
        landed = connector.apply(seen.ref, without, Move(world.first), ignore)
        assert landed.folder == world.first
        assert where(world) == {"Invoice 7": [world.first]}


# imap4d


def test_a_copy_on_a_server_that_counts_its_own_numbers(imap4d_world: ImapWorld) -> None:
    """The size of a copy differs, it arrived when it was copied, and searches with "*" find nothing."""
    world = imap4d_world
    for subject in ("before", "Invoice 7", "after"):
        world.deliver(subject)
        seen = find(world, subject)
        assert seen.arrived is not None
        while datetime.now(UTC) < seen.arrived + timedelta(seconds=2):
            time.sleep(0.1)
        world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
    assert where(world) == {subject: [world.first] for subject in ("before", "Invoice 7", "after")}


def test_a_copy_that_cannot_be_found_is_made_no_second_time(courier_world: ImapWorld) -> None:
    """Without MOVE and COPYUID, and with nothing to be seen of what is new: nothing is proved, nor done again."""
    world = courier_world
    world.deliver("Invoice 7")
    world.deliver("Invoice 8")
    with Blind(world.server.port) as line:
        connector = world.another(port=line.port)
        cursor = connector.changes(None, watch(world)).cursor
        seen = {subject: find(world, subject) for subject in ("Invoice 7", "Invoice 8")}
        with pytest.raises(ActionRefused, match="none can be found there"):
            connector.apply(seen["Invoice 7"].ref, seen["Invoice 7"].identity, Move(world.first), ignore)
        with pytest.raises(ActionRefused, match="none can be found there"):
            connector.apply(seen["Invoice 8"].ref, seen["Invoice 8"].identity, Move(world.first), refuse)
        assert where(world)["Invoice 7"] == sorted([world.inbox, world.first])
        assert where(world)["Invoice 8"] == [world.inbox]
        assert avoided_in(connector.changes(cursor, watch(world)).cursor) == ["COPY"]
        assert any(note == "moves nothing" for note in connector.capabilities().notes)
        assert not connector.capabilities().move
        connector.close()
