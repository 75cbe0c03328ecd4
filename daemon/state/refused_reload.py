"""That the settings were read again and refused: the service goes on by those before, and `status` tells.

It stands in a file beside the database, because it is about the service and no mailbox, and perhaps the disk's or the
database's trouble comes with it. Where it cannot be written, the log and the unit's Status line still say it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

NAME = "reload-refused.json"


@dataclass(frozen=True)
class RefusedReload:
    """When it was refused, and why, in words."""

    at: datetime
    why: str
    partly: bool = False
    """Only files that the settings include: what they said before stands, and all else counts."""


def note_refused(state_dir: Path, at: datetime, why: str, *, partly: bool = False) -> None:
    """Write it down, for our user alone."""
    place = state_dir / NAME
    with suppress(OSError):
        place.touch(mode=0o600)
        place.write_text(json.dumps({"at": at.isoformat(), "why": why, "partly": partly}), "utf-8")


def forget_refused(state_dir: Path) -> None:
    """The settings that count now are those of the file."""
    with suppress(OSError):
        (state_dir / NAME).unlink(missing_ok=True)


def refused_reload(state_dir: Path) -> RefusedReload | None:
    """The refusal, if the last reload of the service that runs was one."""
    try:
        found = json.loads((state_dir / NAME).read_text("utf-8"))
        return RefusedReload(datetime.fromisoformat(found["at"]), str(found["why"]), bool(found.get("partly")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
