"""A language model that reads deeper in the base, for short questions unless the newest ones speak against it.

    short texts? | sixteen layers, the upper six tuned by likeness (trainer.finetune.contrast) | head and pooling fitted
    on what they read | blended with the linear model, no less likely on the newest fold, which neither has learnt?
    ->  the deeper model, or the start (six layers)

The lower layers know which words there are, the middle ones what is asked. On short questions in many categories the
middle ones, tuned, are one to five points better, and the lessons decide, every night. Mail with a sender and a subject
gained nothing by depth (docs/experiments.md). All sets of questions gained, and one fold is too small to show a point:
so it has to speak clearly, by a standard error, to keep the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daemon.model.classifier import blend
from daemon.model.engines.engine import Floats
from trainer.calibrate import calibrated_losses, fit_blend, really_more
from trainer.candidates.pooled import LanguageModel, fit_language
from trainer.finetune.pooling import Room
from trainer.folds import Labels, Lessons, Rows, judged
from trainer.prepare import Shape
from trainer.recipe import Evidence, Questions, Recipe

if TYPE_CHECKING:
    from trainer.finetune.upper import TunedLayers


def possible(shape: Shape, depth: int, lengths: Sequence[int], recipe: Questions) -> bool:
    """Are the lessons short (`lengths` in tokens), has this whole base enough layers above `depth`, and are they small
    enough?"""
    if np.median(lengths) > recipe.short or not depth < recipe.depth < shape.layers:
        return False
    return shape.embedding + (recipe.depth + 1) * shape.layer <= recipe.most_weights


def behind(language: Floats, linear: Floats, labels: Labels, evidence: Evidence) -> bool:
    """Is the linear model right more often than the language model, by more than luck? NaN where no fold judged.

    No rehearsal has seen tuning close such a gap (docs/decisions.md), and it costs more than the rest of the night.
    """
    both = judged(language) & judged(linear)
    ours, theirs = ((answers[both].argmax(axis=1) == labels[both]).astype(float) for answers in (linear, language))
    return really_more(ours, theirs, evidence.beyond_luck)


def promised(language: Floats, linear: Floats, labels: Labels, recipe: Recipe) -> tuple[float, float] | None:
    """How many points righter a deeper model would be, from and to, by what is wrong with both models' answers out of
    fold; None where that is not worth it, or no fold judged."""
    both = judged(language) & judged(linear)
    if not both.any():
        return None
    ours, theirs, right = language[both], linear[both], labels[both]
    share = fit_blend(ours, theirs, right, recipe.evidence)
    wrong = 100 * float((blend(ours, theirs, share).argmax(axis=1) != right).mean())
    low, high = (part * wrong for part in recipe.questions.rights)
    return (low, high) if high >= recipe.questions.worth else None


def deepened(
    start: LanguageModel,
    lessons: Lessons,
    linear: Floats,
    room: Room,
    contrast: Callable[[Rows], TunedLayers | None],
    recipe: Recipe,
) -> LanguageModel:
    """A deeper model unless that is clearly worse, then `start`, which says so.

    `linear`: the linear model's answers out of fold. `contrast` tunes the layers on these rows. Raises whatever
    `contrast` raises, and TrainingFailed.
    """
    if not lessons.folds:
        return start
    learnt, fold = lessons.folds[-1]
    likened = contrast(learnt)
    if likened is None:
        return replace(start, chosen=f"{start.chosen}; reading deeper failed")
    depth = recipe.questions.depth
    once = replace(recipe, pooled=replace(recipe.pooled, strengths=(recipe.questions.strength,)))
    deeper = fit_language(likened.readings, replace(lessons, folds=((learnt, fold),)), room, depth, once)
    before, after = (
        _losses(answers[fold], linear[fold], lessons.labels[fold], recipe.evidence)
        for answers in (start.answers, deeper.answers)
    )
    words = f"{depth} layers tuned by likeness, loss {after.mean():.3f} for {before.mean():.3f} on the newest, blended"
    if really_more(after, before, recipe.questions.clearly):
        return replace(start, chosen=f"{start.chosen}; clearly worse with {words}")
    # The older folds keep the start's answers: no better than the deeper model's, so what is promised from them holds.
    answers = np.where(np.isnan(deeper.answers), start.answers, deeper.answers)
    return replace(deeper, answers=answers, chosen=f"{deeper.chosen}; {words}", layers=likened.layers)


def _losses(language: Floats, linear: Floats, labels: Labels, evidence: Evidence) -> npt.NDArray[np.float64]:
    """Lesson by lesson: the loss of their blend at its best share and temperature."""
    share = fit_blend(language, linear, labels, evidence)
    return calibrated_losses(blend(language, linear, share), labels, evidence)
