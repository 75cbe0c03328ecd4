"""Ordinary classes that stand in for the model in tests of logic. Models themselves are tested for real elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.base import MailText
from daemon.model.engines.engine import EngineUnavailable
from daemon.model.prediction import Point, Prediction, TriedHint
from daemon.store.records import HintKind

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        """advance(minutes=5)."""
        self.now += timedelta(**duration)


def good_hints(right: int = 20, wrong: int = 0) -> tuple[TriedHint, ...]:
    """So many hints of each kind that files, as tried on lessons."""
    shapes = ("thread", "a thread in one folder"), ("memory", "the same text"), ("memory", "nearly the same text")
    return tuple(
        TriedHint(HintKind(source, shape, "within a day"), "any" if place < right else "other", "any")  # type: ignore[arg-type]
        for source, shape in shapes
        for place in range(right + wrong)
    )


@dataclass
class FakeMeta:
    """A model that was right in every lesson of its exam, so that thresholds are low."""

    version: str = "2026-03-01a"
    points: list[Any] = field(default_factory=list)


@dataclass
class FakeClassifier:
    """Answers by the first word of the subject: {"invoice": {"c1": 0.97, "c2": 0.03}}. Unknown words: all alike."""

    answers: Mapping[str, Mapping[str, float]]
    meta: FakeMeta = field(default_factory=FakeMeta)
    unavailable: bool = False
    asked: int = 0
    newest_lesson: int | None = None
    """None: it has no neighbours to be taught."""
    sureness: float | None = None
    """What it states of every answer."""

    def classify(self, texts: Sequence[MailText]) -> list[Prediction]:
        if self.unavailable:
            raise EngineUnavailable("the model server is down. Postroom tries again at the next poll.")
        self.asked += len(texts)
        return [self._one(text) for text in texts]

    def _one(self, text: MailText) -> Prediction:
        everything = {uid: 0.5 for answer in self.answers.values() for uid in answer}
        answer = self.answers.get((text.subject.split() or [""])[0].lower(), everything)
        total = sum(answer.values())
        ranking = sorted(((uid, p / total) for uid, p in answer.items()), key=lambda pair: -pair[1])
        return Prediction(tuple(ranking), sureness=self.sureness)

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class FakeRegistry:
    """Hands out one classifier for every mailbox."""

    model: FakeClassifier | None

    def classifier(self, mailbox: int) -> FakeClassifier | None:
        return self.model

    def points(self, mailbox: int) -> tuple[Point, ...]:
        return ()

    def close(self) -> None:
        """Nothing to close."""
