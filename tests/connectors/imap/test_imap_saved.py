"""When a message came into its folder: what INTERNALDATE does not tell, a server with SAVEDATE does (RFC 8514)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import MessageRef
from connectors.imap.sightings import sighting
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import ARRIVED, make_mail

HEADER = b"Message-ID: <a@b>\r\n\r\n"


@pytest.mark.imap
@pytest.mark.parametrize("server", ["dovecot", "cyrus", "courier"])
def test_a_move_is_dated_where_the_server_does_so(server: str, request: pytest.FixtureRequest) -> None:
    world: ImapWorld = request.getfixturevalue(f"{server}_world")
    world.hands.put(make_mail("old mail"), arrived=ARRIVED)
    world.move("old mail", world.second)
    [seen] = world.connector.newest(world.second, 10)
    assert seen.arrived == ARRIVED
    if "SAVEDATE" not in world.hands.capabilities():
        assert seen.saved is None
        assert server == "courier"
        return
    assert seen.saved is not None
    assert abs(datetime.now(UTC) - seen.saved) < timedelta(minutes=10)


@pytest.mark.parametrize(
    ("told", "saved"),
    [
        (b"29-Nov-2026 20:02:52 +0100", datetime(2026, 11, 29, 19, 2, 52, tzinfo=UTC)),
        (b" 1-Nov-2026 20:02:52 +0000", datetime(2026, 11, 1, 20, 2, 52, tzinfo=UTC)),
        (None, None),
        (b"29-Nov-2026 20:02:52", None),
        (b"99-Foo-2026", None),
        (7, None),
        ((b"x",), None),
    ],
)
def test_what_cannot_be_read_is_no_date(told: object, saved: datetime | None) -> None:
    fetched = {b"BODY[HEADER.FIELDS (MESSAGE-ID)]": HEADER, b"RFC822.SIZE": 7, b"SAVEDATE": told}
    found = sighting(MessageRef("INBOX", 1, 1), fetched, None)
    assert found is not None
    assert found.saved == saved
