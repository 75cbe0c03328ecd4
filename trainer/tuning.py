"""Fine-tuning the language candidate, and whether it paid.

the pooled start | LoRA on the kept layers (trainer.finetune.lora) | head and pooling fitted anew on what they read
| the newest fold, which neither has learnt: better?  ->  the tuned model, or the start
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from daemon.engines.base import Floats
from trainer.finetune.lora import tune
from trainer.finetune.reading import Readings
from trainer.heads import Fold, Labels, share_right
from trainer.language import LanguageModel, calibrated, fit_language, fit_once

# LoRA's layers end where the pooling layer begins, and begin so many below. Two of four cost half as much as all.
TUNED_LAYERS = 2


@dataclass(frozen=True)
class Lessons:
    """What there is to learn from, in order of time; `readings` by the base as it is."""

    readings: Readings
    prompts: Sequence[Sequence[int]]
    labels: Labels
    weights: Floats
    classes: int
    parts: Sequence[Fold]


def fine_tune(
    model: Any,
    depth: int,
    start: LanguageModel,
    lessons: Lessons,
    directions: int,
    adapter: Path,
    seed: int,
    tick: Callable[[int, int], None],
) -> tuple[LanguageModel, dict[str, Any]]:
    """The better of `start` and its fine-tuned form, with the weights to change in `model`; none for the start.

    Raises whatever `tick` raises, and TrainingFailed.
    """
    if not lessons.parts:
        return start, {}
    learnt, held_out = lessons.parts[-1]
    # A start that has not learnt the held-out lessons either: else it would look better there than it is.
    begun = fit_once(
        lessons.readings[learnt],
        lessons.labels[learnt],
        lessons.weights[learnt],
        lessons.classes,
        start.strength,
        directions,
        start.pooling.epsilon,
    )
    tuned = tune(
        model,
        max(0, depth - TUNED_LAYERS),
        depth,
        begun,
        lessons.prompts,
        lessons.labels,
        lessons.weights,
        learnt,
        held_out,
        adapter,
        seed,
        tick,
    )
    if tuned is None:
        return replace(start, chosen=f"{start.chosen}; LoRA got no better"), {}
    again = fit_language(
        tuned.readings,
        lessons.labels,
        lessons.weights,
        lessons.classes,
        [(learnt, held_out)],
        directions,
        start.pooling.epsilon,
    )
    before, after = (_worth(answers[held_out], lessons.labels[held_out]) for answers in (start.answers, again.answers))
    words = f"LoRA, {tuned.epochs} epochs: {after[0]:.1%} of the newest fold right, {before[0]:.1%} without"
    if after <= before:
        return replace(start, chosen=f"{start.chosen}; {words}"), {}
    # The older folds keep the start's answers: no better than the tuned model's, so what is promised from them holds.
    answers = np.where(np.isnan(again.answers), start.answers, again.answers)
    return replace(again, answers=answers, chosen=f"{again.chosen}; {words}"), tuned.layers


def _worth(answers: Floats, labels: Labels) -> tuple[float, float]:
    """What two models are compared by: the share that is right, then how little surprised they were."""
    return round(share_right(answers, labels), 4), -calibrated(answers, labels)
