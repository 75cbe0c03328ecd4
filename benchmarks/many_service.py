"""The service that a benchmark weighs: `postroom run` as a process of its own, with its settings and its log.

a plan | settings with so many mailboxes | the process | CPU, memory, threads, files and writes, from outside
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import psutil

from daemon.store import learning, mailboxes, training
from daemon.store.database import Database
from tests.servers.dovecot import Dovecot
from tests.servers.private import PASSWORD

SETTINGS = """\
state_dir = "{state}"
[sorting]
poll = "{poll}s"
act_after = "0s"
min_examples = 2
max_moves_per_minute = 1000
[engine]
threads = 1
[training]
window = "{window}"
[log]
format = "json"
level = "debug"
{mailboxes}"""
MAILBOX = """
[[mailbox]]
name = "{name}"
mode = "live"
host = "127.0.0.1"
port = {port}
tls = "{tls}"
{ca_file}user = "{name}"
credential = "all"
"""


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    mailboxes: int = 50
    minutes: float = 10.0
    poll: int = 60
    mails: int = 2
    seed: int = 1
    there: int = 25
    """Mails in each folder before the service starts."""
    linear: bool = False
    """Linear models alone, without a language model beside each?"""
    tls: bool = False
    bad: bool = False
    """Do some servers misbehave?"""
    admits: int = 0
    """So many connections the server of all takes at a time; 0: any number."""

    @property
    def behind(self) -> dict[str, str]:
        """Which mailboxes are behind a line that misbehaves, and how."""
        if not self.bad:
            return {}
        tenth = max(1, self.mailboxes // 10)
        ways = ["slow", *["hangs up"] * tenth, *["refuses"] * tenth]
        return dict(zip(self.names, ways, strict=False))

    @property
    def names(self) -> list[str]:
        return [f"box{number:04}" for number in range(self.mailboxes)]


def trained_already(database: Database, name: str, now: datetime) -> None:
    """Note that this mailbox had its training: a service that did not run in the last window makes up for it at once,
    and two hundred trainings in turn would be measured with it."""
    with database.begin() as tx:
        box = mailboxes.ensure(tx, name, "imap", "live", now).id
        newest, count = learning.lesson_state(tx, box)
        training.end_run(tx, training.start_run(tx, box, now, count, newest), now, "kept", "")


class Daemon:
    """`postroom run` as a process of its own, weighed from outside."""

    def __init__(self, folder: Path, plan: Plan, server: Dovecot, lines: Mapping[str, int]) -> None:
        self.state, config, self._log = folder / "state", folder / "config.toml", folder / "service.log"
        self._command = [sys.executable, "-P", "-m", "daemon.cli", "--config", str(config)]
        port, tls, ca_file = server.port, "none", ""
        if plan.tls:
            port, tls, ca_file = server.tls_port, "implicit", f'ca_file = "{server.certificate}"\n'
        boxes = "".join(
            MAILBOX.format(name=name, port=lines[plan.behind[name]], tls="none", ca_file="")
            if name in plan.behind
            else MAILBOX.format(name=name, port=port, tls=tls, ca_file=ca_file)
            for name in plan.names
        )
        # No night begins while we measure (`trained_already` for the one before, which a new service makes up for).
        hour = (datetime.now().astimezone().hour + 12) % 24
        window = f"{hour:02}:00-{hour:02}:01"
        config.write_text(SETTINGS.format(state=self.state, poll=plan.poll, window=window, mailboxes=boxes))
        (self.state / "credentials").mkdir(parents=True, mode=0o700)
        secret = self.state / "credentials" / "all"
        secret.touch(mode=0o600)
        secret.write_text(PASSWORD)

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self.process = psutil.Popen(
                [*self._command, "run"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "POSTROOM_STRICT_LOGS": "1", "OMP_NUM_THREADS": "1"},
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def cpu_s(self) -> float:
        """Processor seconds so far; 0 for a process that has ended."""
        if self.process.poll() is not None:
            return 0.0
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def weight(self) -> dict[str, float]:
        """What it holds now; nothing for a process that has ended."""
        if self.process.poll() is not None:
            return {}
        rows = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        [pss] = [int(row.split()[1]) for row in rows if row.startswith("Pss:")]
        return {
            "pss_mb": round(pss * 1024 / 1e6, 1),
            "threads": self.process.num_threads(),
            "open_files": self.process.num_fds(),
        }

    def written(self) -> int:
        """Bytes that it had written to the disk so far; 0 for a process that has ended."""
        if self.process.poll() is not None:
            return 0
        rows = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return sum(int(row.split()[1]) for row in rows if row.startswith("write_bytes:"))

    def status(self, *words: str) -> tuple[str, float]:
        """What `postroom status` shows, and its processor seconds."""
        before = os.times()
        done = subprocess.run([*self._command, "status", *words], capture_output=True, text=True, check=False)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        return done.stdout, round(spent, 2)

    def stop(self) -> int:
        """End it politely; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return int(self.process.wait(120))

    def looks(self) -> int:
        """How many looks have ended well so far."""
        return self._log.read_text(errors="replace").count('"event": "pass"')

    def said(self, but: Collection[str] = ()) -> Counter[str]:
        """Log lines by event; what is no JSON, a traceback, as "unstructured". `but`: not of these mailboxes."""
        found: Counter[str] = Counter()
        for line in self._log.read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "unstructured", "level": "error"}
            if event.get("mailbox") in but:
                found["(expected)"] += 1
                continue
            found[event["event"]] += 1
            found["(errors)"] += event.get("level") in ("error", "critical")
            found["(warnings)"] += event.get("level") == "warning"
        return found

    def explain(self, most: int = 5) -> list[str]:
        """Some log lines about what went wrong, for whoever has to find out."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [line for line in lines if '"level": "info"' not in line and '"level": "debug"' not in line][:most]
