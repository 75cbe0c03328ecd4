"""May so many files be open as mailboxes need? Asked of real processes under real limits."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.imap import ImapSettings
from daemon.commands.check import Finding, examine
from daemon.settings import Settings
from daemon.state.lock import StateLock
from daemon.state.open_files import in_force, needed

RAISE = """
import resource
from daemon.state.open_files import make_room
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
make_room({mailboxes})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(256, 4096, needed(200)), (256, 512, 512), (2048, 4096, 2048)],
    ids=["as many as needed", "as far as it may", "never fewer"],
)
def test_the_service_makes_room_for_its_mailboxes(soft: int, hard: int, expected: int) -> None:
    words = RAISE.format(soft=soft, hard=hard, mailboxes=200)
    told = subprocess.run([sys.executable, "-P", "-c", words], capture_output=True, text=True, check=True, timeout=60)
    assert int(told.stdout) == expected


def test_two_hundred_need_more_than_a_service_gets_that_asks_for_nothing_and_less_than_the_unit_asks() -> None:
    assert 1024 < needed(200) < needed(1000) < 65536
    assert needed(200) > 815, "which were measured"


@pytest.fixture
def limited() -> Iterator[subprocess.Popen[bytes]]:
    """A process that may hold 300 files open."""
    sleeps = subprocess.Popen(["sleep", "60"])
    resource.prlimit(sleeps.pid, resource.RLIMIT_NOFILE, (300, 300))
    yield sleeps
    sleeps.kill()
    sleeps.wait()


def finding(settings: Settings) -> Finding:
    return next(one for one in examine(settings) if one.what == "open files")


def test_check_says_when_the_service_that_runs_may_open_too_few(
    tmp_path: Path, limited: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, Any] = {"host": "localhost", "tls": "none", "user": "u", "credential": "c"}
    boxes = tuple(ImapSettings(name=f"box{number}", **values) for number in range(50))
    settings = Settings(state_dir=tmp_path, mailbox=boxes)  # type: ignore[call-arg]
    assert finding(settings).fine
    monkeypatch.setattr(os, "getpid", lambda: limited.pid)
    with StateLock(tmp_path):
        monkeypatch.undo()
        found = finding(settings)
    assert not found.fine
    assert found.seen.startswith("the service: may hold 300 files open, and 50 mailboxes may need 350. ")
    assert "LimitNOFILE=700" in found.seen
    assert in_force(str(limited.pid)) == 300
    assert in_force("0") == in_force(None), "a process that nobody can look at"
