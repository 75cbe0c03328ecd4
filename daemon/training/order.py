"""What daemon and trainer say to one another: the order, its lessons, and the result. Both sides use these models.

    JOB/job.json       Order       written by daemon.training.hand_over, read by trainer.job
    JOB/lessons.jsonl  Lesson      one a line, the same way
    JOB/result.json    Result      written by trainer.job, read by daemon.training.trainer_process
                       Comparison  the same of `postroom train --compare-labels`

A key that these models do not know is refused on both sides: what one side misspells would else silently mean the
default to the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectors.base import MailText
from daemon.model.engines.engine_kinds import AnyEngine, EmbeddedSettings

ORDER, LESSONS, RESULT, CANDIDATE = "job.json", "lessons.jsonl", "result.json", "candidate"
"""The parts of a job folder; the last is the model folder that a training makes."""


class Contract(BaseModel):
    """Nothing changes after it is made, and unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Category(Contract):
    """A category as the store knows it. `id` is what lessons name; name and description are also learnt from."""

    id: str
    name: str = ""
    description: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.id


class CodebookRow(Contract):
    """One row of the codebook: the code that a category (its id) has forever."""

    code: str
    category: str


class Order(Contract):
    """One training: what to learn for which mailbox, with which base and engine, and how much it may take."""

    version: str = Field(min_length=1)
    mailbox: str = ""
    """Its name, by which a model server knows the models."""
    cache: Path
    term_key: Path
    """The file with the key that words are hashed under."""
    engine: AnyEngine = EmbeddedSettings()
    """What will serve, on which base and in which form: the exam is taken of that."""
    categories: tuple[Category, ...] = Field(min_length=1)
    codebook: tuple[CodebookRow, ...] = ()
    current: Path | None = None
    """The folder of the model in use."""
    withdrawn: Path | None = None
    """A model that people overrode too often: a candidate has to beat it."""
    wanted_precision: float = Field(default=0.95, gt=0, lt=1)
    attached: int = Field(default=0, ge=0)
    """The layout of the text of files to learn from (daemon.model.as_read); 0: without."""
    own_domains: tuple[str, ...] = ()
    """The office's, whose senders may take part in any thread."""
    seed: int = 1
    threads: int = Field(default=2, ge=1)
    time_limit_s: float | None = Field(default=None, gt=0)
    tuning: Literal["pooled", "answer"] = "pooled"
    backend: Literal["peft", "unsloth"] = "peft"
    unsloth_python: Path | None = None
    memory_mb: int = Field(default=1024, ge=1)
    also_gguf: bool = False
    """Write the language model as a GGUF file, too, whatever serves it."""

    @property
    def own_cache(self) -> Path:
        """Where this mailbox's lessons leave numbers for the next night, apart from the bases that all share."""
        return readings_folder(self.cache, self.mailbox) if self.mailbox else self.cache

    def title(self, category: str) -> str:
        """What people call a category id."""
        return next((known.title for known in self.categories if known.id == category), category)


class Lesson(Contract):
    """One labelled text, always from a person. `frozen`: it belongs to the exam forever."""

    id: int
    category: str
    text: MailText
    thread: str | None = None
    at: AwareDatetime | None = None
    """When it was taught."""
    weight: float = Field(default=1.0, ge=0)
    frozen: bool = False

    @property
    def when(self) -> datetime:
        """When it was taught; lessons without a date count as the oldest."""
        return self.at or datetime(1970, 1, 1, tzinfo=UTC)


class Exam(Contract):
    """How the candidate did, in shares from 0 to 1. None: that model did not take it.

    `n` lessons were asked; `interval` holds the candidate's share with 95 %; `kind` says which of linear, llm and blend
    the candidate is. `details` are for the record and for people: the registry keeps them as they are.
    """

    n: int = Field(ge=0)
    candidate: float | None = None
    interval: tuple[float, float] | None = None
    current: float | None = None
    linear: float | None = None
    llm: float | None = None
    blend: float | None = None
    kind: Literal["llm", "linear", "blend"] | None = None
    details: dict[str, Any] = {}


class Result(Contract):
    """How a training ended. Only a candidate has a codebook, may be promoted, and lies in the job folder."""

    outcome: Literal["candidate", "nothing", "failed"]
    verdict: str = Field(min_length=1)
    """In a sentence, for people."""
    promote: bool = False
    exam: Exam | None = None
    codebook: tuple[CodebookRow, ...] = ()
    """The order's, and a new row for every category that had none."""
    frozen: tuple[int, ...] = ()
    """Lessons that belong to the exam from now on."""
    report: tuple[str, ...] = ()
    """What was found out about the lessons, in sentences."""
    contradictions: tuple[tuple[int, int], ...] = ()
    """Pairs of lessons that are nearly the same mail in different categories."""
    train_cpu_s: float = 0.0
    peak_memory_mb: int = 0

    @model_validator(mode="after")
    def _only_a_candidate_is_promoted(self) -> Self:
        if self.outcome == "candidate" and not (self.codebook and self.exam):
            raise ValueError("a candidate needs its codebook and its exam")
        if self.outcome != "candidate" and self.promote:
            raise ValueError("nothing was made that could be promoted")
        return self


class Comparison(Contract):
    """Category names against codes: a table in `verdict`, and its figures."""

    outcome: Literal["compared", "failed"]
    verdict: str = Field(min_length=1)
    comparison: dict[str, Any] | None = None


def readings_folder(cache: Path, mailbox: str) -> Path:
    """Where the lessons of the mailbox of this name leave numbers; of those that share, the lender's name counts."""
    return cache / "lessons" / mailbox


def first_mistake(error: ValidationError) -> str:
    """The first mistake that pydantic found: its place and what is wrong there, never the value, which may be mail."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}"
