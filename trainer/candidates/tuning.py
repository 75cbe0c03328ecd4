"""Fine-tuning the language candidate, and whether it paid.

the start far behind the linear model, or tuned in vain on these lessons already? | LoRA on the start's upper layers
(trainer.finetune.lora) | head and pooling fitted anew on what they read | judged by the newest fold, which neither has
learnt: one half of it ends the training, the other decides  ->  tuned model or start
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from daemon.model.engines.engine import Floats
from daemon.training.order import LoraTried
from trainer.calibrate import really_more
from trainer.candidates.heads import Fold, Labels
from trainer.candidates.language import LanguageModel, fit_language, fit_once
from trainer.finetune.lora import tune
from trainer.finetune.pooling import Room
from trainer.finetune.reading import Readings

# LoRA was refused: this share of the lessons must be newer before it is tried again.
ENOUGH_NEW = 0.2
# LoRA's layers end where the pooling layer begins, and begin so many below. Two of four cost half as much as all.
TUNED_LAYERS = 2


@dataclass(frozen=True)
class Lessons:
    """What there is to learn from, in order of time; `readings` by the base as it is, `linear` the linear model's
    answers out of fold, NaN where no fold judged."""

    readings: Readings
    prompts: Sequence[Sequence[int]]
    labels: Labels
    weights: Floats
    classes: int
    parts: Sequence[Fold]
    linear: Floats
    room: Room


def worth_trying(before: LoraTried | None, ids: Sequence[int]) -> bool:
    """May LoRA pay on these lessons? Not while most of them are those on which it did not. Pure."""
    if before is None or before.paid:
        return True
    fresh = sum(each > before.newest for each in ids)
    return fresh >= ENOUGH_NEW * len(ids)


def behind(language: Floats, linear: Floats, labels: Labels) -> bool:
    """Is the linear model right more often than the language model, by more than luck? NaN where no fold judged. Pure.

    No rehearsal has seen LoRA close such a gap (docs/decisions.md), and it costs more than all the rest of the night.
    """
    judged = ~(np.isnan(language[:, 0]) | np.isnan(linear[:, 0]))
    ours, theirs = ((each[judged].argmax(axis=1) == labels[judged]).astype(float) for each in (linear, language))
    return really_more(ours, theirs)


def fine_tune(
    model: Any,
    start: LanguageModel,
    lessons: Lessons,
    adapter: Path,
    seed: int,
    tick: Callable[[int, int], None],
) -> LanguageModel:
    """The better of `start` and its fine-tuned form, which has `layers`.

    Raises whatever `tick` raises, and TrainingFailed.
    """
    if not lessons.parts or not start.depth:  # nothing to judge by, or no layer below the pooling layer
        return start
    learnt, fold = lessons.parts[-1]
    # The half that ends the training flatters it, so the other half judges.
    stopping, judging = fold[::2], fold[1::2]
    if not len(judging):  # a fold of one lesson judges nothing
        return start
    # A start that has not learnt the held-out lessons either: else it would look better there than it is.
    begun = fit_once(
        lessons.readings[learnt],
        lessons.labels[learnt],
        lessons.weights[learnt],
        lessons.classes,
        start.strength,
        lessons.room,
    )
    tuned = tune(
        model,
        max(0, start.depth - TUNED_LAYERS),
        start.depth,
        begun,
        lessons.prompts,
        lessons.labels,
        lessons.weights,
        learnt,
        stopping,
        adapter,
        seed,
        tick,
    )
    if tuned is None:
        return replace(start, chosen=f"{start.chosen}; LoRA got no better")
    again = fit_language(
        tuned.readings,
        lessons.labels,
        lessons.weights,
        lessons.classes,
        [(learnt, fold)],
        lessons.room,
        start.depth,
    )
    before, after = (
        (answers[judging].argmax(axis=1) == lessons.labels[judging]).astype(float)
        for answers in (start.answers, again.answers)
    )
    words = f"LoRA, {tuned.epochs} epochs: {after.mean():.1%} of the newest lessons right, {before.mean():.1%} without"
    if not really_more(after, before):  # it costs more than the start: a lucky lesson is not enough
        return replace(start, chosen=f"{start.chosen}; {words}")
    return instead(start, again, words, tuned.layers)


def instead(start: LanguageModel, tuned: LanguageModel, words: str, layers: Mapping[str, Any]) -> LanguageModel:
    """The tuned model, which serves instead of `start`. Pure.

    The older folds keep the start's answers: no better than the tuned model's, so what is promised from them holds.
    """
    answers = np.where(np.isnan(tuned.answers), start.answers, tuned.answers)
    return replace(tuned, answers=answers, chosen=f"{tuned.chosen}; {words}", layers=layers)
