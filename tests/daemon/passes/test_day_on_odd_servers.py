"""A small day at an office on each of four servers that read the standard their own way."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from connectors.imap.avoided import avoided_in
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import Undone, undo
from daemon.store import tables as t
from daemon.store.examine import cursor_of
from tests.contract import where
from tests.imap_desk import open_desk, pass_time
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import ok, quoted

pytestmark = [pytest.mark.imap]


@pytest.fixture(params=["greenmail", "james", "maddy", "imap4d"])
def world(request: pytest.FixtureRequest) -> ImapWorld:
    found = request.getfixturevalue(f"{request.param}_world")
    assert isinstance(found, ImapWorld)
    return found


def judged(desk: Desk) -> Counter[tuple[str, str]]:
    """What people did, as it was judged: (kind, folder)."""
    with desk.database.read() as tx:
        return Counter((row.kind, row.to_folder) for row in tx.execute(select(t.corrections)))


def test_a_day(world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        world.deliver(f"old {number}")
    desk = open_desk(world, tmp_path, monkeypatch)

    # What was filed is put back, and stays.
    world.deliver("order 1", message_id="<order1@example.org>")
    pass_time(desk, minutes=20)
    one_pass(desk)
    assert where(world)["order 1"] == [world.second]
    assert undo(desk, desk.clock() - timedelta(days=1), None, dry_run=False) == Undone(1, 0)
    pass_time(desk, minutes=20)
    assert where(world)["order 1"] == [world.inbox]

    # A person takes the newest mail of a folder away, and files one of the inbox.
    for subject in ("order 2", "lunch"):
        world.deliver(subject, message_id=f"<{subject.replace(' ', '')}@example.org>")
    pass_time(desk, minutes=20)
    one_pass(desk)
    found = where(world)
    assert (found["order 2"], found["lunch"]) == ([world.second], [world.inbox])
    assert judged(desk) == Counter()
    world.move("order 2", world.first)
    world.move("lunch", world.first)
    pass_time(desk, minutes=20)
    pass_time(desk, minutes=20)
    assert judged(desk) == Counter({("correction", world.first): 1, ("filing", world.first): 1})

    # A folder gets another name, and mail goes on to it.
    purchases = world.server.prefix + "Purchases"
    ok(world.hands.imap.rename(quoted(world.second), quoted(purchases)))
    list_folders(desk)
    world.deliver("order 3", message_id="<order3@example.org>")
    pass_time(desk, minutes=20)
    one_pass(desk)

    # The inbox becomes empty, and then one newer mail comes.
    kept = {subject for subject, folders in where(world).items() if world.inbox not in folders}
    for subject in where(world).keys() - kept:
        world.delete(subject)
    pass_time(desk, minutes=20)
    world.deliver("lunch again")
    pass_time(desk, minutes=20)
    found = where(world)
    assert found.keys() == kept | {"lunch again"}
    assert {len(folders) for folders in found.values()} == {1}
    with desk.database.read() as tx:
        states = dict(tx.execute(select(t.actions.c.state, func.count()).group_by(t.actions.c.state)).all())
    assert set(states) == {"done"}
    desk.database.close()

    # The emptied inbox broke James twice; whoever asks the next time knows.
    cursor = cursor_of(tmp_path / "postroom.sqlite", "office")
    assert cursor is not None
    assert set(avoided_in(cursor)) <= {"QRESYNC"}
    asked_later = world.another()
    asked_later.remember(cursor)
    told = " ".join(asked_later.capabilities().notes)
    assert all(word in told for word in avoided_in(cursor))
