"""What systemd hears from us, on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.service.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """systemd's end of the line, and the environment that it gives to a service."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@postroom-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        listener.settimeout(5)
        yield listener, {"NOTIFY_SOCKET": name}


def test_every_word_arrives_as_one_datagram(systemd: tuple[socket.socket, dict[str, str]]) -> None:
    listener, environ = systemd
    notifier = Notifier(environ)
    notifier.ready()
    notifier.status("41 sorted,\n2 left")
    notifier.watchdog()
    notifier.reloading()
    notifier.stopping()
    heard = [listener.recv(4096).decode() for _ in range(5)]
    assert heard[:3] == ["READY=1", "STATUS=41 sorted, 2 left", "WATCHDOG=1"]
    assert heard[3].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[4] == "STOPPING=1"


@pytest.mark.parametrize(
    "environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "relative"}]
)
def test_without_a_listener_nothing_happens(environ: dict[str, str]) -> None:
    notifier = Notifier(environ)
    notifier.ready()
    notifier.status("alone")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_signs_of_life_come_twice_as_often_as_asked_for(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ).watchdog_interval() == seconds
