"""Servers that do half, say nothing, or tell of something else: what the move machine makes of it. On real servers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Barrier, Thread

import pytest

from connectors.base import MessageRef, Move, Progress, Sighting, Tag, Unfinished
from connectors.errors import ActionRefused, MessageGone, Unexplained, Unreachable
from connectors.imap.answers import copied, fetched_by_uid
from connectors.imap.mailbox import ImapConnector
from tests.connectors.imap.test_imap_move import RIGHTS
from tests.contract import Died, arrive, ignore, recover, stop_at_first, where
from tests.faults import FaultyLine
from tests.imap_fixtures import ImapWorld, closing
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail, quoted

NO_MOVE = ("MOVE",)
NEITHER = ("MOVE", "UIDPLUS")


def test_copyuid_is_read_as_sets_and_what_does_not_add_up_proves_nothing() -> None:
    landed = MessageRef("Orders", 5, 9)
    for answer in (b"5 7 9", b"5 7:7 9:9", b"5 7 9:9", b"5 6:7 8:9", b"5 3,7 4,9", b"5 7:6 8:9"):
        assert copied([answer], 7, "Orders") == landed, answer
    assert copied([b"5 1 2", b"5 7 9"], 7, "Orders") == landed
    for answer in (
        b"",
        b"5 8 9",
        b"5 6:8 9",
        b"5 7 9:10",
        b"0 7 9",
        b"5 7 0",
        b"5 7,7 8,9",
        b"5 7: 9",
        b"5 1:4294967295 9",
    ):
        assert copied([answer], 7, "Orders") is None, answer


def test_a_message_number_is_not_taken_for_a_uid() -> None:
    lines = [
        b"3 (FLAGS (\\Deleted))",
        (b"1 (UID 3 FLAGS () BODY[HEADER] {4}", b"A: b"),
        b")",
        b"2 (UID 9 FLAGS ())",
        None,
    ]
    found = fetched_by_uid(lines, {3})
    assert set(found) == {3}
    assert found[3][b"FLAGS"] == ()
    assert found[3][b"BODY[HEADER]"] == b"A: b"


@contextmanager
def through(
    world: ImapWorld, change: Callable[[bytes], bytes] = bytes, hide: Collection[str] = ()
) -> Iterator[ImapConnector]:
    """A connector whose server does something else than it was asked, or does not tell all that it can."""
    with (
        FaultyLine(world.server.port, change=change, hide=hide) as line,
        ImapConnector(world.account(port=line.port), settle=0.0) as connector,
    ):
        yield connector


def only_copy(line: bytes) -> bytes:
    return line.replace(b"UID MOVE", b"UID COPY")


def nothing(line: bytes) -> bytes:
    tag, _, command = line.partition(b" ")
    return tag + b" NOOP\r\n" if command.startswith((b"UID MOVE", b"UID COPY")) else line


def never_expunge(line: bytes) -> bytes:
    tag, _, command = line.partition(b" ")
    return tag + b" NOOP\r\n" if command.startswith(b"UID EXPUNGE") else line


def never_mark(line: bytes) -> bytes:
    tag, _, command = line.partition(b" ")
    return tag + b" NOOP\r\n" if b"+FLAGS.SILENT (\\Deleted)" in command else line


@pytest.mark.imap
@pytest.mark.parametrize("name", ["dovecot_world", "cyrus_world"])
def test_a_move_that_only_copied_is_completed(request: pytest.FixtureRequest, name: str) -> None:
    world: ImapWorld = request.getfixturevalue(name)
    _, seen = arrive(world, "Invoice 7")
    notes: list[Progress] = []
    with through(world, only_copy) as connector:
        ref = connector.apply(seen.ref, seen.identity, Move(world.first), notes.append)
    assert where(world) == {"Invoice 7": [world.first]}
    assert ref.folder == world.first
    assert [note.step for note in notes] == ["moving", "copied", "removing"]


@pytest.mark.imap
def test_a_move_that_only_copied_before_a_crash_is_completed_at_the_restart(dovecot_world: ImapWorld) -> None:
    _, seen = arrive(dovecot_world, "Invoice 7")
    notes: list[Progress] = []
    with pytest.raises(Died):
        dovecot_world.connector.apply(seen.ref, seen.identity, Move(dovecot_world.first), stop_at_first(notes))
    with through(dovecot_world) as connector:
        session = connector._session()
        session.open("INBOX", write=True)
        session.copy(seen.ref.uid, dovecot_world.first)
    recovered = recover(dovecot_world, seen, Move(dovecot_world.first), notes[-1])
    assert recovered.outcome == "finished"
    assert where(dovecot_world) == {"Invoice 7": [dovecot_world.first]}


@pytest.mark.imap
@pytest.mark.parametrize("hide", [(), NO_MOVE], ids=["move", "copy"])
def test_an_ok_that_did_nothing_is_not_believed(dovecot_world: ImapWorld, hide: tuple[str, ...]) -> None:
    _, seen = arrive(dovecot_world, "Invoice 7")
    before = list(dovecot_world.contents())
    with through(dovecot_world, nothing, hide=hide) as connector, pytest.raises((ActionRefused, MessageGone)):
        connector.apply(seen.ref, seen.identity, Move(dovecot_world.first), ignore)
    assert list(dovecot_world.contents()) == before


@pytest.mark.imap
@pytest.mark.parametrize("change", [only_copy, never_expunge], ids=["half a move", "copy"])
def test_an_original_that_cannot_be_removed_stays_the_only_one(
    dovecot_world: ImapWorld, change: Callable[[bytes], bytes]
) -> None:
    """The copy is taken back, but that cannot be removed either: both are told, the original is not even marked."""
    _, seen = arrive(dovecot_world, "Invoice 7")

    def spiteful(line: bytes) -> bytes:
        return never_expunge(change(line))

    with through(dovecot_world, spiteful, hide=() if change is only_copy else NO_MOVE) as connector:
        notes: list[Progress] = []
        with pytest.raises(Exception, match="neither can be removed"):
            connector.apply(seen.ref, seen.identity, Move(dovecot_world.first), notes.append)
    found = {lying.folder: lying for lying in dovecot_world.contents()}
    assert set(found) == {"INBOX", dovecot_world.first}
    recovered = recover(dovecot_world, seen, Move(dovecot_world.first), notes[-1])
    assert recovered.outcome in ("explained", "finished")
    assert where(dovecot_world)["Invoice 7"]


@pytest.mark.imap
def test_without_uidplus_a_mark_that_was_not_kept_takes_the_copy_back(dovecot_world: ImapWorld) -> None:
    _, seen = arrive(dovecot_world, "Invoice 7")
    before = list(dovecot_world.contents())
    refused = 0

    def first_mark_is_ignored(line: bytes) -> bytes:
        nonlocal refused
        changed = never_mark(line)
        if changed == line or refused:
            return line
        refused += 1
        return changed

    with through(dovecot_world, first_mark_is_ignored, hide=NEITHER) as connector, pytest.raises(ActionRefused):
        connector.apply(seen.ref, seen.identity, Move(dovecot_world.first), ignore)
    assert [lying for lying in dovecot_world.contents() if lying.folder == "INBOX"] == before
    dovecot_world.hands.imap.select(quoted(dovecot_world.first))
    assert dovecot_world.hands.imap.uid("SEARCH", "UNDELETED")[1] == [b""]  # marked: there is no way to expunge it


@pytest.mark.imap
@pytest.mark.parametrize("step", ["moving", "copying", "copied", "removing"])
@pytest.mark.parametrize("bumped", ["source", "target"])
def test_restarted_uids_in_the_middle_of_a_move_lose_and_double_nothing(
    dovecot: Dovecot, dovecot_world: ImapWorld, step: str, bumped: str
) -> None:
    """Killed at a step, and before the restart the administrator's repair gives the source or the target new UIDs."""
    world = dovecot_world
    dovecot_world.hands.put(make_mail("Older"), folder=world.first)
    _, seen = arrive(world, "Invoice 7")
    before = sorted((lying.subject, lying.content) for lying in world.contents())
    notes: list[Progress] = []

    def die(progress: Progress) -> None:
        notes.append(progress)
        if progress.step == step:
            raise Died

    with through(world, hide=() if step == "moving" else NO_MOVE) as connector, pytest.raises(Died):
        connector.apply(seen.ref, seen.identity, Move(world.first), die)
    folder = "INBOX" if bumped == "source" else world.first
    dovecot.doveadm("mailbox", "update", "-u", world.user, "--uid-validity", "2000000000", folder)
    recovered = recover(world, seen, Move(world.first), notes[-1])
    assert sorted((lying.subject, lying.content) for lying in world.contents()) == before
    expected = world.first if step in ("copied", "removing") else "INBOX"
    assert where(world)["Invoice 7"] == [expected]
    assert recovered.ref is not None
    assert recovered.ref.folder == expected


