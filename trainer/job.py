"""One night's order: what the daemon hands to the trainer, read and checked, and how the trainer answers.

    JOB/job.json, JOB/lessons.jsonl  ->  Order, [Lesson]
    stdout: one JSON object a line, {"stage", "done", "total", "text"}      JOB/result.json: how it ended

Stages: clean, prepare, linear, cache, train, write, exam, export. A step is told when it begins.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daemon.training.order import LESSONS, ORDER, RESULT, Comparison, Lesson, Order, Result, first_mistake

Progress = Callable[[str, int, int, str], None]
"""progress(stage, done, total, text)"""
Tell = Callable[[str, int, int, str, int | None], None]
"""The same, and how many seconds are left; None: that is not known."""


class BadJob(Exception):
    """The job folder can't be understood. `str()` names the file, the place and the fact; the exit code is 2."""


class TrainingFailed(Exception):
    """Expected trouble: `str()` is the sentence for people. Yesterday's model goes on serving."""


def read_job(folder: Path) -> Order:
    """Read job.json. Raises BadJob."""
    path = folder / ORDER
    try:
        return Order.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadJob(f"{path}: can't be read: {error.strerror}. Name a job folder that the daemon wrote.") from error
    except ValidationError as error:
        raise BadJob(f"{path}: {first_mistake(error)}") from error


def read_lessons(folder: Path, name: str = LESSONS) -> list[Lesson]:
    """Read lessons.jsonl, in its order. Raises BadJob with the line's number, never with its text."""
    path = folder / name
    lessons: list[Lesson] = []
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):  # noqa: B007  named in the error below
                if line.strip():
                    lessons.append(Lesson.model_validate_json(line))
    except OSError as error:
        raise BadJob(f"{path}: can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadJob(f"{path}: not UTF-8.") from error
    except ValidationError as error:
        raise BadJob(f"{path}, line {number}: {first_mistake(error)}") from error
    return lessons


def bug_in_words(error: BaseException) -> str:
    """Where an unexpected error arose, and on the last line, which the daemon shows, its kind; never its text.

    A library's error often quotes what it choked on, and here that is mail.
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"  at {frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames)]
    place = f" in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return "\n".join([*lines, f"{type(error).__name__}{place}: a bug; its text is withheld, for it may quote mail."])


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that it is there entirely or not at all. Raises OSError."""
    beside = path.with_name(f".{path.name}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)


def write_result(folder: Path, result: Result | Comparison) -> None:
    """Write result.json. Raises OSError."""
    write_whole(folder / RESULT, result.model_dump_json(indent=1))


def to_stdout(stage: str, done: int, total: int, text: str, left: int | None = None) -> None:
    """The progress that the daemon reads."""
    say_event({"stage": stage, "done": done, "total": total, "text": text, "left": left})


def say_event(event: Mapping[str, Any]) -> None:
    """One line of JSON on stdout. A reader that went away is no reason to stop."""
    try:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  stays open as stdout does


class Clock:
    """How much of the time limit is left. Wall-clock, because the office's night is; CPU time is only reported."""

    def __init__(self, limit: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = now()
        self.limit = limit

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._now() - self._started

    @property
    def left(self) -> float:
        """Seconds left; infinite without a limit."""
        return float("inf") if self.limit is None else self.limit - self.elapsed
