"""Folders and answers of a server that hold escape sequences: no command prints one, and no log holds one."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail
from tests.servers.hostile import HostileImap
from tests.service_process import ServiceProcess, eventually

pytestmark = [pytest.mark.imap, pytest.mark.slow, pytest.mark.timeout(300)]

TITLE = "\x1b]0;owned\x07"
EVIL = f"Or{TITLE}ders"
LISTED = (
    b'* LIST () "/" INBOX\r\n* LIST () "/" {%d}\r\n%b\r\n' % (len(EVIL), EVIL.encode())
    + b'* LIST () "/" "C&AJs-31m"\r\n* LIST () "/" "B&IC4-gpj"\r\n{tag} OK done\r\n'  # U+009B, U+202E
)
COMMANDS = (
    ["check"],
    ["folders"],
    ["preview"],
    ["once"],
    ["once", "--dry-run"],
    ["status"],
    ["why", "1@x"],
    ["corrections"],
    ["lessons"],
    ["report"],
    ["models"],
    ["learn", "--from-folders", "--no-train"],
    ["undo", TITLE],
    ["why", "\x9b31m"],
    ["once", "--mailbox", EVIL],
    [TITLE],
)
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def run(service: ServiceProcess, *arguments: str) -> str:
    """All that a command of its own process prints."""
    command = [sys.executable, "-P", "-m", "daemon.cli", "--config", str(service.config), *arguments]
    done = subprocess.run(command, capture_output=True, env=service.environment(COLUMNS="250"), timeout=120)
    return (done.stdout + done.stderr).decode()


@pytest.fixture(params=["LIST", "NO"])
def hostile(request: pytest.FixtureRequest) -> Iterator[HostileImap]:
    answers = {"LIST": (b"LIST", LISTED), "NO": (b"UID SEARCH", b"{tag} NO " + TITLE.encode() + b" \xc2\x9b31m\r\n")}
    with HostileImap(*answers[request.param]) as server:
        yield server


def test_no_command_prints_what_steers_a_terminal(hostile: HostileImap, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, hostile.port, "u") as service:
        told = {" ".join(arguments): run(service, *arguments) for arguments in COMMANDS}
    assert {name: STEERS.findall(text) for name, text in told.items() if STEERS.search(text)} == {}
    if hostile._command == b"LIST":
        assert "\\u009b31m" in told["folders"], "else it shows nothing"
        assert "owned" not in told["folders"]  # no command can hold that name
        assert "\\u202e" in told["folders"]


def test_no_log_of_the_service_holds_what_steers(hostile: HostileImap, tmp_path: Path) -> None:
    for form in ("json", "terminal", "journald"):
        with ServiceProcess(tmp_path, hostile.port, "u") as service:
            service.config.write_text(service.config.read_text().replace('"json"', f'"{form}"'))
            before = len(service.log.read_text()) if service.log.exists() else 0
            service.start()
            eventually(
                lambda at=before, of=service: re.search("pass|trouble", of.log.read_text()[at:]) is not None, "a look"
            )  # type: ignore[misc]
            assert service.stop() == 0
            text = service.log.read_text()[before:]
        if form == "terminal":
            text = re.sub("\x1b\\[[0-9;]*m", "", text)  # our own colours
        assert STEERS.findall(text) == []


def test_on_a_terminal_there_are_colours_and_nothing_else_that_steers(hostile: HostileImap, tmp_path: Path) -> None:
    ours = re.compile("\x1b\\[[0-9;]*m|\r")
    with ServiceProcess(tmp_path, hostile.port, "u") as service:
        text = on_a_terminal(service, "status") + on_a_terminal(service, "folders")
    assert "\x1b[1m" in text, "rich's own go through"
    assert STEERS.findall(ours.sub("", text)) == []


def on_a_terminal(service: ServiceProcess, *arguments: str) -> str:
    """What a command prints where it thinks that a person looks."""
    outside, inside = pty.openpty()
    command = [sys.executable, "-P", "-m", "daemon.cli", "--config", str(service.config), *arguments]
    environment = {**service.environment(TERM="xterm"), "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdout=inside, stderr=inside, stdin=inside, env=environment)
    os.close(inside)
    text = b""
    try:
        while piece := os.read(outside, 65536):
            text += piece
    except OSError:  # EIO: nobody is left who writes
        pass
    process.wait(60)
    os.close(outside)
    return text.decode()


def test_a_folder_with_controls_in_its_name_is_worked_with_by_its_real_name(
    dovecot_world: ImapWorld, tmp_path: Path
) -> None:
    """Dovecot takes C1 and directions in names. Only what is shown is spelt out."""
    real = "Or\x9b31mders\u202e"
    dovecot_world.hands.create(real)
    for number in range(4):
        dovecot_world.hands.put(make_mail(f"order {number}"), folder=real)
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        shown = run(service, "folders")
        assert STEERS.findall(shown) == []
        assert "Or\\u009b31mders\\u202e" in shown
        assert real in json.dumps(json.loads(run(service, "folders", "--json")), ensure_ascii=False)
        told = run(service, "learn", "--from-folders", "--no-train")
        assert STEERS.findall(told) == []
        rows = run(service, "lessons")
        assert "\\u009b31mders" in rows
        assert dovecot_world.connector.newest(real, 10), "the connector calls it by its name"
