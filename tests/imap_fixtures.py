"""Fixtures for the IMAP servers: one of each for the whole run, a user of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Protocol

import pytest

from connectors.base import Connector
from connectors.imap.account import ImapAccount
from connectors.imap.mailbox import ImapConnector
from tests.contract import Lying
from tests.servers.courier import Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.gmail import Gmail
from tests.servers.greenmail import GreenMail
from tests.servers.hands import Hands, make_mail
from tests.servers.imap4d import Imap4d
from tests.servers.james import James
from tests.servers.maddy import Maddy
from tests.servers.private import PASSWORD
from tests.servers.pymap import Pymap

_users = count(1)


class ImapServer(Protocol):
    """What a test needs of a private server."""

    name: str
    port: int
    separator: str
    prefix: str


class ImapWorld:
    """One user's mailbox, from both sides."""

    deletes = twins = True
    inbox = "INBOX"

    def __init__(self, server: ImapServer, user: str) -> None:
        self.server, self.user = server, user
        if isinstance(server, James):
            server.admit(user)
        self.first, self.second = server.prefix + "Büro & Straße", server.prefix + "Orders"
        self.hands = Hands(server.port, user)
        for folder in (self.first, self.second):
            self.hands.create(folder)
        self.opened: list[ImapConnector] = []
        self.connector: Connector = self.another()

    def account(self, **changes: Any) -> ImapAccount:
        """The account of this user, over plain loopback."""
        values: dict[str, Any] = {
            "name": "office",
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": self.user,
            "secret": lambda: PASSWORD,
            "tls": "none",
            "timeout": 20.0,
        }
        return ImapAccount(**{**values, **changes})

    def another(self, **changes: Any) -> ImapConnector:
        connector = ImapConnector(self.account(**changes), settle=0.0)
        self.opened.append(connector)
        return connector

    def deliver(self, subject: str, body: str = "The parts have come.", message_id: str | None = "") -> None:
        self.hands.put(make_mail(subject, body, message_id))

    def move(self, subject: str, folder: str) -> None:
        self.hands.move(subject, folder)

    def delete(self, subject: str) -> None:
        self.hands.delete(subject)

    def answer(self, subject: str) -> None:
        self.hands.flag(subject, "\\Answered")

    def contents(self) -> Sequence[Lying]:
        return [lying for _, _, lying in self.look()]

    def folders_of(self, subject: str) -> list[str]:
        """Where mail of this subject lies; perhaps nowhere while it moves, for a look goes from folder to folder."""
        return [lying.folder for lying in self.contents() if lying.subject == subject]

    def look(self) -> Sequence[tuple[str, str, Lying]]:
        """(folder, UID, message) of all that lies anywhere."""
        return self.hands.look()

    def close(self) -> None:
        for connector in self.opened:
            connector.close()
        self.hands.close()


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    with Dovecot() as server:
        yield server


@pytest.fixture(scope="session")
def cyrus() -> Iterator[Cyrus]:
    with Cyrus() as server:
        yield server


@pytest.fixture(scope="session")
def courier() -> Iterator[Courier]:
    with Courier() as server:
        yield server


@pytest.fixture(scope="session")
def greenmail() -> Iterator[GreenMail]:
    with GreenMail() as server:
        yield server


@pytest.fixture(scope="session")
def james() -> Iterator[James]:
    with James() as server:
        yield server


@pytest.fixture(scope="session")
def maddy() -> Iterator[Maddy]:
    with Maddy() as server:
        yield server


@pytest.fixture(scope="session")
def imap4d() -> Iterator[Imap4d]:
    with Imap4d() as server:
        yield server


@pytest.fixture
def user() -> str:
    """A user name that no other test has: its mailbox is new."""
    return f"user{next(_users)}"


@pytest.fixture
def dovecot_world(dovecot: Dovecot, user: str) -> Iterator[ImapWorld]:
    yield from closing(ImapWorld(dovecot, user))


@pytest.fixture
def cyrus_world(cyrus: Cyrus, user: str) -> Iterator[ImapWorld]:
    yield from closing(ImapWorld(cyrus, user))


@pytest.fixture
def courier_world(courier: Courier, user: str) -> Iterator[ImapWorld]:
    yield from closing(ImapWorld(courier, user))


@pytest.fixture
def greenmail_world(greenmail: GreenMail, user: str) -> Iterator[ImapWorld]:
    yield from closing(ImapWorld(greenmail, user))


@pytest.fixture
def james_world(james: James, user: str) -> Iterator[ImapWorld]:
    yield from closing(ImapWorld(james, user))


@pytest.fixture
def maddy_world(maddy: Maddy, user: str) -> Iterator[ImapWorld]:
    yield from closing(ImapWorld(maddy, user))


@pytest.fixture
def imap4d_world(imap4d: Imap4d, user: str) -> Iterator[ImapWorld]:
    world = ImapWorld(imap4d, user)
    world.hands.shows_marked = False
    yield from closing(world)


@pytest.fixture
def pymap_world(user: str) -> Iterator[ImapWorld]:
    with Pymap(user) as server:
        yield from closing(ImapWorld(server, user))


class GmailWorld(ImapWorld):
    """A mailbox at Gmail: All Mail shows every message once more, which is no second copy."""

    def look(self) -> Sequence[tuple[str, str, Lying]]:
        return [found for found in super().look() if found[0] != "[Gmail]/All Mail"]


@pytest.fixture
def gmail_world(user: str) -> Iterator[ImapWorld]:
    with Gmail(user) as server:
        yield from closing(GmailWorld(server, user))


def closing(world: ImapWorld) -> Iterator[ImapWorld]:
    yield world
    world.close()
