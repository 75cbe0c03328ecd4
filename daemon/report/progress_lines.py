"""Progress in lines, for where no terminal shows a bar: never still for long, with or without a step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from rich.progress import Task, TextColumn
from rich.text import Text

LINE_EVERY = 10.0
"""Seconds between two lines of progress where no terminal shows a bar."""
LEAST_LEFT = 5.0
"""Seconds that are left at least as long as it goes on, though a guess said that it would be over by now."""
BEAT_S = 1.0
"""So often it is asked whether a line is due though no step has come."""


class Lines:
    """Progress in lines: at least one every `EVERY` seconds, be there a step or not. For two threads: one that works,
    and one that calls `beat`."""

    EVERY = LINE_EVERY

    def __init__(self, say: Callable[[str], None], now: Callable[[], float] = time.monotonic, begin: str = "") -> None:
        self._say, self._now = say, now
        self._lock = threading.Lock()
        self._text, self._done, self._total = begin, 0, 1
        self._left: float | None = None
        self._began = self._said = self._stepped = now()

    def step(self, text: str, done: int, total: int, *, new: bool, tell: bool, left: float | None = None) -> None:
        """So much is done. `new`: of something that begins with it; `tell`: say it at once; `left`: seconds that all
        of it takes yet, where that is known."""
        with self._lock:
            self._stepped, self._left = self._now(), left
            if new:
                self._began = self._stepped
            self._text, self._done, self._total = text, done, total
            if tell or self._due():
                self._tell()

    def beat(self) -> None:
        """Say how it stands, if nothing was said for so long."""
        with self._lock:
            if self._text and self._due():
                self._tell()

    def _due(self) -> bool:
        return self._now() - self._said >= self.EVERY

    def _tell(self) -> None:
        self._said = self._now()
        self._say(self._line(self._said - self._began, self._said - self._stepped))

    def _line(self, seconds: float, since: float) -> str:
        """What is said so long after the beginning, and after the last step."""
        if self._left is not None:
            far = f": {self._done} of {self._total}" if self._total > 1 else ""
            return f"{self._text}{far} ({left_yet(self._left, since)})"
        waits = f"; it goes on, for {time_in_words(since)} now" if self._done >= self._total and since >= 1 else ""
        return f"{self._text}{standing(self._done, self._total, seconds)}{waits}"


def standing(done: int, total: int, seconds: float) -> str:
    """How far something is that began so many seconds ago, and how long it takes yet if it goes on like this."""
    far = f": {done} of {total}" if total > 1 else ""
    if 0 < done < total and seconds >= 1:
        return f"{far}, about {time_in_words(seconds / done * (total - done))} left"
    if done < total and seconds >= 1:
        return f"{far}, for {time_in_words(seconds)} now"
    return far


def left_yet(told: float, since: float) -> str:
    """What is left of seconds that were told so long ago."""
    return f"{time_in_words(max(told - since, LEAST_LEFT))} left"


def time_in_words(seconds: float) -> str:
    """ "40 s", "3 min", "1 h 20 min": no more exact than a guess is."""
    if seconds < 90:
        return f"{5 * round(seconds / 5):d} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def clipped(words: str, most: int) -> str:
    """At most so many characters, and a mark where some are missing."""
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


class Beats(Protocol):
    """What speaks by itself where no step comes, if it is asked often enough."""

    def beat(self) -> None: ...


Beating = TypeVar("Beating", bound=Beats)


@contextmanager
def beating(lines: Beating, every_s: float = BEAT_S) -> Iterator[Beating]:
    """While the block runs, `lines` also speak where no step comes."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(every_s):
            lines.beat()

    thread = threading.Thread(target=beat, name="progress", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        ended.set()
        thread.join()


def training_lines(lines: Lines) -> Callable[[Mapping[str, Any]], None]:
    """show(event): a line when a stage begins and otherwise one every `LINE_EVERY` seconds."""
    stage = ""

    def show(event: Mapping[str, Any]) -> None:
        nonlocal stage
        name, done, total = str(event.get("stage", "")), int(event.get("done") or 0), int(event.get("total") or 1)
        new, stage = name != stage, name
        lines.step(str(event.get("text") or name), done, total, new=new, tell=new, left=event.get("left"))

    return show


def counting_lines(lines: Lines) -> Callable[[str, int, int], None]:
    """show(name, done, total): a line when all is done and otherwise one every `LINE_EVERY` seconds."""
    known: str | None = None

    def show(name: str, done: int, total: int) -> None:
        nonlocal known
        new, known = name != known, name
        lines.step(name, done, total, new=new, tell=done >= total > 0)

    return show


class LeftColumn(TextColumn):
    """How long it takes yet: by the fields `left` and `heard` what was left when somebody spoke, less what has passed
    since; without them by how it went until now, and nothing before the first step and after the last."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """As lines say it."""
        if task.fields.get("left") is not None:
            since = task.get_time() - task.fields["heard"]
            return Text("" if task.finished else left_yet(task.fields["left"], since))
        seconds, total = task.elapsed or 0.0, int(task.total or 0)
        words = standing(int(task.completed), total, seconds).rpartition(", about ")
        return Text(words[2] if words[1] else "")
