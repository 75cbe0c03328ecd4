"""What `postroom try` says to the trainer and hears from it; beside the contract of a night (daemon/training/order.py).

JOB/job.json, JOB/lessons.jsonl   as for a night: the examples; `thread` is what belongs together
JOB/judged.jsonl                  Lesson       examples to judge by alone, where the person gave some
JOB/result.json                   TrialResult  the table, and which to use
JOB/candidate, JOB/gguf           the model that would serve, and its language part for Ollama
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from daemon.training.order import Contract

JUDGED, GGUF = "judged.jsonl", "gguf"

Way = Literal["majority", "words", "base_free", "base_closed", "names", "codes", "pooled", "served"]
WAYS: tuple[Way, ...] = get_args(Way)
"""The rows of the table, in its order."""


class Share(Contract):
    """`right` of `n`, and Wilson's 95 % interval of that share, from 0 to 1."""

    right: int = Field(ge=0)
    n: int = Field(ge=0)
    low: float
    high: float

    @property
    def share(self) -> float:
        """From 0 to 1; 0 of nothing."""
        return self.right / self.n if self.n else 0.0


class TrialRow(Contract):
    """One way to answer, and how often it was right. `found` is None where it could not be tried; `why` says why."""

    way: Way
    found: Share | None = None
    why: str = ""
    seconds: float = 0.0
    """What it took to train and to ask."""


class Filed(Contract):
    """What would be filed at a `wanted` precision: `share` of all judged texts, and how much of that was `right`."""

    wanted: float
    share: Share
    right: Share


class Counts(Contract):
    """How the texts were divided. `stop`: they say when fine-tuning ends, and every other way learns them."""

    categories: int
    learnt: int
    stop: int
    judged: int
    by_time: bool


class TrialResult(Contract):
    """How a trial ended. Only one that was `tried` has rows and a model."""

    outcome: Literal["tried", "failed"]
    verdict: str = Field(min_length=1)
    """Which to use and why, in a sentence for people."""
    counts: Counts | None = None
    rows: tuple[TrialRow, ...] = ()
    filed: Filed | None = None
    notes: tuple[str, ...] = ()
