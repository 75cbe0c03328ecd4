"""What the steps of a trial should cost, for its plan."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.training.order import Lesson, Order
from trainer.plan import SHORT_TOKENS, night_costs, tokens_in
from trainer.recipe import Answer
from trainer.trial.tuned import MOST_TOKENS, epochs_for

MOST_PROMPTED = 200
"""Texts that the untrained base is asked about: writing freely is the slowest thing in a trial."""


def costs(job: Order, lessons: Sequence[Lesson], given: Sequence[Lesson]) -> dict[str, float]:
    """Seconds that each step should cost on two office cores with SmolLM2 135M; the plan learns its own speed."""
    tokens, judged = tokens_in(lessons), len(given) or 0.15 * len(lessons)
    a_text = tokens / max(len(lessons), 1)
    names = sum(len(category.title) / 4 + 2 for category in job.categories)
    epochs = epochs_for(round(0.7 * len(lessons)), Answer().epochs)
    tuning = epochs * min(0.85 * tokens, MOST_TOKENS) / 350 + judged * a_text / 1000 + 8
    pooled = job.tuning == "pooled"
    return {
        **night_costs(job, lessons),
        **({} if pooled else {"train": tuning}),
        "pooled": 0 if pooled else 30 + tokens / 4000 + (100 if a_text < SHORT_TOKENS else 0),
        "base": 5 + min(judged, MOST_PROMPTED) * (a_text + 2 * names + 120) / 500,
        "names": tuning,
        "codes": tuning if pooled else 0,
    }
