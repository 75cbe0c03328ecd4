"""IMAP passes what every connector passes, on five servers that differ in all that matters."""

from __future__ import annotations

import pytest

from tests.contract import ConnectorTests, World
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
