"""How long one answer of a server may take: `seconds`, and as much longer as it needs while it flows."""

from __future__ import annotations

import time

SLOWEST = 4096
"""Bytes a second at which a large answer must come on average."""


class Patience:
    """With one answer at a time. `seconds`: how long a small answer may take, and how long the server may be silent."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begin()

    def begin(self) -> None:
        """Something was asked: what comes from now on is the answer to it."""
        self._begun = time.monotonic()
        self.received = 0

    @property
    def took(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds; below 0: the server takes too long over it."""
        return self.seconds + self.received / SLOWEST - self.took
