"""The mail of many mailboxes: invented, put into the server's own folders, and watched until it lies somewhere else.

rows of invented mail | furnish: folders with old mail | deliver: a new one into the inbox | look: has it moved?
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.nights import invented
from tests.lessons import lesson
from tests.servers.dovecot import Dovecot
from tests.servers.private import Account

KINDS = 4
"""The busiest folders of the invented office."""
MARK, OLD = "X-Bench", "old"


def office_mail(count: int) -> list[dict[str, Any]]:
    """`count` mails of the invented office's busiest folders, some 150 words each, as rows of lessons.jsonl."""
    kinds = {f"Folder {number}" for number in range(KINDS)}
    found = [mail for mail in invented(4 * count) if mail.folder in kinds][:count]
    return [lesson(number, mail.folder, mail.text, mail.at) for number, mail in enumerate(found)]


@dataclass
class Delivered:
    """One mail that was put into an inbox."""

    box: str
    kind: str
    at: float
    """On the monotonic clock, in seconds."""


class Post:
    """The users' mail as files of the server: delivers into it and sees where mail lies. `there`: mails that lie in a
    new user's folder."""

    def __init__(
        self, server: Dovecot, kinds: Sequence[str], rows: Sequence[dict[str, Any]], there: int, seed: int
    ) -> None:
        self._server, self._kinds, self._there = server, kinds, there
        self._account = Account.ordinary()
        self._rows = cycle(rows)
        self._serial = count(1)
        self._random = random.Random(seed)
        self.sent: dict[str, Delivered] = {}
        self.seconds: dict[str, float] = {}
        """How long each mail took that lies in a folder."""

    def furnish(self, box: str) -> None:
        """A new user's folders, with mail in them."""
        for folder in ("", *self._kinds):
            for part in ("cur", "new", "tmp"):
                (self._home(box, folder) / part).mkdir(parents=True)
            for row in islice(self._rows, self._there):
                self._write(box, folder, f"{OLD}{next(self._serial)}", row)
        self._account.own(self._server.root / "mail" / box)

    def moments(self, boxes: Sequence[str], mails: int, seconds: float) -> list[tuple[float, str]]:
        """When each mailbox gets its mails within so many seconds, in order."""
        return sorted((self._random.uniform(0, seconds), box) for box in boxes for _ in range(mails))

    def deliver(self, box: str) -> None:
        """A new mail in the inbox, as a mail server's delivery agent puts it there."""
        row, name = next(self._rows), f"new{next(self._serial)}"
        self._write(box, "", name, row)
        self.sent[name] = Delivered(box, row["category"], time.monotonic())

    def look(self) -> None:
        """Note which mails have come to lie in a folder since."""
        open_ = {mail.box for name, mail in self.sent.items() if name not in self.seconds}
        for box in open_:
            for name, folders in self.places(box).items():
                if "" not in folders and name not in self.seconds:
                    self.seconds[name] = time.monotonic() - self.sent[name].at

    def places(self, box: str) -> dict[str, list[str]]:
        """Where each mail that was delivered lies: its folders, "" for the inbox."""
        found: dict[str, list[str]] = {}
        for folder in ("", *self._kinds):
            for part in ("cur", "new"):
                for path in (self._home(box, folder) / part).iterdir():
                    # Dovecot gives a moved mail another name; what it says inside stays.
                    if not path.name.startswith(OLD) and (name := _marked(path)) in self.sent:
                        found.setdefault(name, []).append(folder)
        return found

    def _home(self, box: str, folder: str) -> Path:
        maildir = self._server.maildir(box)
        return maildir / f".{folder}" if folder else maildir

    def _write(self, box: str, folder: str, name: str, row: dict[str, Any]) -> None:
        mail, text = EmailMessage(), row["text"]
        mail[MARK] = name
        mail["From"], mail["To"], mail["Subject"] = text["sender"], f"{box}@example.com", text["subject"]
        mail["Date"] = datetime.now(UTC)
        mail["Message-ID"] = f"<{name}@bench.example.com>"
        mail.set_content(text["body"])
        half = self._home(box, folder) / "tmp" / name
        half.write_bytes(mail.as_bytes())
        if self._account.drop:
            os.chown(half, self._account.uid, self._account.gid)
        half.rename(half.parents[1] / "new" / name)


def _marked(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline().decode("ascii").strip().removeprefix(f"{MARK}: ")
    except OSError:  # moved on while we looked
        return ""
