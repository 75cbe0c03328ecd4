"""A real service and real commands: what is wrong is told once, and a command that fails or hangs hurts nobody."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.service import alarm_command
from tests.imap_fixtures import ImapWorld
from tests.service_process import ServiceProcess, eventually

pytestmark = [pytest.mark.imap, pytest.mark.slow]

WRITES = """#!/bin/sh
printf '%s\\n' "$2" >> {folder}/texts
cat >> {folder}/documents
echo >> {folder}/documents
env > {folder}/environment
"""


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        yield service


def command(service: ServiceProcess, script: str | None) -> Path:
    """Set the command: a script, or one that is not there."""
    path = service.config.parent / "tell-it"
    if script is not None:
        path.write_text(script.format(folder=service.config.parent))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    lines = service.config.read_text()
    service.config.write_text(lines + f'\n[alarm]\ncommand = ["{path}", "first"]\n')
    return path


def told(service: ServiceProcess, name: str = "texts") -> list[str]:
    path = service.config.parent / name
    return path.read_text().splitlines() if path.exists() else []


def test_a_pause_is_told_once_not_again_after_a_restart_and_told_when_it_is_over(service: ServiceProcess) -> None:
    command(service, WRITES)
    service.start(POSTROOM_CREDENTIAL_OFFICE="geheim")
    eventually(lambda: service.passes() > 0, "a look")
    service.command("pause", "--because", "zebra@example.org is moving")
    eventually((service.state / "alarm.json").exists, "the alarm", 150)
    assert "Mailbox office is paused" in told(service)[0]
    documents: list[dict[str, Any]] = [json.loads(line) for line in told(service, "documents") if line]
    [notice] = documents[0]["notices"]
    assert (notice["event"], notice["kind"], notice["mailbox"]) == ("begins", "paused", "office")
    assert documents[0]["text"] == told(service)[0] == notice["text"]
    assert "zebra" not in "".join([*told(service), *told(service, "documents")])
    assert not [line for line in told(service, "environment") if "CREDENTIAL" in line or "POSTROOM" in line]
    assert (service.state / "alarm.json").stat().st_mode & 0o777 == 0o600
    assert service.stop() == 0
    service.start()
    eventually(lambda: service.passes() > 1, "a look")
    service.command("resume")
    eventually(lambda: len(told(service)) > 1, "the end of it", 150)
    assert len(told(service)) == 2
    assert "Mailbox office is sorted again." in told(service)[1]
    assert service.stop() == 0


FAILS = "#!/bin/sh\nexit 7\n"
HANGS = "#!/bin/sh\nsh -c 'sleep 1000; : {folder}' &\nsleep 1000\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [(FAILS, "ended with exit code 7"), (None, "cannot be started (No such file or directory)")],
    ids=["fails", "missing"],
)
def test_a_command_that_fails_is_logged_and_told_by_status(
    service: ServiceProcess, dovecot_world: ImapWorld, script: str | None, words: str
) -> None:
    command(service, script)
    service.start()
    service.command("pause")
    eventually(lambda: "alarm-failed" in service.log.read_text(), "the failure", 150)
    shown = service.ask("status", fine=(3,))
    assert words in shown["alarm_failed"]["why"]
    assert "nobody could be told what is wrong" in service.command("status", fine=(3,)).stdout
    service.command("resume")
    dovecot_world.deliver("goes on")
    eventually(lambda: service.status()["messages"].get("left") == 1, "mail is sorted as ever")
    assert service.stop() == 0


def test_the_trial_alarm_runs_the_command_and_says_how_it_ended(service: ServiceProcess) -> None:
    assert "there is no command" in service.command("alarm", "--test", fine=(1,)).stderr
    path = command(service, WRITES)
    assert "ended with 0" in service.command("alarm", "--test").stdout
    assert "This is a trial" in told(service)[0]
    path.write_text(FAILS)
    assert "ended with exit code 7" in service.command("alarm", "--test", fine=(1,)).stderr
    path.unlink()
    assert "cannot be started" in service.command("alarm", "--test", fine=(1,)).stderr


def test_a_command_that_hangs_is_killed_with_all_that_it_started(
    service: ServiceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_command, "PATIENCE_S", 1.0)
    path = command(service, HANGS)
    assert "did not end within 1 s" in service.command("alarm", "--test", fine=(1,)).stderr
    running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in running if any(str(path.parent) in word for word in words)]


def test_term_does_not_wait_for_a_command_that_hangs(service: ServiceProcess) -> None:
    command(service, "#!/bin/sh\ntouch {folder}/began\nsleep 1000\n")
    service.start()
    service.command("pause")
    eventually((service.config.parent / "began").exists, "the command", 150)
    assert service.stop() == 0
    assert "Postroom ended meanwhile" in service.log.read_text()


def test_a_command_without_a_whole_path_is_told(service: ServiceProcess) -> None:
    lines = service.config.read_text()
    service.config.write_text(lines + '\n[alarm]\ncommand = ["mail", "it"]\n')
    assert "is no whole path" in service.command("config", fine=(2,)).stderr