@pytest.mark.imap
def test_a_folder_that_opens_read_only_is_left_alone(user: str) -> None:
    with Dovecot(extra=RIGHTS) as server:
        for world in closing(ImapWorld(server, user)):
            world.hands.put(make_mail("Invoice 7"), folder=world.second)
            (seen,) = world.connector.newest(world.second, 5)
            before = list(world.contents())
            assert world.hands.imap._simple_command("SETACL", f'"{world.second}"', "owner", "lra")[0] == "OK"
            for action in (Move(world.first), Tag(add=frozenset({"$work"}))):
                world.connector.close()
                with pytest.raises(ActionRefused, match="read-only"):
                    world.connector.apply(seen.ref, seen.identity, action, ignore)
            assert list(world.contents()) == before


@pytest.mark.imap
@pytest.mark.parametrize("name", ["dovecot_world", "cyrus_world", "courier_world"])
def test_a_copy_that_lay_there_before_is_not_taken_for_ours(request: pytest.FixtureRequest, name: str) -> None:
    """A person keeps a copy in the target already; killed before the first command: two there were, two there are."""
    world: ImapWorld = request.getfixturevalue(name)
    _, seen = arrive(world, "Invoice 7")
    imap = world.hands.imap
    imap.select(quoted("INBOX"))
    assert imap.uid("COPY", str(seen.ref.uid), quoted(world.first))[0] == "OK"
    world.hands.leave()
    notes: list[Progress] = []
    with pytest.raises(Died):
        world.connector.apply(seen.ref, seen.identity, Move(world.first), stop_at_first(notes))
    assert recover(world, seen, Move(world.first), notes[-1]).outcome == "undone"
    assert sorted(where(world)["Invoice 7"]) == sorted(["INBOX", world.first])


