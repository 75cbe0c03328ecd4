"""A real bulk move on a real server, by one UID MOVE as mail programs send it; and near copies that must not follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.model.memory import LessonMemory
from daemon.passes.desk import Desk
from daemon.passes.one_pass import one_pass
from daemon.store import batches, learning, messages
from tests.imap_desk import open_desk, pass_time
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail, ok, quoted

pytestmark = pytest.mark.imap

MANY = 40
WORDS = (
    "Dear all, please find the minutes of our meeting about the new roof, the old fence and the garden below. We shall "
    "meet again in two weeks, as always in the hall behind the church, and talk about the bench at the pond."
)


@pytest.fixture
def desk(dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = open_desk(dovecot_world, tmp_path, monkeypatch, sorting={"max_moves_per_minute": 10000})
    for number in range(MANY):
        deliver(dovecot_world, f"note {number}")
    pass_time(desk, minutes=3)
    yield desk
    desk.database.close()


def deliver(world: ImapWorld, subject: str) -> None:
    world.hands.put(make_mail(subject, f"{WORDS} {subject}"))


def drag_all(world: ImapWorld, source: str, folder: str) -> None:
    """Everything in one go."""
    ok(world.hands.imap.select(quoted(source)))
    ok(world.hands.imap._simple_command("UID", "MOVE", "1:*", quoted(folder)))
    world.hands.leave()


def lessons(desk: Desk) -> int:
    with desk.database.read() as tx:
        return sum(learning.lesson_counts(tx, desk.mailbox_id).values())


def where_near_copies_go(desk: Desk, world: ImapWorld, name: str) -> set[str]:
    subjects = [f"{name} {number}" for number in range(5)]
    for subject in subjects:
        deliver(world, subject)
    pass_time(desk, minutes=3)
    with desk.database.read() as tx:
        assert "placed" not in messages.counts(tx, desk.mailbox_id), "as they were delivered"
    return {folder for subject in subjects for folder in world.folders_of(subject)}


def test_nothing_follows_a_bulk_move_until_it_is_accepted(desk: Desk, dovecot_world: ImapWorld) -> None:
    drag_all(dovecot_world, "INBOX", dovecot_world.second)
    pass_time(desk, minutes=11)
    assert lessons(desk) == 0
    assert where_near_copies_go(desk, dovecot_world, "soon") == {"INBOX"}
    # A service that begins anew knows no more than the database.
    again = replace(desk, memory=LessonMemory(), looked=None, seen_until=None, folders_listed=None, believed=None)
    one_pass(again)
    with desk.database.begin() as tx:
        [batch] = batches.batches(tx, desk.mailbox_id)
        assert (batch.members, batch.lying, batch.folder) == (MANY, MANY, dovecot_world.second)
        assert batches.accept(tx, desk.mailbox_id, batch.id, desk.clock(), "a person said so") == MANY
    assert lessons(desk) == MANY
    assert where_near_copies_go(again, dovecot_world, "later") == {dovecot_world.second}


def test_void_and_dragged_back_leave_nothing_behind(desk: Desk, dovecot_world: ImapWorld) -> None:
    drag_all(dovecot_world, "INBOX", dovecot_world.second)
    pass_time(desk, minutes=11)
    drag_all(dovecot_world, dovecot_world.second, dovecot_world.first)
    pass_time(desk, minutes=11)
    with desk.database.begin() as tx:
        assert [batch.outcome for batch in batches.batches(tx, desk.mailbox_id, waiting=False)] == ["taken back", None]
        [batch] = batches.batches(tx, desk.mailbox_id)
        assert batch.sources == {dovecot_world.second: MANY}
        assert batches.void(tx, desk.mailbox_id, batch.id, desk.clock(), "a person said so") == MANY
    assert where_near_copies_go(desk, dovecot_world, "soon") == {"INBOX"}
    drag_all(dovecot_world, dovecot_world.first, "INBOX")
    pass_time(desk, minutes=11)
    assert lessons(desk) == 0
    assert set().union(*(dovecot_world.folders_of(f"note {number}") for number in range(3))) == {"INBOX"}
