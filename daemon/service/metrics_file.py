"""Every minute the figures go into one file for node_exporter's textfile collector: whole, and readable for everybody.

Where it cannot be written the log says so once, and nothing else is held up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import structlog
from apscheduler.schedulers.base import BaseScheduler

from daemon.passes.desk import Desk
from daemon.report.exposition import Family, exposition
from daemon.report.figures import Figures
from daemon.service.logs import told_only
from daemon.service.rounds import Round
from daemon.service.triggers import every_minute, put_forward
from daemon.store import mailboxes

log = structlog.get_logger()

METRICS = "metrics"
"""The job, and its executor of one thread."""


class MetricsFile:
    """Writes the file. Without one in the settings it does nothing."""

    def __init__(
        self,
        scheduler: BaseScheduler,
        desks: Sequence[Desk],
        file: Path | None,
        rounds: Mapping[str, Round],
        clock: Callable[[], datetime],
    ) -> None:
        self._scheduler = scheduler
        self._desks = desks
        self._file = file
        self._rounds = rounds
        self._clock = clock
        self._told = False

    def plan(self) -> None:
        """Put the job on the scheduler, where there is a file."""
        if self._file is not None:
            every_minute(self._scheduler, METRICS, self.write)

    def catch_up(self) -> None:
        """Write now where a clock that was ahead holds that up."""
        put_forward(self._scheduler, METRICS)

    def write(self) -> None:
        """Write it once."""
        assert self._file is not None
        with told_only():
            text = exposition(self._families())
            try:
                write_whole(self._file, text)
                self._told = False
            except OSError as error:
                if not self._told:
                    log.warning("metrics-not-written", problem=f"{self._file}: {error.strerror}.")
                self._told = True

    def _families(self) -> list[Family]:
        now, figures = self._clock(), Figures()
        info = Family("postroom_build_info", "gauge", "Which version runs.")
        info.add(1.0, version=version("postroom"))
        written = Family("postroom_written_timestamp_seconds", "gauge", "When this was written.")
        written.add(now.timestamp())
        waits = Family("postroom_mailbox_needs_person", "gauge", "1: it is not looked at until a person has acted.")
        passes = Family("postroom_passes_total", "counter", "Passes since the service or its settings were loaded.")
        seconds = Family("postroom_pass_seconds_total", "counter", "How long they took together.")
        for desk in list(self._desks):  # a reload may add and remove some meanwhile
            name, round_ = desk.settings.name, self._rounds.get(desk.settings.name)
            if round_ is None:
                continue
            waits.add(float(round_.needs_person is not None), mailbox=name)
            passes.add(float(round_.succeeded), mailbox=name, outcome="succeeded")
            passes.add(float(round_.failed), mailbox=name, outcome="failed")
            seconds.add(round_.seconds, mailbox=name)
            with desk.database.read() as tx:
                figures.add(tx, mailboxes.get(tx, desk.mailbox_id), now)
        return [info, written, waits, passes, seconds, *figures.families()]


def write_whole(file: Path, text: str) -> None:
    """Replace a file by a whole new one that everybody may read. Raises OSError."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")  # no name that the collector reads
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as out:
            out.write(text)
            os.fchmod(out.fileno(), 0o644)
        beside.rename(file)
    finally:
        with suppress(OSError):
            beside.unlink()