@pytest.mark.imap
@pytest.mark.parametrize("name", ["dovecot_world", "cyrus_world", "courier_world"])
def test_two_daemons_that_move_one_message_at_the_same_moment_leave_one(
    request: pytest.FixtureRequest, name: str
) -> None:
    """Servers carry out MOVE as a copy and a removal: without more care a tenth to a half of these were doubled."""
    world: ImapWorld = request.getfixturevalue(name)
    daemons = (world.another(), world.another())
    for number in range(12):
        world.deliver(f"Invoice {number}")
        (seen,) = world.connector.newest("INBOX", 1)
        together = Barrier(2)

        def act(daemon: ImapConnector, seen: Sighting = seen, together: Barrier = together) -> None:
            noted = Progress("planned")

            def note(progress: Progress) -> None:
                nonlocal noted
                noted = progress
                if progress.step in ("moving", "copying"):
                    together.wait(10)

            try:
                daemon.apply(seen.ref, seen.identity, Move(world.first), note)
            except MessageGone:
                pass
            except (
                Unreachable,
                Unexplained,
            ):  # as daemon.passes.act: Courier hangs up, or hides what another just renamed
                daemon.recover(Unfinished(seen.ref, seen.identity, Move(world.first), noted))

        threads = [Thread(target=act, args=(daemon,)) for daemon in daemons]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = where(world)
    assert {subject: set(folders) for subject, folders in found.items()} == {
        f"Invoice {number}": {world.first} for number in range(12)
    }
    # Courier hides a message while another session renames its file, so a second copy can stay.
    doubled = sum(len(folders) > 1 for folders in found.values())
    assert doubled <= (2 if name == "courier_world" else 0)
