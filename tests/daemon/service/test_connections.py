"""Connections that die without a word, servers that stall, refused logins: the real service on a real Dovecot."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from connectors.base import LISTENING_S
from connectors.imap.account import keep_alive
from tests.imap_fixtures import ImapWorld
from tests.servers.dovecot import Dovecot
from tests.service_process import ServiceProcess, eventually
from tests.silent_line import SilentLine

pytestmark = pytest.mark.imap

SECOND = """
[[mailbox]]
name = "second"
mode = "live"
host = "127.0.0.1"
port = {port}
tls = "none"
user = "{user}"
credential = "office-imap"
"""


def test_idle_is_shorter_than_what_routers_remember_and_the_kernel_looks_after_the_line() -> None:
    assert LISTENING_S < 9 * 60
    with socket.socket() as connection:
        keep_alive(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, every, count = (
            connection.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
    assert idle + every * count <= 120


def test_server_that_vanishes_without_a_word_is_noticed_and_mail_is_found(
    dovecot_world: ImapWorld, tmp_path: Path
) -> None:
    with (
        SilentLine(dovecot_world.server.port) as line,
        ServiceProcess(tmp_path, line.port, dovecot_world.user, mailbox='timeout = "2s"') as service,
    ):
        service.start()
        eventually(lambda: service.status()["polled"] is not None, "the first look")
        line.fall_silent()
        dovecot_world.deliver("after the silence")
        eventually(lambda: service.status()["messages"].get("left") == 1, "the message was found by a new connection")
        assert line.logins == 2


def test_mailbox_behind_a_stalled_line_does_not_make_another_wait(
    dovecot: Dovecot, dovecot_world: ImapWorld, tmp_path: Path
) -> None:
    second = SECOND.format(port=dovecot.port, user=dovecot_world.user)
    with (
        SilentLine(dovecot.port, silent=True) as line,
        ServiceProcess(tmp_path, line.port, "nobody-comes", mailbox=second) as service,
    ):
        service.start()

        def status() -> dict[str, dict[str, object]]:
            return {each["name"]: each for each in service.ask("status", fine=(0, 3, 4))["mailboxes"]}

        eventually(lambda: status()["second"]["polled"] is not None, "the first look of the other mailbox")
        dovecot_world.deliver("in time")
        eventually(lambda: status()["second"]["messages"] == {"left": 1}, "the message was decided on")
        assert (status()["office"]["polled"], status()["office"]["trouble"]) == (None, None), "it still hangs"


def test_refused_login_is_tried_once_and_once_more_when_a_person_asks(dovecot_world: ImapWorld, tmp_path: Path) -> None:
    with (
        SilentLine(dovecot_world.server.port) as line,
        ServiceProcess(tmp_path, line.port, dovecot_world.user) as service,
    ):
        service.set_password("wrong")
        process = service.start()
        eventually(lambda: "needs-person" in service.log.read_text(), "the refusal")
        time.sleep(4)  # four polls
        assert line.logins == 1
        assert service.status()["trouble"]
        process.send_signal(signal.SIGHUP)
        eventually(lambda: service.log.read_text().count("needs-person") == 2, "the second refusal")
        time.sleep(3)
        assert line.logins == 2
