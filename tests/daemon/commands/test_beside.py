"""Two commands of a person at once, and a command that is ended in the middle; real processes, on a real Dovecot."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imap_fixtures import ImapWorld
from tests.service_process import ServiceProcess, eventually
from tests.silent_line import SilentLine

pytestmark = pytest.mark.imap


@pytest.fixture(params=[{"silent": True}, {"until": b" LIST "}], ids=["no greeting", "signed in"])
def line(dovecot_world: ImapWorld, request: pytest.FixtureRequest) -> Iterator[SilentLine]:
    with SilentLine(dovecot_world.server.port, **request.param) as line:
        yield line


@pytest.fixture
def service(dovecot_world: ImapWorld, line: SilentLine, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, line.port, dovecot_world.user) as service:
        yield service


@pytest.fixture
def learn(service: ServiceProcess, line: SilentLine) -> Iterator[subprocess.Popen[str]]:
    """`postroom learn`, which waits for a server that says nothing."""
    command = [sys.executable, "-P", "-m", "daemon.cli", "--config", str(service.config), "learn", "--from-folders"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: line.is_silent or process.poll() is not None, "it asks the server")
        assert process.poll() is None
        yield process
        process.kill()


def test_train_beside_learn_asks_to_try_again_later(service: ServiceProcess, learn: subprocess.Popen[str]) -> None:
    for arguments in (["train"], ["train", "--compare-labels"], ["learn", "--from-folders"]):
        told = service.command(*arguments, fine=(75,))
        assert "`postroom learn` or `postroom train` works here already. Wait for its end" in told.stderr
    assert learn.poll() is None


@pytest.mark.parametrize(
    ("ended_by", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_a_command_that_waits_for_a_server_ends_at_once(
    service: ServiceProcess, learn: subprocess.Popen[str], ended_by: signal.Signals, code: int
) -> None:
    learn.send_signal(ended_by)
    assert learn.wait(45) == code  # the server has a minute for its answer
    assert learn.stderr is not None
    assert learn.stderr.read() == "Ended before it was done.\n"
