"""What the long looks share: the six figures of their last line, and the daemon's log out of its way.

Standard output is one line of JSON, for scripts; progress and what went wrong are told on standard error.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click
import structlog

from daemon.service import logs
from daemon.settings import LogSettings

FIGURES = ("runs", "faults", "lost", "duplicated", "flags_changed", "unexplained")


@dataclass
class Tally:
    """What became of the mail in all runs together."""

    runs: int = 0
    faults: int = 0
    lost: int = 0
    duplicated: int = 0
    flags_changed: int = 0
    unexplained: int = 0

    def add(self, *, lost: int = 0, duplicated: int = 0, flags_changed: int = 0, unexplained: int = 0) -> None:
        """Count what one run did to the mail."""
        self.lost += lost
        self.duplicated += duplicated
        self.flags_changed += flags_changed
        self.unexplained += unexplained

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.flags_changed or self.unexplained)

    def tell(self) -> None:
        """The one line on standard output."""
        click.echo(json.dumps({name: getattr(self, name) for name in FIGURES}))


@contextmanager
def daemon_log(path: Path) -> Iterator[TextIO]:
    """What the daemon says in this process goes to this file. Without it structlog would print on standard output."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", buffering=1, encoding="utf-8") as log:
        logs.configure(LogSettings(format="json"), log)
        try:
            yield log
        finally:
            structlog.reset_defaults()
            logging.captureWarnings(False)
            logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
