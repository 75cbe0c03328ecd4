"""Nobody outside hears of the mail: a whole service and its training turn to the mail server and to nobody else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from daemon.model.base_file import BaseFile
from tests.own_network import NAME_SERVER, watched

ALONE = [sys.executable, "-c"]


@pytest.mark.parametrize(
    ("attempt", "peer"),
    [
        ("import socket; socket.create_connection(('192.0.2.7', 443), 0.3)", "tcp 192.0.2.7 443"),
        ("import socket; socket.create_connection(('2001:db8::7', 443), 0.3)", "tcp 2001:db8::7 443"),
        ("import socket; socket.getaddrinfo('telemetry.example', 443)", f"udp {NAME_SERVER} 53"),
        ("import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.8', 99))", "udp 192.0.2.8 99"),
        (
            "import subprocess; subprocess.run(['timeout', '0.3', 'bash', '-c', 'echo > /dev/tcp/192.0.2.9/80'])",
            "tcp 192.0.2.9 80",
        ),
        ("import socket; socket.create_connection(('127.0.0.1', 9), 0.3)", "tcp 127.0.0.1 9"),
    ],
)
def test_the_watcher_sees_whoever_tries_to_reach_anybody(attempt: str, peer: str) -> None:
    found = watched([*ALONE, attempt], timeout=60)
    assert peer in found.peers
    assert found.missed == 0


def test_whoever_stays_at_home_is_seen_to_speak_to_nobody() -> None:
    found = watched([*ALONE, "print('quiet')"], timeout=60)
    assert (found.code, found.peers, found.missed) == (0, set(), 0)


@pytest.mark.imap
@pytest.mark.model
@pytest.mark.timeout(900)
def test_a_service_that_sorts_and_trains_speaks_to_its_mail_server_and_to_nobody_else(
    tmp_path: Path, tiny_base: BaseFile
) -> None:
    life = [sys.executable, "-m", "tests.life_at_home", str(tmp_path), str(tiny_base.path)]
    # What a user may have set to keep libraries quiet must not be what keeps them quiet here.
    loud = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"), "")
    found = watched(life, timeout=800, **loud)
    assert found.code == 0, (tmp_path / "service.log").read_text()
    told = json.loads((tmp_path / "life.json").read_text())
    assert told["training"] == "promoted"
    assert told["model"]
    assert found.missed == 0
    assert found.peers == {f"tcp 127.0.0.1 {told['port']}"}


@pytest.mark.parametrize("host", ["192.0.2.10", None], ids=["with a host", "without one"])
def test_init_turns_to_the_host_that_was_said_and_asks_nobody_about_it(tmp_path: Path, host: str | None) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open-sesame")
    init = [sys.executable, "-m", "daemon.cli", "--config", str(tmp_path / "config.toml"), "init", "--yes"]
    said = ["--user", "office@example.org", "--password-file", str(secret), "--state-dir", str(tmp_path / "state")]
    found = watched([*init, *said, *(["--host", host] if host else ["--preset", "imap"])], timeout=120)
    assert found.code != 0
    assert found.peers == ({f"tcp {host} 993"} if host else set())
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
