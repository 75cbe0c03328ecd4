"""How far a trial is and how long it still takes: a bar on a terminal, else lines; never still for ten seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, Progress, Task, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from daemon.commands.common import notices
from daemon.report.progress_lines import beating, clipped

STILL = 8.0
"""Seconds after which a line says that the work goes on, where no terminal shows a running clock."""
LEAST_LEFT = 5.0
"""Seconds that are left at least as long as it goes on, though a guess said that it would be over by now."""
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
        LeftYet(),
    )
    with Progress(*columns, TimeElapsedColumn(), console=notices, transient=True) as bars:
        task = bars.add_task("starting", total=1000, left=None, heard=0.0)

        def show(event: Mapping[str, Any]) -> None:
            words = clipped(str(event.get("text", "")), LONGEST)
            left, heard = event.get("left"), bars.get_time()
            bars.update(task, description=words, completed=event.get("done", 0), left=left, heard=heard)

        yield show


class LeftYet(TextColumn):
    """What was left when the trainer last spoke, less what has passed since."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """As lines say it."""
        left = task.fields["left"]
        return Text("" if left is None else _left(left, task.get_time() - task.fields["heard"]))


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
        rest = "" if left is None else f", {_left(left, now - self._heard)}"
        self._say(f"{share:3d} %  {self._event.get('text', '')} ({in_words(now - self._began)}{rest})")


def _left(told: float, since: float) -> str:
    return f"{in_words(max(told - since, LEAST_LEFT))} left"


def in_words(seconds: float) -> str:
    """ "40 s", "3 min", "1 h 20 min": no more exact than a guess is."""
    if seconds < 90:
        return f"{5 * round(seconds / 5):d} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
