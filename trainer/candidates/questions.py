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
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.model.classifier import blend
from daemon.model.engines.engine import Floats
from trainer.calibrate import calibrated_losses, fit_blend, really_more
from trainer.candidates.heads import Labels
from trainer.candidates.language import LanguageModel, fit_language
from trainer.candidates.tuning import Lessons, instead
from trainer.finetune.upper import Merged

# Layers below the pooling layer, and the lowest of those that are tuned.
DEPTH = 16
LOWEST = 10
# How close its head follows the lessons; any of trainer.candidates.language's STRENGTHS is as good here.
STRENGTH = 10.0
# The start is kept where its loss is lower by so many standard errors.
CLEARLY = 1.0
# Weights of the model that serves: SmolLM2 135M has 88 million. A larger base takes too long to tune in a night.
MOST_WEIGHTS = 150_000_000
# Tokens of the prompt in the middle: 18 to 23 in the sets of questions that gained, 41 and 45 in two sets that did not.
SHORT = 32


def possible(model: Any, depth: int, lengths: Sequence[int]) -> bool:
    """Are the lessons short (`lengths` in tokens), has this whole base enough layers above `depth`, and are they small
    enough?"""
    core = model.model
    if np.median(lengths) > SHORT or not depth < DEPTH < len(core.layers):
        return False
    weights = core.embed_tokens.weight.numel() + sum(
        weight.numel() for layer in core.layers[: DEPTH + 1] for weight in layer.parameters()
    )
    return bool(weights <= MOST_WEIGHTS)


def deepened(start: LanguageModel, lessons: Lessons, contrast: Callable[[Labels], Merged | None]) -> LanguageModel:
    """A deeper model unless that is clearly worse, then `start`, which says so.

    `contrast` tunes layers LOWEST to DEPTH on these rows. Raises whatever `contrast` raises, and
    TrainingFailed.
    """
    if not lessons.parts:
        return start
    learnt, fold = lessons.parts[-1]
    likened = contrast(learnt)
    if likened is None:
        return replace(start, chosen=f"{start.chosen}; reading deeper failed")
    deeper = fit_language(
        likened.readings,
        lessons.labels,
        lessons.weights,
        lessons.classes,
        [(learnt, fold)],
        lessons.room,
        DEPTH,
        [STRENGTH],
    )
    before, after = (
        _losses(answers[fold], lessons.linear[fold], lessons.labels[fold])
        for answers in (start.answers, deeper.answers)
    )
    words = f"{DEPTH} layers tuned by likeness, loss {after.mean():.3f} for {before.mean():.3f} on the newest, blended"
    if really_more(after, before, CLEARLY):
        return replace(start, chosen=f"{start.chosen}; clearly worse with {words}")
    return instead(start, deeper, words, likened.layers)


def _losses(language: Floats, linear: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """Lesson by lesson: the loss of their blend at its best share and temperature."""
    return calibrated_losses(blend(language, linear, fit_blend(language, linear, labels)), labels)
