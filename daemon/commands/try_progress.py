"""How far a trial is and how long it still takes: a bar on a terminal, else lines; never still for ten seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from daemon.commands.common import notices
from daemon.report.progress_lines import LeftColumn, beating, clipped, left_yet, time_in_words

STILL = 8.0
"""Seconds after which a line says that the work goes on, where no terminal shows a running clock."""
LONGEST = 30
"""Characters of what is done: the whole line fits into 80, also with hours left."""
Show = Callable[[Mapping[str, Any]], None]


@contextmanager
def trial_progress() -> Iterator[Show]:
    """show(event), for the trainer's events, on standard error."""
    if notices.is_terminal:
        with _bar() as show:
            yield show
        return
    with beating(TrialLines(lambda line: click.echo(line, err=True))) as lines:
        yield lines.show


@contextmanager
def _bar() -> Iterator[Show]:
    columns = (
        TextColumn(f"{{task.description:<{LONGEST}}}", markup=False),
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        LeftColumn(),
    )
    with Progress(*columns, TimeElapsedColumn(), console=notices, transient=True) as bars:
        task = bars.add_task("starting", total=1000, left=None, heard=0.0)

        def show(event: Mapping[str, Any]) -> None:
            words = clipped(str(event.get("text", "")), LONGEST)
            left, heard = event.get("left"), bars.get_time()
            bars.update(task, description=words, completed=event.get("done", 0), left=left, heard=heard)

        yield show


class TrialLines:
    """Says a line when a step begins, and again before it has been still for ten seconds."""

    def __init__(self, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._say, self._now = say, now
        self._turn = threading.Lock()
        self._began = self._said = self._heard = now()
        self._event: Mapping[str, Any] = {"text": "starting"}

    def show(self, event: Mapping[str, Any]) -> None:
        """An event of the trainer's."""
        with self._turn:
            begins = event.get("stage") != self._event.get("stage")
            self._event, self._heard = event, self._now()
            if begins or self._now() - self._said >= STILL:
                self._tell()

    def beat(self) -> None:
        """Say once more how far it is, if nothing was said for a while."""
        with self._turn:
            if self._now() - self._said >= STILL:
                self._tell()

    def _tell(self) -> None:
        now = self._said = self._now()
        share = round(100 * int(self._event.get("done", 0)) / int(self._event.get("total", 1000) or 1000))
        left = self._event.get("left")
        rest = "" if left is None else f", {left_yet(left, now - self._heard)}"
        self._say(f"{share:3d} %  {self._event.get('text', '')} ({time_in_words(now - self._began)}{rest})")
