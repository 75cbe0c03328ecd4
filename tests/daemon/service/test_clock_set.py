"""The clock of the machine is set while the service runs: it goes on as if nothing had happened, but for the nights."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.imap_fixtures import ImapWorld
from tests.servers.otherclock import OtherClock
from tests.service_process import ServiceProcess, eventually

pytestmark = [pytest.mark.imap, pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = ("hours", 2), ("hours", 0), ("days", 3), ("days", 0), ("days", 400), ("days", -3000), ("days", 0)
"""One after the other: each but the first also puts back or forward what the one before did."""


@pytest.fixture
def clock(tmp_path: Path) -> OtherClock:
    return OtherClock(tmp_path)


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path, clock: OtherClock) -> Iterator[ServiceProcess]:
    server = dovecot_world.server
    # No hints: what is looked at is looked at because a poll was due.
    with ServiceProcess(tmp_path, server.port, dovecot_world.user, sorting='act_after = "3s"') as service:
        text = service.config.read_text().replace('act_after = "0s"\n', "").replace("00:00-00:01", "00:00-00:00")
        service.config.write_text(text)
        service.start(**clock.environment)
        eventually(lambda: service.passes() > 0, "the first look")
        yield service
        assert service.stop() == 0


def events(service: ServiceProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]


def left(service: ServiceProcess) -> int:
    """How many messages it has decided about."""
    return sum(event.get("left", 0) for event in events(service))


def rows(service: ServiceProcess, query: str) -> list[tuple[Any, ...]]:
    """What its database says. No command of ours: they have the right clock."""
    database = sqlite3.connect(f"file:{service.state / 'postroom.sqlite'}?mode=ro", uri=True)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_mailboxes_are_looked_at_whatever_the_clock_is_set_to(
    service: ServiceProcess, dovecot_world: ImapWorld, clock: OtherClock
) -> None:
    for unit, ahead in SETTINGS:
        before = service.passes()
        clock.ahead(**{unit: ahead})
        eventually(lambda n=before + 3: service.passes() >= n, f"looks, at {unit} {ahead}", 90)  # type: ignore[misc]
        service.heard.clear()
        service.hear("WATCHDOG=1")
    dovecot_world.deliver("when the clock is right again")
    eventually(lambda: left(service) == 1, "it is sorted", 90)
    assert not [event for event in events(service) if event["event"] in ("bug", "stuck", "hangs")]


@pytest.mark.parametrize("after", [0.0, 7.0], ids=["a moment", "some seconds"])
def test_a_clock_that_is_wrong_for_a_moment_only_costs_nothing(
    service: ServiceProcess, clock: OtherClock, after: float
) -> None:
    """A look was planned by it, and nobody else has seen it."""
    for days in (1, 400):
        before = service.passes()
        clock.ahead(days=days)
        eventually(lambda n=before + 1: service.passes() >= n, "a look by the wrong clock", 90)  # type: ignore[misc]
        time.sleep(after)
        clock.ahead()
        before = service.passes()
        eventually(lambda n=before + 3: service.passes() >= n, "looks by the right one", 90)  # type: ignore[misc]


def test_mail_that_waits_when_the_clock_is_put_back_waits_no_longer_for_that(
    service: ServiceProcess, dovecot_world: ImapWorld, clock: OtherClock
) -> None:
    clock.ahead(hours=1)
    dovecot_world.deliver("to be sorted in three seconds")
    eventually(lambda: bool(rows(service, "SELECT id FROM messages WHERE state = 'new'")), "it waits", 90)
    clock.ahead()
    eventually(lambda: left(service) == 1, "it is sorted", 90)


def test_nights_come_with_the_days_of_the_clock_and_none_is_lost_when_it_is_put_right(
    service: ServiceProcess, clock: OtherClock
) -> None:
    for number, days in enumerate((0, 3, 400, 1, 2), start=1):  # the last two: after a clock that was a year ahead
        clock.ahead(days=days)
        eventually(lambda n=number: len(nights(service)) >= n, f"a night, {days} days ahead", 90)  # type: ignore[misc]
    assert len(nights(service)) == 5, "one each"


def nights(service: ServiceProcess) -> set[str]:
    """When trainings began."""
    return {row[0] for row in rows(service, "SELECT started FROM training_runs")}
