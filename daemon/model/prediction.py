"""What a model answers, and what one lesson's answer in its exam was: values, without the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from daemon.store.records import HintKind


class Point(NamedTuple):
    """One held-out lesson as the served model answered it. Thresholds are drawn from these at run time."""

    category: str
    predicted: str
    probability: float
    """The answer's probability, or the sureness of a model that states it."""
    correct: bool
    stated: bool = False
    """Is it sureness? Only numbers of one kind may be compared."""


class TriedHint(NamedTuple):
    """A hint that was asked about a mail whose place is known: a lesson, or what people have judged since it was filed.
    `category`: where it belongs; None: not there."""

    kind: HintKind
    category: str | None
    predicted: str

    @property
    def right(self) -> bool:
        """Did it say where the mail belongs?"""
        return self.category == self.predicted


@dataclass(frozen=True)
class Prediction:
    """What a model thinks of one message: (category id, probability), best first.

    Empty when none of its categories is allowed any more.
    """

    ranking: tuple[tuple[str, float], ...]
    newcomer: str | None = None
    """A category that the model was not trained for, whose lessons are more like the message than any other's."""
    sureness: float | None = None
    """The chance that the best category is right (daemon.model.sureness); None: this model states no more than
    probabilities."""

    @property
    def best(self) -> str | None:
        """The likeliest category's id."""
        return self.ranking[0][0] if self.ranking else None

    @property
    def probability(self) -> float:
        """The best one's probability, calibrated; 0 without any."""
        return self.ranking[0][1] if self.ranking else 0.0

    @property
    def sure(self) -> float:
        """What thresholds are compared with: the sureness, or without one the best one's probability."""
        return self.probability if self.sureness is None else self.sureness

    @property
    def runner_up(self) -> tuple[str, float] | None:
        """The next best category and its probability, for the reason that people read."""
        return self.ranking[1] if len(self.ranking) > 1 else None
