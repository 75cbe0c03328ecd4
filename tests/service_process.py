"""The real service as a process of its own, with a settings file, a credential and a place for its notifications."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from daemon import cli
from tests.servers.private import PASSWORD

SETTINGS = """
state_dir = "{state}"
[[mailbox]]
name = "office"
kind = "imap"
mode = "{mode}"
host = "127.0.0.1"
port = {port}
tls = "none"
user = "{user}"
credential = "office-imap"
{mailbox}
[sorting]
poll = "1s"
act_after = "0s"
settle = "1s"
min_examples = 2
max_moves_per_minute = 1000
{sorting}
[training]
window = "00:00-00:01"
min_corrections = 100000
[log]
format = "json"
level = "debug"
"""


@dataclass(frozen=True)
class Told:
    """How a command ended and what it printed."""

    code: int
    stdout: str
    stderr: str


class ServiceProcess:
    """`postroom` on one IMAP account. Use in `with`: the service is ended at the end, whatever a test left."""

    def __init__(
        self, folder: Path, port: int, user: str, *, mode: str = "live", mailbox: str = "", sorting: str = ""
    ) -> None:
        self.state = folder / "state"
        self.config = folder / "config.toml"
        values = {"state": self.state, "port": port, "user": user, "mode": mode}
        self.config.write_text(SETTINGS.format(mailbox=mailbox, sorting=sorting, **values))
        self.set_password(PASSWORD)
        self.log = folder / "service.log"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify_path = f"\0postroom-test-{os.getpid()}-{id(self)}"
        self.notify.bind(self.notify_path)
        self.notify.settimeout(0.1)
        self.heard: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def set_password(self, password: str) -> None:
        """What the credential says from now on."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        credentials = self.state / "credentials"
        credentials.mkdir(parents=True, mode=0o700, exist_ok=True)
        secret = credentials / "office-imap"
        secret.touch(mode=0o600)
        secret.write_text(password)

    def environment(self, **more: str) -> dict[str, str]:
        """Strict logs: a key that carries mail is a failure."""
        return {**os.environ, "POSTROOM_STRICT_LOGS": "1", "OMP_NUM_THREADS": "1", **more}

    def start(self, *, ready: bool = True, **environment: str) -> subprocess.Popen[bytes]:
        """Start the service and wait until it says READY; what an earlier one said is forgotten."""
        with suppress(TimeoutError):
            while self.notify.recv(4096):
                pass
        self.heard.clear()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "daemon.cli", "--config", str(self.config), "run"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.environment(NOTIFY_SOCKET="@" + self.notify_path[1:], **environment),
            )
        if ready:
            self.hear("READY=1")
        return self.process

    def hear(self, wanted: str, seconds: float = 30) -> None:
        """Wait for a notification that starts so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(line.startswith(wanted) for line in self.heard):
                return
            try:
                self.heard += self.notify.recv(4096).decode().splitlines()
            except TimeoutError:
                assert self.process is None or self.process.poll() is None, self.log.read_text()
        raise AssertionError(f"no {wanted}; heard {self.heard}\n{self.log.read_text()}")

    def stop(self, signal_: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal_)
        return self.process.wait(30)

    def command(self, *arguments: str, fine: Sequence[int] = (0,)) -> Told:
        """Run `postroom ARGUMENTS` beside the service, in the test's own process: a second each is too much."""
        done = CliRunner().invoke(cli.postroom, ["--config", str(self.config), *arguments])
        told, code = done.stderr, done.exit_code
        if isinstance(done.exception, cli.EXPECTED):
            told, code = f"{told}{done.exception}", cli.exit_code(done.exception)
        elif done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert code in fine, f"exit code {code}\n{done.stdout}\n{told}"
        return Told(code, done.stdout, told)

    def ask(self, *arguments: str, fine: Sequence[int] = (0,)) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.command(*arguments, "--json", fine=fine).stdout.splitlines()[-1])

    def status(self) -> dict[str, Any]:
        """What `postroom status` says about the mailbox."""
        return self.status_of("office")

    def status_of(self, name: str) -> dict[str, Any]:
        """The same, where a test has added others."""
        [mailbox] = self.ask("status", "--mailbox", name, fine=(0, 3, 4))["mailboxes"]
        return dict(mailbox)

    def passes(self) -> int:
        """How many passes have ended well since the first start; quiet ones are told at level debug only."""
        return self.log.read_text().count('"event": "pass"')

    def __enter__(self) -> ServiceProcess:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.notify.close()


def eventually(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)
