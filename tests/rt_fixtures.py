"""Fixtures for Request Tracker: one real server a session, and a mailbox of its own for each test."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from connectors.base import Connector
from connectors.request_tracker.queues import RequestTrackerAccount, RequestTrackerConnector
from tests.contract import Lying
from tests.servers.rt import PASSWORDS, RequestTrackerServer

_serial = itertools.count(1)


class RtPerson:
    """Somebody who uses RT with a client of their own, by name and password."""

    def __init__(self, server: RequestTrackerServer, name: str) -> None:
        self.name = name
        # A server that was stopped and started again drops kept connections, so none are kept.
        self._client = httpx.Client(
            base_url=f"{server.url}/REST/2.0/",
            auth=(name, PASSWORDS[name]),
            trust_env=False,
            timeout=60,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self._client.request(method, path, **options)
        answer.raise_for_status()
        return answer.json()

    def create(self, queue: str, subject: str, **ticket: object) -> int:
        """A customer's mail becomes a ticket; its number."""
        content = {"Content": "The parts have come.", "ContentType": "text/plain", "Requestor": "ann@example.org"}
        made = self.ask("POST", "ticket", json={"Queue": queue, "Subject": subject, **content, **ticket})
        return int(made["id"])

    def change(self, ticket: int, **fields: object) -> None:
        self.ask("PUT", f"ticket/{ticket}", json=fields)

    def tickets(self, queues: Sequence[str]) -> list[dict[str, Any]]:
        """All tickets of these queues, as this person sees them."""
        query = " OR ".join(f"Queue = '{queue}'" for queue in queues)
        fields = {"fields": "Subject,Queue,Status,Created,Requestor,CustomFields", "fields[Queue]": "Name"}
        found = self.ask("GET", "tickets", params={"query": query, "orderby": "id", "per_page": 100, **fields})
        return list(found["items"])

    def close(self) -> None:
        self._client.close()


class RtWorld:
    """One RT queue as a mailbox, with two more to move to (tests/contract.py says what a world is)."""

    deletes = twins = True

    def __init__(self, server: RequestTrackerServer, agent: RtPerson, root: RtPerson) -> None:
        number = next(_serial)
        self.server, self.agent, self.root = server, agent, root
        self.inbox, self.first, self.second = f"Inbox {number}", f"Rückfragen {number}", f"Orders {number}"
        for queue in self.queues:
            root.ask("POST", "queue", json={"Name": queue})
        self.account = RequestTrackerAccount(
            name="support",
            url=server.url,
            secret=lambda: server.tokens["bot"],
            inbox=self.inbox,
            tag_field="Labels",
            ignore_users=frozenset({"Robot"}),
        )
        self._opened: list[Connector] = []
        self.connector: Connector = self.another()

    @property
    def queues(self) -> tuple[str, str, str]:
        return self.inbox, self.first, self.second

    def deliver(self, subject: str, body: str = "The parts have come.", message_id: str | None = "") -> None:
        self.agent.create(self.inbox, subject, Content=body)

    def move(self, subject: str, folder: str) -> None:
        self.agent.change(self.number(subject), Queue=folder)

    def delete(self, subject: str) -> None:
        self.agent.change(self.number(subject), Status="deleted")

    def answer(self, subject: str) -> None:
        self.agent.change(self.number(subject), Status="resolved")

    def contents(self) -> Sequence[Lying]:
        return [
            Lying(ticket["Queue"]["Name"], ticket["Subject"], self._content(ticket))
            for ticket in self.agent.tickets(self.queues)
        ]

    def _content(self, ticket: dict[str, Any]) -> str:
        texts = self.agent.ask("GET", f"ticket/{ticket['id']}/attachments", params={"fields": "Content,Headers"})
        people = sorted(person["id"] for person in ticket["Requestor"])
        tags = sorted((field["name"], sorted(field["values"])) for field in ticket["CustomFields"])
        bodies = [(part["Headers"], part["Content"]) for part in sorted(texts["items"], key=lambda one: int(one["id"]))]
        seen = (ticket["id"], ticket["Created"], ticket["Status"], people, tags, bodies)
        return hashlib.sha256(repr(seen).encode()).hexdigest()

    def another(self, **settings: Any) -> Connector:
        """One more connector to this mailbox; `settings` change the account."""
        connector = RequestTrackerConnector(replace(self.account, **settings))
        self._opened.append(connector)
        return connector

    def number(self, subject: str) -> int:
        (number,) = [int(one["id"]) for one in self.agent.tickets(self.queues) if one["Subject"] == subject]
        return number

    def close(self) -> None:
        for connector in self._opened:
            connector.close()


@pytest.fixture(scope="session")
def rt_server() -> Iterator[RequestTrackerServer]:
    """A running RT. It fails, and never skips, when RT was not fetched."""
    with RequestTrackerServer() as server:
        yield server


@pytest.fixture(scope="session")
def rt_people(rt_server: RequestTrackerServer) -> Iterator[dict[str, RtPerson]]:
    """Clients of root, agent and robot."""
    people = {name: RtPerson(rt_server, name) for name in ("root", "agent", "robot")}
    yield people
    for person in people.values():
        person.close()


@pytest.fixture
def rt_world(rt_server: RequestTrackerServer, rt_people: dict[str, RtPerson]) -> Iterator[RtWorld]:
    """An empty mailbox in RT."""
    world = RtWorld(rt_server, rt_people["agent"], rt_people["root"])
    yield world
    world.close()
