"""IMAP passes what every connector passes, on nine servers that differ in all that matters."""

from __future__ import annotations

import pytest

from connectors.base import Identity, Move, Progress
from connectors.imap.sightings import same_message
from tests.contract import ConnectorTests, World, arrive, recover, watch
from tests.imap_fixtures import ImapWorld


@pytest.mark.imap
class TestDovecot(ConnectorTests):
    """MOVE, LIST-STATUS, CONDSTORE, X-GUID."""

    @pytest.fixture
    def world(self, dovecot_world: ImapWorld) -> World:
        return dovecot_world


@pytest.mark.imap
class TestCyrus(ConnectorTests):
    """MOVE, LIST-STATUS, CONDSTORE, OBJECTID."""

    @pytest.fixture
    def world(self, cyrus_world: ImapWorld) -> World:
        return cyrus_world


@pytest.mark.imap
class TestCourier(ConnectorTests):
    """UIDPLUS without MOVE, folders under INBOX, no id but Message-ID and digest."""

    @pytest.fixture
    def world(self, courier_world: ImapWorld) -> World:
        return courier_world


@pytest.mark.imap
class TestGreenMail(ConnectorTests):
    """MOVE and UIDPLUS, nothing that tells changes; no blank before a literal."""

    @pytest.fixture
    def world(self, greenmail_world: ImapWorld) -> World:
        return greenmail_world


@pytest.mark.imap
class TestJames(ConnectorTests):
    """MOVE, LIST-STATUS, OBJECTID, a QRESYNC that says too little, BAD for what is gone."""

    @pytest.fixture
    def world(self, james_world: ImapWorld) -> World:
        return james_world


@pytest.mark.imap
class TestMaddy(ConnectorTests):
    """MOVE without COPYUID, searches that leave something out."""

    @pytest.fixture
    def world(self, maddy_world: ImapWorld) -> World:
        return maddy_world


@pytest.mark.imap
class TestImap4d(ConnectorTests):
    """Neither MOVE nor UIDPLUS, sets with "*" that find nothing, sizes that differ from folder to folder."""

    @pytest.fixture
    def world(self, imap4d_world: ImapWorld) -> World:
        return imap4d_world

    def test_a_deleted_mail_vanishes(self, world: World) -> None:
        """The UIDs of an empty folder restart, so one mail stays."""
        world.deliver("stays")
        (stays,) = world.connector.newest(world.inbox, 5)
        cursor, seen = arrive(world, "Invoice 7")
        world.delete("Invoice 7")
        changes = world.connector.changes(cursor, watch(world, arrived=(stays, seen)))
        assert (changes.vanished, changes.arrived) == ((seen.ref,), ())

    def check_identity(self, now: Identity, then: Identity) -> None:
        """The size that it tells counts its own numbers in the header, and the digest counts the size."""
        assert same_message(now, then)

    def test_a_move_that_happened_is_found_done_from_every_note(self, world: World) -> None:
        """A marked original may have been marked by anybody, so recovery marks it once more: finished, and not done."""
        _, seen = arrive(world, "Invoice 7")
        notes: list[Progress] = []
        ref = world.connector.apply(seen.ref, seen.identity, Move(world.first), notes.append)
        after = sorted(world.contents())
        for progress in (notes[0], notes[-1]):
            recovered = recover(world, seen, Move(world.first), progress)
            assert (recovered.outcome, recovered.ref) == ("finished", ref)
            assert sorted(world.contents()) == after


@pytest.mark.imap
class TestGmail(ConnectorTests):
    """X-GM-EXT-1: a folder is a label, X-GM-MSGID, All Mail."""

    @pytest.fixture
    def world(self, gmail_world: ImapWorld) -> World:
        gmail_world.hands.create("postroom-invoice")  # a label is a folder, and we make none
        return gmail_world


class TestPymap(ConnectorTests):
    """MOVE and OBJECTID, no keywords, no LIST-STATUS: the server of the demo."""

    @pytest.fixture
    def world(self, pymap_world: ImapWorld) -> World:
        return pymap_world
