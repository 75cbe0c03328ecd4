"""One mailbox's server misbehaves, the other is a real Dovecot: what happens to the other, the watchdog and TERM."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imap_fixtures import ImapWorld
from tests.servers.hostile import HostileImap, dribbled
from tests.service_process import ServiceProcess, eventually

pytestmark = [pytest.mark.imap, pytest.mark.slow, pytest.mark.timeout(300)]

BAD = """
[[mailbox]]
name = "bad"
kind = "imap"
host = "127.0.0.1"
port = {port}
tls = "none"
user = "u"
credential = "office-imap"
timeout = "{timeout}"
"""
LONG = b"* OK " + 6000 * b"x" + b"\r\n{tag} OK done\r\n"
"""Dribbled, it takes twenty minutes."""
STOP_S = 90
"""TimeoutStopSec of the unit."""


@pytest.fixture
def slow() -> Iterator[HostileImap]:
    with HostileImap(b"UID SEARCH", dribbled(LONG)) as server:
        yield server


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path, slow: HostileImap) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        yield service


def begin(service: ServiceProcess, slow: HostileImap, timeout: str) -> None:
    with service.config.open("a") as config:
        config.write(BAD.format(port=slow.port, timeout=timeout))
    service.start()
    eventually(lambda: any(b"SEARCH" in command for command in slow.asked), "the slow answer has begun")


def test_a_server_that_dribbles_is_trouble_of_its_own_mailbox(
    service: ServiceProcess, slow: HostileImap, dovecot_world: ImapWorld
) -> None:
    begin(service, slow, "3s")
    eventually(lambda: service.status_of("bad")["trouble"] is not None, "the trouble is told", 90)
    assert "takes too long over one answer" in service.status_of("bad")["trouble"]
    service.hear("STATUS=1 of 2 mailboxes fine; trouble with bad")
    dovecot_world.deliver("for the good one")
    eventually(lambda: service.status_of("office")["messages"].get("left") == 1, "the other one is sorted")
    service.heard.clear()
    service.hear("WATCHDOG=1")
    assert service.status_of("office")["trouble"] is None


def test_term_ends_the_service_in_time_though_a_server_dribbles(service: ServiceProcess, slow: HostileImap) -> None:
    begin(service, slow, "600s")
    began = time.monotonic()
    assert service.process is not None
    service.process.terminate()
    assert service.process.wait(STOP_S) == 0
    took = time.monotonic() - began
    told = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    assert "Postroom ends" in str([event for event in told if event.get("mailbox") == "bad"]), took
    assert told[-1]["event"] == "stopped"
