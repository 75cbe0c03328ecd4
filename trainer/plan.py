"""How far a training is, and how long it will still take: a guess at first, then by its own speed.

steps, each with what it should cost (seconds on two office cores) | how far the step in hand is | the clock
->  a share of the whole, and seconds left
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from daemon.training.order import Lesson, Order
from trainer.job import Progress, Tell

BELIEVED = 20.0
"""The guess counts as so many seconds of work that went as guessed."""
SHORT_TOKENS = 34
"""Lessons shorter than so many tokens on average are questions: layers of the base are tuned for them, too."""
MOST, LEAST_LEFT = 0.99, 5
"""Until the end no larger share is told and no fewer seconds are left: what follows the last tick takes time, too."""


class Say(Protocol):
    """Hears one event: what is done, of a thousand in all, and how many seconds are left."""

    def __call__(self, event: Mapping[str, Any]) -> None: ...


class Plan:
    """The steps of one training in their order, and what each should cost."""

    def __init__(self, costs: Mapping[str, float], say: Say, now: Callable[[], float] = time.monotonic) -> None:
        self._costs, self._say, self._now = dict(costs), say, now
        self._whole = max(sum(self._costs.values()), 1e-9)
        self._started = now()
        self._behind = self._told = 0.0
        self._step = ""
        self._words = ""

    def begin(self, step: str, words: str) -> None:
        """This step begins; what was planned before it is done. One that nobody planned costs nothing."""
        if step in self._costs and step != self._step:
            names = list(self._costs)
            before = sum(self._costs[name] for name in names[: names.index(step)])
            self._behind = max(self._behind, before)
        self._step, self._words = step, words
        self.tick(0, 1)

    def tick(self, done: int, total: int, words: str = "") -> None:
        """The step in hand is so far."""
        part = min(done / total, 1.0) if total else 0.0
        behind = min(self._behind + part * self._costs.get(self._step, 0.0), self._whole)
        self._tell(behind, words or self._words)

    def end(self) -> None:
        """All is done."""
        self._tell(self._whole, "done", at_end=True)

    def _tell(self, behind: float, words: str, *, at_end: bool = False) -> None:
        behind = behind if at_end else min(behind, MOST * self._whole)
        behind = self._told = max(self._told, behind)  # what is told never goes back
        spent = self._now() - self._started
        speed = (behind + BELIEVED) / (spent + BELIEVED)
        self._say(
            {
                "stage": self._step,
                "done": round(1000 * behind / self._whole),
                "total": 1000,
                "text": words,
                "left": 0 if at_end else max(round((self._whole - behind) / speed), LEAST_LEFT),
            }
        )


def tokens_in(lessons: Sequence[Lesson]) -> float:
    """How many tokens a model will read, about."""
    return float(sum(min(len(lesson.text.subject) + len(lesson.text.body), 900) / 4 + 12 for lesson in lessons))


def night_costs(job: Order, lessons: Sequence[Lesson]) -> dict[str, float]:
    """Seconds that each stage of a night should cost on two office cores with SmolLM2 135M."""
    tokens = tokens_in(lessons)
    short = tokens / max(len(lessons), 1) < SHORT_TOKENS
    tuned = job.tuning == "answer"
    return {
        "clean": 1 + len(lessons) / 1000,
        "prepare": 4,
        "linear": 2 + len(lessons) * (1 + len(job.categories) / 20) / 200,
        "cache": 8 + tokens / 4000,
        "train": tokens / 90 if tuned else 100 if short else 5,
        "write": 10,
        "exam": 5,
        "export": 3,
    }


def with_time_left(tell: Tell, costs: Mapping[str, float]) -> Progress:
    """A night's progress, told with the seconds that the whole night still takes."""
    told: dict[str, Any] = {}
    plan = Plan(costs, lambda event: told.update(event))
    stages: list[str] = []

    def progress(stage: str, done: int, total: int, text: str) -> None:
        if stages[-1:] != [stage]:
            stages.append(stage)
            plan.begin(stage, text)
        plan.tick(done, total)
        tell(stage, done, total, text, told["left"])

    return progress
