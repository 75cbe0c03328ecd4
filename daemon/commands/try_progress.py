"""How far a trial is and how long it still takes: a bar on a terminal, else lines; never still for ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from daemon.commands.common import notices
from daemon.report.progress_lines import LeftColumn, Lines, beating, clipped, left_yet, time_in_words

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


class TrialLines(Lines):
    """Says a line when a step begins, and again before it has been still for ten seconds."""

    EVERY = STILL

    def __init__(self, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(say, now, begin="starting")
        self._stage: object = None

    def show(self, event: Mapping[str, Any]) -> None:
        """An event of the trainer's."""
        begins, self._stage = event.get("stage") != self._stage, event.get("stage")
        done, total = int(event.get("done", 0)), int(event.get("total", 1000) or 1000)
        self.step(str(event.get("text", "")), done, total, new=False, tell=begins, left=event.get("left"))

    def _line(self, seconds: float, since: float) -> str:
        rest = "" if self._left is None else f", {left_yet(self._left, since)}"
        return f"{round(100 * self._done / self._total):3d} %  {self._text} ({time_in_words(seconds)}{rest})"
