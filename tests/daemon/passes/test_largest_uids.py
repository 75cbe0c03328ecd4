"""The largest UID and UIDVALIDITY that IMAP allows: 32 bits without a sign (RFC 9051 section 2.3.1.1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import BigInteger, select
from sqlalchemy.dialects import postgresql

from connectors.base import Identity, MessageRef, Sighting
from daemon.store import mailboxes, messages
from daemon.store.database import Database
from daemon.store.tables import actions, metadata, sightings
from tests.fakes import START
from tests.imap_desk import open_desk, pass_time
from tests.imap_fixtures import ImapWorld
from tests.servers.dovecot import Dovecot

LARGEST = 4_294_967_295


def test_every_column_for_such_a_number_has_room_for_it() -> None:
    wanted = {"uid", "epoch", "from_uid", "from_epoch", "to_uid", "to_epoch"}
    found = {
        f"{table.name}.{column.name}": column.type
        for table in metadata.tables.values()
        for column in table.columns
        if column.name in wanted and not (table.name == "categories" and column.name == "uid")  # a text of our own
    }
    assert len(found) == 9
    assert all(isinstance(kind, BigInteger) for kind in found.values()), found
    assert {kind.compile(postgresql.dialect()) for kind in found.values()} == {"BIGINT"}


def test_it_goes_into_the_database_and_comes_out(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "postroom.sqlite")
    ref = MessageRef("INBOX", LARGEST, LARGEST)
    with database.begin() as tx:
        office = mailboxes.ensure(tx, "office", "imap", "live", START).id
        message = messages.add(tx, office, Sighting(ref, Identity(None, "<7@example.org>", "d")), "new", START, None)
        messages.add_sighting(tx, office, message, ref, START, ours=False, who=None, judged=True)
    with database.read() as tx:
        found = messages.sighting_at(tx, office, ref)
        assert found is not None
        assert found.ref == ref
        assert messages.known_uids(tx, office, ["INBOX"]) == {"INBOX": frozenset({LARGEST})}
    database.close()


@pytest.mark.imap
def test_a_pass_sorts_and_learns_by_it(
    dovecot: Dovecot, dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dovecot keeps the very last UID for itself, so mail gets the ones before it."""
    world = dovecot_world
    for folder in ("INBOX", world.first, world.second):
        dovecot.doveadm(
            *("mailbox", "update", "-u", world.user),
            *("--uid-validity", str(LARGEST), "--min-next-uid", str(LARGEST - 5), folder),
        )
    desk = open_desk(world, tmp_path, monkeypatch, sorting={"act_after": "0s", "settle": "1s"})
    world.deliver("order 7", message_id="<7@example.org>")
    pass_time(desk, minutes=3)
    assert world.folders_of("order 7") == [world.second]
    with desk.database.read() as tx:
        [done] = tx.execute(select(actions)).all()
        assert (done.state, done.from_epoch, done.to_epoch) == ("done", LARGEST, LARGEST)
        assert min(done.from_uid, done.to_uid) >= LARGEST - 5
    world.move("order 7", world.first)  # a person, whose move is heard of and teaches
    pass_time(desk, minutes=3)
    pass_time(desk, minutes=3)
    with desk.database.read() as tx:
        assert mailboxes.get(tx, desk.mailbox_id).trouble is None
        places = tx.execute(select(sightings.c.folder, sightings.c.uid).where(sightings.c.gone.is_(None))).all()
        [(folder, uid)] = places
        assert folder == world.first
        assert uid >= LARGEST - 5
    desk.database.close()
