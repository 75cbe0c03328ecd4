"""What was told to people, in a file beside the database, so that a restart does not tell it twice.

Beside the database, because that may be what is wrong. Where it cannot be written the service still knows by itself.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

NAME = "alarm.json"


@dataclass(frozen=True)
class AlarmNote:
    """`told`: kind and mailbox -> since when, and when told last. `failed`: when the last try to tell failed, and why
    in words."""

    told: dict[tuple[str, str], tuple[datetime, datetime | None]] = field(default_factory=dict)
    failed: tuple[datetime, str] | None = None


def write_note(state_dir: Path, note: AlarmNote) -> None:
    """Write it whole, for our user alone."""
    rows = [[*key, since.isoformat(), _iso(last)] for key, (since, last) in note.told.items()]
    failed = None if note.failed is None else [note.failed[0].isoformat(), note.failed[1]]
    beside = state_dir / f"{NAME}.new"
    with suppress(OSError):
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"told": rows, "failed": failed}, file)
        beside.rename(state_dir / NAME)


def read_note(state_dir: Path) -> AlarmNote:
    """What was noted; nothing where there is no file, or a damaged one."""
    try:
        found: Any = json.loads((state_dir / NAME).read_text("utf-8"))
        told = {
            (str(kind), str(mailbox)): (datetime.fromisoformat(since), last and datetime.fromisoformat(last))
            for kind, mailbox, since, last in found["told"]
        }
        failed = found["failed"] and (datetime.fromisoformat(found["failed"][0]), str(found["failed"][1]))
        return AlarmNote(told, failed)
    except (OSError, ValueError, KeyError, TypeError):
        return AlarmNote()


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
