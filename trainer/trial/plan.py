"""How far a trial is, and how long it will still take: a guess at first, then by its own speed.

steps, each with what it should cost (seconds on two office cores) | how far the step in hand is | the clock
->  a share of the whole, and seconds left
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from daemon.training.order import Lesson, Order
from trainer.recipe import Answer
from trainer.trial.tuned import MOST_TOKENS, epochs_for

MOST_PROMPTED = 200
"""Texts that the untrained base is asked about: writing freely is the slowest thing in a trial."""
BELIEVED = 20.0
"""The guess counts as so many seconds of work that went as guessed."""
MOST, LEAST_LEFT = 0.99, 5
"""Until the end no larger share is told and no fewer seconds are left: what follows the last tick takes time, too."""


class Say(Protocol):
    """Hears one event: what is done, of a thousand in all, and how many seconds are left."""

    def __call__(self, event: Mapping[str, Any]) -> None: ...


class Plan:
    """The steps of one trial in their order, and what each should cost."""

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


def costs(job: Order, lessons: Sequence[Lesson], given: Sequence[Lesson]) -> dict[str, float]:
    """Seconds that each step should cost on two office cores with SmolLM2 135M; the plan learns its own speed."""
    tokens = [min(len(lesson.text.subject) + len(lesson.text.body), 900) / 4 + 12 for lesson in lessons]
    whole = float(sum(tokens))
    judged = len(given) or 0.15 * len(lessons)
    names = sum(len(category.title) / 4 + 2 for category in job.categories)
    prompted = min(judged, MOST_PROMPTED)
    epochs = epochs_for(round(0.7 * len(lessons)), Answer().epochs)
    tuning = epochs * min(0.85 * whole, MOST_TOKENS) / 350 + judged * whole / max(len(lessons), 1) / 1000 + 8
    short = whole / max(len(lessons), 1) < 34
    return {
        "clean": 1 + len(lessons) / 1000,
        "prepare": 25,
        "linear": 2 + len(lessons) * (1 + len(job.categories) / 20) / 200,
        "cache": 3 + whole / 4000,
        "train": (100 if short else 5) if job.tuning == "pooled" else tuning,
        "write": 10,
        "exam": 5,
        "export": 3,
        "pooled": 0 if job.tuning == "pooled" else 30 + whole / 4000 + (100 if short else 0),
        "base": 5 + prompted * (whole / max(len(lessons), 1) + 2 * names + 120) / 500,
        "names": tuning,
        "codes": tuning if job.tuning == "pooled" else 0,
    }
