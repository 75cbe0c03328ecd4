"""How far a mailbox has been seen, written down outside the database.

A database that says less was restored from a backup: what happened since then, our own moves among it, would look like
people's. Written with every look that the database hears of, a line of a few bytes and no mail. Where it cannot be
written or read, nothing is known, and nothing else fails.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Watermark:
    """The file of one mailbox."""

    path: Path

    def read(self) -> datetime | None:
        """Until when the mailbox has been seen; None: nobody knows."""
        try:
            found = datetime.fromisoformat(self.path.read_text("ascii").strip())
        except (OSError, ValueError):
            return None
        return found if found.tzinfo is not None else None

    def write(self, seen_until: datetime) -> None:
        """Write it down, for our user alone."""
        with suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.write_text(seen_until.isoformat() + "\n", "ascii")

    def forget(self) -> None:
        """The mailbox begins anew."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
