"""The tests that every connector passes, whatever world it talks to.

    class TestMemory(ConnectorTests):
        @pytest.fixture
        def world(self) -> Iterator[World]: ...

A `World` is one mailbox seen from both sides: the connector under test, and the hands of people who reach the same
server by another way. People name a mail by its subject, which is unique within a test. A world starts empty, with an
inbox and two other folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from connectors.base import (
    Action,
    Connector,
    Identity,
    Move,
    Note,
    Progress,
    Recovered,
    Sighting,
    Tag,
    Unfinished,
    Watch,
)
from connectors.errors import ActionRefused, FolderMissing, MessageGone, MessageTouched


@dataclass(frozen=True, order=True)
class Lying:
    """One message as an independent look finds it. `content` hashes all that must survive: bytes, flags, dates."""

    folder: str
    subject: str
    content: str


class World(Protocol):
    """One mailbox, from both sides. Implement this for a new connector; the tests need nothing else."""

    connector: Connector
    inbox: str
    first: str
    """A folder (queue) for messages to be moved to. For IMAP its name has a space and a letter beyond ASCII."""
    second: str
    deletes: bool
    """Can a person delete a message for good?"""
    twins: bool
    """Can two messages with the same Message-ID and the same text lie in one mailbox, and one without a Message-ID?"""

    def deliver(self, subject: str, body: str = "The parts have come.", message_id: str | None = "") -> None:
        """A mail from outside arrives in the inbox. message_id "": any new one; None: the mail has none."""

    def move(self, subject: str, folder: str) -> None:
        """A person moves the (only) mail of that subject to another folder."""

    def delete(self, subject: str) -> None:
        """A person deletes it for good."""

    def answer(self, subject: str) -> None:
        """A person answers it; at a helpdesk: closes the ticket."""

    def contents(self) -> Sequence[Lying]:
        """All that lies in all folders, in any order, as a client of its own sees it."""

    def another(self) -> Connector:
        """A second connector to the same mailbox, fresh, as after a restart of Postroom. The world closes it."""


class Died(Exception):
    """The process is killed here."""


class ConnectorTests:
    """Inherit, and give a fixture `world`."""

    # Looking

    def test_folders_are_listed_by_name(self, world: World) -> None:
        names = [folder.name for folder in world.connector.folders()]
        assert {world.inbox, world.first, world.second} <= set(names)
        assert names == sorted(names)

    def test_the_first_look_reports_the_newest_of_the_inbox_and_nothing_else(self, world: World) -> None:
        for subject in ("one", "two", "three", "four"):
            world.deliver(subject)
        world.move("one", world.first)
        changes = world.connector.changes(None, watch(world, first_look=2))
        assert [subject_of(world, sighting) for sighting in changes.arrived] == ["three", "four"]
        assert (changes.vanished, changes.restarted, changes.missing) == ((), (), ())

    def test_a_new_mail_arrives_once(self, world: World) -> None:
        cursor = start(world)
        world.deliver("Invoice 7")
        changes = world.connector.changes(cursor, watch(world))
        assert [subject_of(world, sighting) for sighting in changes.arrived] == ["Invoice 7"]
        assert changes.arrived[0].ref.folder == world.inbox
        again = world.connector.changes(changes.cursor, watch(world, arrived=changes.arrived))
        assert again.arrived == ()

    def test_the_cursor_stays_when_nothing_happens(self, world: World) -> None:
        cursor = start(world)
        world.deliver("one")
        changes = world.connector.changes(cursor, watch(world))
        again = world.connector.changes(changes.cursor, watch(world, arrived=changes.arrived))
        assert again.cursor == changes.cursor
        assert again.vanished == ()

    def test_a_move_by_a_person_is_one_vanished_and_one_arrived_of_the_same_identity(self, world: World) -> None:
        cursor, seen = arrive(world, "Invoice 7")
        world.deliver("stays")
        world.move("Invoice 7", world.first)
        changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
        moved = [sighting for sighting in changes.arrived if sighting.ref.folder == world.first]
        assert changes.vanished == (seen.ref,)
        assert [sighting.identity for sighting in moved] == [seen.identity]

    def test_a_deleted_mail_vanishes(self, world: World) -> None:
        if not world.deletes:
            return
        cursor, seen = arrive(world, "Invoice 7")
        world.delete("Invoice 7")
        changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
        assert changes.vanished == (seen.ref,)
        assert changes.arrived == ()

    @pytest.mark.parametrize("cursor", ["", "what?", "[]", '{"INBOX": "x"}', '{"a": [1]}', "17"])
    def test_a_cursor_that_cannot_be_read_counts_as_none(self, world: World, cursor: str) -> None:
        world.deliver("one")
        changes = world.connector.changes(cursor, watch(world))
        assert [subject_of(world, sighting) for sighting in changes.arrived] == ["one"]

    def test_a_watched_folder_that_does_not_exist_is_missing(self, world: World) -> None:
        with_ghost = watch(world, ghosts=("No such place",))
        assert world.connector.changes(None, with_ghost).missing == ("No such place",)
        assert world.connector.changes(start(world), with_ghost).missing == ("No such place",)

    def test_a_folder_that_is_watched_from_now_on_starts_from_now(self, world: World) -> None:
        world.deliver("old")
        world.move("old", world.first)
        only_inbox = Watch(inbox=world.inbox, known={world.inbox: frozenset()})
        cursor = world.connector.changes(None, only_inbox).cursor
        changes = world.connector.changes(cursor, watch(world))
        assert changes.arrived == ()
        world.deliver("new")
        world.move("new", world.first)
        changes = world.connector.changes(changes.cursor, watch(world))
        assert [subject_of(world, s) for s in changes.arrived if s.ref.folder == world.first] == ["new"]

    def test_newest_is_newest_first_and_bounded(self, world: World) -> None:
        for subject in ("one", "two", "three"):
            world.deliver(subject)
        assert [subject_of(world, sighting) for sighting in world.connector.newest(world.inbox, 2)] == ["three", "two"]
        assert world.connector.newest(world.first, 10) == []

    def test_newest_of_a_folder_that_does_not_exist_says_so(self, world: World) -> None:
        with pytest.raises(FolderMissing, match="No such place"):
            world.connector.newest("No such place", 5)

    def test_fetch_gives_the_text_and_changes_nothing(self, world: World) -> None:
        world.deliver("Grüße aus Köln", body="Die Teile sind da.")
        before = sorted(world.contents())
        (seen,) = world.connector.newest(world.inbox, 5)
        (message,) = world.connector.fetch([seen.ref])
        assert message.text.subject == "Grüße aus Köln"
        assert "Die Teile sind da." in message.text.body
        assert message.sighting.ref == seen.ref
        assert message.sighting.identity == seen.identity
        assert list(world.connector.fetch([seen.ref], papers=True, pictures=True)) == [message], "it has no files"
        assert sorted(world.contents()) == before

    def test_fetch_leaves_out_what_is_gone(self, world: World) -> None:
        _, seen = arrive(world, "one")
        nowhere = replace(seen.ref, uid=seen.ref.uid + 1000)
        assert [message.sighting.ref for message in world.connector.fetch([nowhere, seen.ref])] == [seen.ref]
        assert list(world.connector.fetch([replace(seen.ref, folder="No such place")])) == []
        assert list(world.connector.fetch([])) == []

    # Acting

    def test_a_move_arrives_whole_and_alone(self, world: World) -> None:
        for subject in ("before", "Invoice 7", "after"):
            world.deliver(subject)
        seen = find(world, "Invoice 7")
        before = sorted((lying.subject, lying.content) for lying in world.contents())
        ref = world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
        assert where(world) == {"before": [world.inbox], "Invoice 7": [world.first], "after": [world.inbox]}
        assert sorted((lying.subject, lying.content) for lying in world.contents()) == before
        (now,) = world.connector.newest(world.first, 5)
        assert now.ref == ref
        self.check_identity(now.identity, seen.identity)

    def check_identity(self, now: Identity, then: Identity) -> None:
        """A message after a move and before it. Weaken it only for a server that measures both differently."""
        assert now == then

    def test_a_message_moves_there_and_back(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        before = sorted(world.contents())
        there = world.connector.apply(seen.ref, seen.identity, Move(world.second), ignore)
        back = world.connector.apply(there, seen.identity, Move(world.inbox), ignore)
        assert back.folder == world.inbox
        assert sorted(world.contents()) == before

    def test_the_note_comes_before_the_command_that_it_announces(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        before = sorted(world.contents())

        def look(progress: Progress) -> None:
            if not notes:
                assert sorted(world.contents()) == before
            notes.append(progress)

        notes: list[Progress] = []
        world.connector.apply(seen.ref, seen.identity, Move(world.first), look)
        assert notes
        assert notes[0].step in ("moving", "copying")

    def test_a_move_to_where_it_is_does_nothing(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        before = sorted(world.contents())
        assert world.connector.apply(seen.ref, seen.identity, Move(world.inbox), ignore) == seen.ref
        assert sorted(world.contents()) == before

    def test_a_message_that_a_person_moved_first_is_left_alone(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        world.move("Invoice 7", world.second)
        before = sorted(world.contents())
        with pytest.raises(MessageGone):
            world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
        assert sorted(world.contents()) == before

    def test_a_message_that_a_person_answered_meanwhile_stays(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        world.answer("Invoice 7")
        before = sorted(world.contents())
        with pytest.raises(MessageTouched):
            world.connector.apply(seen.ref, seen.identity, Move(world.first), refuse, frozenset({"\\answered"}))
        assert sorted(world.contents()) == before
        assert world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore).folder == world.first

    def test_another_message_at_the_same_place_is_left_alone(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        other = Identity(object_id=None, message_id="<other@example.org>", digest="0" * 64)
        before = sorted(world.contents())
        with pytest.raises(MessageGone):
            world.connector.apply(seen.ref, other, Move(world.first), ignore)
        assert sorted(world.contents()) == before

    def test_a_folder_that_does_not_exist_is_neither_filled_nor_made(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        folders, before = world.connector.folders(), sorted(world.contents())
        with pytest.raises(FolderMissing, match="No such place"):
            world.connector.apply(seen.ref, seen.identity, Move("No such place"), refuse)
        assert sorted(world.contents()) == before
        assert [folder.name for folder in world.connector.folders()] == [folder.name for folder in folders]

    def test_one_of_two_twins_is_moved_and_the_other_stays(self, world: World) -> None:
        if not world.twins:
            return
        world.deliver("Invoice 7", message_id="<twin@example.org>")
        world.deliver("Invoice 7", message_id="<twin@example.org>")
        seen = world.connector.newest(world.inbox, 5)[0]
        ref = world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
        assert where(world) == {"Invoice 7": sorted([world.inbox, world.first])}
        assert world.connector.newest(world.first, 5)[0].ref == ref

    def test_a_mail_without_message_id_is_read_and_moved(self, world: World) -> None:
        if not world.twins:
            return
        world.deliver("Invoice 7", message_id=None)
        seen = find(world, "Invoice 7")
        assert seen.identity.message_id is None
        ref = world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
        assert world.connector.newest(world.first, 5)[0].ref == ref

    def test_tags_are_kept_where_the_server_has_them_and_refused_where_not(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        if world.connector.capabilities().tags:
            ref = world.connector.apply(seen.ref, seen.identity, Tag(add=frozenset({"postroom-invoice"})), ignore)
            assert "postroom-invoice" in find(world, "Invoice 7").flags
            world.connector.apply(ref, seen.identity, Tag(remove=frozenset({"postroom-invoice"})), ignore)
            assert "postroom-invoice" not in find(world, "Invoice 7").flags
        else:
            before = sorted(world.contents())
            with pytest.raises(ActionRefused):
                world.connector.apply(seen.ref, seen.identity, Tag(add=frozenset({"postroom-invoice"})), refuse)
            assert sorted(world.contents()) == before

    # After a crash

    def test_an_action_that_was_only_planned_is_undone(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        recovered = recover(world, seen, Move(world.first), Progress("planned"))
        assert (recovered.outcome, recovered.ref) == ("undone", seen.ref)
        assert where(world) == {"Invoice 7": [world.inbox]}

    def test_a_move_that_happened_is_found_done_from_every_note(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        notes: list[Progress] = []
        ref = world.connector.apply(seen.ref, seen.identity, Move(world.first), notes.append)
        after = sorted(world.contents())
        # A "copied" note was followed by a "removing" one: only the last note of a journal is ever recovered from.
        for progress in (notes[0], notes[-1]):
            recovered = recover(world, seen, Move(world.first), progress)
            assert (recovered.outcome, recovered.ref) == ("done", ref)
            assert sorted(world.contents()) == after

    def test_a_process_killed_at_any_note_loses_nothing(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        before = sorted((lying.subject, lying.content) for lying in world.contents())
        deaths = 0
        while True:
            notes: list[Progress] = []

            def die(progress: Progress, notes: list[Progress] = notes, survive: int = deaths) -> None:
                notes.append(progress)
                if len(notes) > survive:
                    raise Died

            try:
                world.connector.apply(seen.ref, seen.identity, Move(world.first), die)
                break
            except Died:
                deaths += 1
            recovered = recover(world, seen, Move(world.first), notes[-1])
            assert recovered.outcome in ("undone", "finished"), recovered
            assert sorted((lying.subject, lying.content) for lying in world.contents()) == before
            assert recovered.ref is not None
            if recovered.outcome == "finished":
                world.connector.apply(recovered.ref, seen.identity, Move(world.inbox), ignore)
            seen = find(world, "Invoice 7")
        assert deaths >= 1
        assert where(world) == {"Invoice 7": [world.first]}

    def test_a_message_that_is_nowhere_is_explained(self, world: World) -> None:
        _, seen = arrive(world, "Invoice 7")
        notes: list[Progress] = []
        with pytest.raises(Died):
            world.connector.apply(seen.ref, seen.identity, Move(world.first), stop_at_first(notes))
        world.move("Invoice 7", world.second)
        recovered = recover(world, seen, Move(world.first), notes[-1])
        assert recovered.outcome == "explained"
        assert recovered.explanation
        assert where(world) == {"Invoice 7": [world.second]}

    # The connection

    def test_a_closed_connector_opens_again_by_itself(self, world: World) -> None:
        world.connector.close()
        world.connector.close()
        assert world.connector.folders()

    def test_a_connector_is_a_context_manager(self, world: World) -> None:
        with world.another() as connector:
            assert connector.capabilities().notes

    def test_two_connectors_see_the_same(self, world: World) -> None:
        cursor, seen = arrive(world, "Invoice 7")
        other = world.another()
        assert [sighting.identity for sighting in other.newest(world.inbox, 5)] == [seen.identity]
        changes = other.changes(cursor, watch(world, arrived=(seen,)))
        assert (changes.arrived, changes.vanished) == ((), ())


# Helpers, for tests of single connectors too


def watch(
    world: World, *, arrived: Sequence[Sighting] = (), ghosts: Sequence[str] = (), first_look: int = 2000
) -> Watch:
    """Watch the inbox and both folders, knowing what has `arrived`."""
    known: dict[str, frozenset[int]] = {
        folder: frozenset(sighting.ref.uid for sighting in arrived if sighting.ref.folder == folder)
        for folder in (world.inbox, world.first, world.second, *ghosts)
    }
    return Watch(inbox=world.inbox, known=known, first_look=first_look)


def start(world: World) -> str:
    """The cursor of a first look."""
    return world.connector.changes(None, watch(world)).cursor


def arrive(world: World, subject: str) -> tuple[str, Sighting]:
    """One mail comes in and is seen: the cursor after it, and where it lies."""
    cursor = start(world)
    world.deliver(subject)
    changes = world.connector.changes(cursor, watch(world))
    assert len(changes.arrived) == 1
    return changes.cursor, changes.arrived[0]


def subject_of(world: World, sighting: Sighting) -> str:
    (message,) = world.connector.fetch([sighting.ref])
    return message.text.subject


def find(world: World, subject: str) -> Sighting:
    """The mail of that subject in the inbox."""
    (found,) = [s for s in world.connector.newest(world.inbox, 100) if subject_of(world, s) == subject]
    return found


def where(world: World) -> dict[str, list[str]]:
    """Subject -> folders, by an independent look."""
    places: dict[str, list[str]] = {}
    for lying in sorted(world.contents()):
        places.setdefault(lying.subject, []).append(lying.folder)
    return places


def recover(world: World, seen: Sighting, action: Action, progress: Progress) -> Recovered:
    """As after a restart: by a connector that remembers nothing."""
    with world.another() as connector:
        return connector.recover(Unfinished(seen.ref, seen.identity, action, progress))


def ignore(progress: Progress) -> None:
    """A journal that nobody reads."""


def refuse(progress: Progress) -> None:
    """A journal for an action that must not begin."""
    raise AssertionError(f"announced {progress.step}")


def stop_at_first(notes: list[Progress]) -> Note:
    """A journal that dies at the first note."""

    def note(progress: Progress) -> None:
        notes.append(progress)
        raise Died

    return note
