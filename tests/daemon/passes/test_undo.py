"""undo on real servers: by MOVE, by COPY and UID EXPUNGE, and of tags; cut short and taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import Unreachable
from daemon.passes.desk import Desk
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import Undone, undo
from tests.fakes import START
from tests.imap_desk import open_desk, pass_time
from tests.imap_fixtures import ImapWorld

pytestmark = pytest.mark.imap


@pytest.fixture(params=["dovecot_world", "courier_world"])
def world(request: pytest.FixtureRequest) -> ImapWorld:
    found: ImapWorld = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def desk(world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = open_desk(world, tmp_path, monkeypatch)
    yield desk
    desk.database.close()


def folders(world: ImapWorld) -> dict[str, str]:
    return {each.subject: each.folder for each in world.contents()}


def contents(world: ImapWorld) -> list[str]:
    return sorted(each.content for each in world.contents())


def test_undo_puts_back_what_nobody_touched_and_goes_on_after_it_was_cut_short(
    desk: Desk, world: ImapWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        world.deliver(f"order {number}")
    before = contents(world)
    pass_time(desk, minutes=3)
    assert set(folders(world).values()) == {world.second}
    world.move("order 0", world.first)
    pass_time(desk, minutes=11)
    world.hands.flag("order 1", "\\Flagged")
    assert undo(desk, START, None, dry_run=True) == Undone(2, 2)
    apply = desk.connector.apply

    def cut_short(*arguments: object) -> object:
        apply(*arguments)  # type: ignore[arg-type]
        raise Unreachable("office", "The line died after the server had moved it.")

    monkeypatch.setattr(desk.connector, "apply", cut_short)
    with pytest.raises(Unreachable):
        undo(desk, START, None, dry_run=False)
    monkeypatch.setattr(desk.connector, "apply", apply)
    assert one_pass(desk).recovered == 1
    assert undo(desk, START, "Orders", dry_run=False) == Undone(1, 2)
    pass_time(desk, days=1)
    assert folders(world) == {"order 0": world.first, "order 1": world.second, "order 2": "INBOX", "order 3": "INBOX"}
    assert len(contents(world)) == len(before)
    assert undo(desk, START, None, dry_run=False) == Undone(0, 2)


def test_undo_of_tags_takes_them_off(dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = open_desk(dovecot_world, tmp_path, monkeypatch, act_by="tag")
    dovecot_world.deliver("order 1")
    before = contents(dovecot_world)
    pass_time(desk, minutes=3)
    assert contents(dovecot_world) != before
    assert undo(desk, START, "Orders", dry_run=False) == Undone(1, 0)
    assert contents(dovecot_world) == before
    pass_time(desk, days=1)
    assert contents(dovecot_world) == before, "not tagged again"
    assert undo(desk, START, None, dry_run=False) == Undone(0, 0)
    desk.database.close()
