"""How many files the service may hold open, and how many it needs: setrlimit(2), /proc/PID/limits of proc(5).

Beyond the limit connections and databases fail, here and there, with words about files that nobody understands.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

EACH, FIXED = 5, 100
"""Measured with 20, 50 and 200 mailboxes (docs/benchmarks.md): four a mailbox, and some twenty; while passes work and
trainings run, some dozens more."""


def needed(mailboxes: int) -> int:
    """So many files the service may hold open at once with so many mailboxes."""
    return FIXED + EACH * mailboxes


def make_room(mailboxes: int) -> None:
    """Raise what this process may hold open to what it needs, as far as it may. Never lowers anything."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(mailboxes) if hard == resource.RLIM_INFINITY else min(needed(mailboxes), hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # forbidden: `postroom check` tells
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def in_force(process: str | None) -> int | None:
    """So many files the service's process may hold open; without one, as many as it could that began here. None: there
    is no limit."""
    if process is not None:
        with suppress(OSError, ValueError, StopIteration):
            lines = Path("/proc", process, "limits").read_text().splitlines()
            words = next(line for line in lines if line.startswith("Max open files")).split()
            return None if words[3] == "unlimited" else int(words[3])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard
