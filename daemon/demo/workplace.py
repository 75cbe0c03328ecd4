"""An office server in a folder: settings, a credential, and the real daemon as a process of its own.

Used by the demo and by the benchmark on real mail. What the daemon did is read from its database,
as `postroom why` does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from daemon.mistakes import PostroomError
from daemon.report.story import message_story
from daemon.settings import Settings
from daemon.settings.toml_lines import value
from daemon.store import learning, mailboxes, messages
from daemon.store.database import Database

MAILBOX = "office"
CREDENTIAL = "office-imap"
LOOK_EVERY_S = 0.2
T = TypeVar("T")


class WorkplaceTrouble(PostroomError):
    """The daemon ended, or did not do in time what it was expected to."""


@dataclass(frozen=True)
class Account:
    """How the daemon signs in."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


def settings_text(
    state_dir: Path,
    account: Account,
    categories: Mapping[str, str],
    *,
    precision: float,
    max_tokens: int,
    time_limit: str,
    max_per_folder: int,
    max_age: str = "365d",
) -> str:
    """The settings of a workplace that lives faster than an office: it acts at once, it believes at once."""
    listed = "\n".join(
        f"  [[mailbox.category]]\n  name = {value(name)}\n  description = {value(text)}\n"
        for name, text in categories.items()
    )
    return f"""\
state_dir = {value(str(state_dir))}

[[mailbox]]
name = "{MAILBOX}"
kind = "imap"
mode = "live"          # an office starts in shadow and looks on for a while
host = {value(account.host)}
port = {account.port}
tls = "none"           # it stays on this machine
user = {value(account.user)}
credential = "{CREDENTIAL}"

{listed}
[sorting]
poll = "1s"
act_after = "0s"       # an office waits two minutes for its server rules
settle = "2s"          # and ten until a moved message has come to rest
confirm_after = "20s"  # and a day until what people let be counts as right
precision = {precision}
max_moves_per_minute = 1000

[engine]
max_tokens = {max_tokens}

[training]
window = "{_quiet_window()}"  # training is started by hand here
nice = 0               # an office trains at night, with nice = 19
time_limit = "{time_limit}"
max_per_folder = {max_per_folder}
max_age = "{max_age}"

[log]
format = "json"
"""


def _quiet_window() -> str:
    """One minute, some eleven hours from now: no night falls while we watch."""
    far = (time.localtime().tm_hour + 11) % 24
    return f"{far:02d}:00-{far:02d}:01"


class Workplace:
    """A state folder with its settings, and the daemon that works there. Close it, or use it in `with`."""

    def __init__(self, folder: Path, account: Account, settings: str) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.log = folder / "daemon.log"
        self.config.write_text(settings)
        self.settings = Settings.load(self.config)
        credentials = self.settings.state_dir / "credentials"
        credentials.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = credentials / CREDENTIAL
        secret.touch(mode=0o600)
        secret.write_text(account.password)
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The daemon's process, while there is one."""
        return self._daemon.pid if self._daemon is not None else None

    def start(self) -> None:
        """Start `postroom run`. Its log goes to a file."""
        command = [
            sys.executable,
            "-P",
            "-c",
            "from daemon.cli import main; main()",
            "--config",
            str(self.config),
            "run",
        ]
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": str(self.settings.engine.threads)},
                start_new_session=True,  # Ctrl-C reaches us only; we end the daemon in order
            )

    def stop(self) -> int | None:
        """Ask the daemon to finish the message in hand. Returns its exit code; None if none was running."""
        if self._daemon is None:
            return None
        process, self._daemon = self._daemon, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def wait_for(self, what: str, ask: Callable[[], T | None], timeout_s: float) -> T:
        """The first answer that is not None. Raises WorkplaceTrouble if the daemon dies or the time is over."""
        ends = time.monotonic() + timeout_s
        while (answer := ask()) is None:
            if self._daemon is not None and (code := self._daemon.poll()) is not None:
                raise WorkplaceTrouble(
                    "the daemon", f"ended with exit code {code}. {self.last_words()}", f"See {self.log}."
                )
            if time.monotonic() > ends:
                raise WorkplaceTrouble("the daemon", f"{what}: not done after {timeout_s:.0f} s.", f"See {self.log}.")
            time.sleep(LOOK_EVERY_S)
        return answer

    def last_words(self) -> str:
        """The last line of the daemon's log, which never holds mail."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1][:300] if lines else ""


class Ledger:
    """Reads what the daemon remembers, for one mailbox. Changes nothing."""

    def __init__(self, database: Database, mailbox: str = MAILBOX) -> None:
        self._database = database
        self._mailbox = mailbox

    def polled(self) -> bool | None:
        """True once the daemon has looked at the mailbox, None before."""
        with self._database.read() as tx:
            box = mailboxes.find(tx, self._mailbox)
        return True if box is not None and box.polled is not None and box.cursor is not None else None

    def story(self, message_id: str) -> dict[str, Any] | None:
        """What `postroom why` says, once the daemon has finished with the message; None before."""
        with self._database.read() as tx:
            box = mailboxes.find(tx, self._mailbox)
            assert box is not None
            found = messages.named(tx, box.id, message_id)
            if not found:
                return None
            story = message_story(tx, box, found[0])
        return story if is_settled(story) else None

    def corrections(self) -> int:
        """How many times a person was seen putting a message somewhere, agreements left out."""
        with self._database.read() as tx:
            box = mailboxes.find(tx, self._mailbox)
            assert box is not None
            return sum(correction.kind != "agreement" for correction in learning.corrections(tx, box.id))


def is_settled(story: Mapping[str, Any]) -> bool:
    """Has the daemon decided, and ended what it began?"""
    return bool(story["decisions"]) and all(entry["ended"] for entry in story["actions"])


def landed(story: Mapping[str, Any]) -> str | None:
    """The folder into which the daemon moved the message; None if it left it."""
    done: Sequence[str] = [entry["to"] for entry in story["actions"] if entry["state"] == "done" and entry["to"]]
    return done[-1] if done else None


def reason(story: Mapping[str, Any]) -> str:
    """Why, in the words of the daemon."""
    return str(story["decisions"][-1]["reason"])
