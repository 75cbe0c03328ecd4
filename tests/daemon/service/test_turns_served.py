"""The service at a server that takes fewer connections than there are mailboxes: they take turns, and people hear."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from connectors.errors import LoginRefused, TooManyConnections
from daemon.passes.one_pass import Pass
from daemon.service import looks as served
from daemon.store import mailboxes
from tests.daemon.service.test_service_many import NOTHING, Office, job, make, said  # noqa: F401

ADMITS = 2


class Server:
    """Takes so many connections; a look opens one, and keeps it until the connector is closed."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connected: set[str] = set()
        self.admits = ADMITS
        monkeypatch.setattr(served, "one_pass", self.one_pass)
        for desk in office.desks:
            monkeypatch.setattr(desk.connector, "close", partial(self.connected.discard, desk.settings.name))

    def one_pass(self, desk: Any) -> Pass:
        name = desk.settings.name
        if name not in self.connected and len(self.connected) >= self.admits:
            raise TooManyConnections(name, "The server takes no more connections now: a limit of its own is reached.")
        self.connected.add(name)
        return NOTHING


@pytest.fixture
def office(make: Callable[..., Office]) -> Office:  # noqa: F811
    return make(count=4)


def is_due(office: Office, number: int) -> bool:
    """Was it planned for a moment from now?"""
    return bool(job(office, number).next_run_time - datetime.now(UTC) < timedelta(seconds=5))


def known(office: Office, number: int) -> Any:
    with office.mailroom.database.read() as tx:
        return mailboxes.get(tx, office.desks[number].mailbox_id)


def test_who_rests_longest_gives_way_to_who_was_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(office, monkeypatch)
    for number in range(4):
        job(office, number).modify(next_run_time=datetime.now(UTC) + timedelta(minutes=1))
    office.look(0)
    office.look(1)
    office.look(2)
    assert [is_due(office, number) for number in range(4)] == [True, False, False, False], "the first is asked to leave"
    assert "takes no more connections" in known(office, 2).trouble
    office.look(0)
    assert server.connected == {"box1"}
    assert is_due(office, 2)
    office.look(2)
    assert server.connected == {"box1", "box2"}
    assert office.service.rounds["box2"].failures == 0
    assert known(office, 2).turns.startswith("the server takes 2 connections of ours at a time")
    office.look(3)
    assert office.service.rounds["box3"].failures == 0, "it waits in line and is not refused"
    assert is_due(office, 1)
    office.look(1)
    office.look(3)
    assert server.connected == {"box2", "box3"}


def test_a_mailbox_that_needs_a_person_is_not_looked_at_for_others(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(office, monkeypatch)
    office.look(0)
    monkeypatch.setattr(served, "one_pass", lambda _: (_ for _ in ()).throw(LoginRefused("box1", "Refused.")))
    office.look(1)
    monkeypatch.setattr(served, "one_pass", server.one_pass)
    server.admits = 1
    office.look(2)
    assert job(office, 1).next_run_time is None


def test_what_was_noted_is_taken_back_once_the_limit_is_gone(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    with office.mailroom.database.begin() as tx:
        mailboxes.set_turns(tx, office.desks[0].mailbox_id, "the server takes 2 connections")
    office.plan()
    Server(office, monkeypatch)
    assert known(office, 0).turns is not None
    office.look(0)
    assert known(office, 0).turns is None
