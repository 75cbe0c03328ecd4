"""A second language model that reads deeper in the base, for short questions where the folds show that it pays.

    short texts? | the start (six layers) | what sixteen layers read | pooled and fitted alike
    | the mean of both models' answers | blended with the linear model, likelier out of fold by a standard error?
    ->  both, or the start

The lower layers know which words there are, the middle ones what is asked; their mistakes differ. On short questions
in many categories both together are one to two points better, and the lessons decide, every night. Mail with a sender
and a subject gained nothing, and there two models are surer about what they have never seen (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.classifier import blend
from daemon.engines.base import Floats
from daemon.engines.embedded import together
from trainer.calibrate import calibrated_losses, fit_blend, really_more
from trainer.finetune.pooling import Room
from trainer.finetune.reading import Readings
from trainer.heads import Labels
from trainer.language import LanguageModel, fit_language
from trainer.tuning import Lessons

# Layers below the deeper model's pooling layer. Twelve gained less, twenty no more.
DEPTH = 16
# How close its head follows the lessons; any of trainer.language's STRENGTHS is as good here.
STRENGTH = 10.0
# The simpler model serves where it is within so many standard errors of the better one (Breiman et al.,
# Classification and Regression Trees, 1984, section 3.4.3).
BETTER = 1.0
# Weights of the deeper model, a byte each in int8: SmolLM2 135M has 88 million, and the daemon grows by 150 MB.
MOST_WEIGHTS = 150_000_000
# Tokens of the lesson in the middle: 18 to 23 in the sets of questions that gained, over a hundred in mail.
SHORT = 48


def possible(model: Any, depth: int, lengths: Sequence[int]) -> bool:
    """Are the lessons short (`lengths` in tokens), has this whole base enough layers above `depth`, and are they small
    enough to be kept in memory as well?"""
    core = model.model
    if np.median(lengths) > SHORT or not depth < DEPTH < len(core.layers):
        return False
    weights = core.embed_tokens.weight.numel() + sum(
        weight.numel() for layer in core.layers[: DEPTH + 1] for weight in layer.parameters()
    )
    return bool(weights <= MOST_WEIGHTS)


def deepened(
    start: LanguageModel, lessons: Lessons, linear: Floats, room: Room, read: Callable[[], Readings]
) -> LanguageModel:
    """`start` with a deeper model beside it if that pays, else `start`, which says why not.

    `read` gives what DEPTH layers read of the lessons; `linear` the linear model's answers out of fold. Raises whatever
    `read` raises, and TrainingFailed.
    """
    if not lessons.parts:
        return start
    deeper = fit_language(
        read(),
        lessons.labels,
        lessons.weights,
        lessons.classes,
        lessons.parts,
        room,
        DEPTH,
        [STRENGTH],
    )
    both = together([start.answers, deeper.answers])
    alone, beside = (_losses(answers, linear, lessons.labels) for answers in (start.answers, both))
    words = f"with {DEPTH} layers beside it, loss {beside.mean():.3f} instead of {alone.mean():.3f} in the blend"
    if not really_more(alone, beside, BETTER):
        return replace(start, chosen=f"{start.chosen}; no better {words}")
    return replace(start, answers=both, chosen=f"{start.chosen}; {words}", deeper=deeper)


def _losses(language: Floats, linear: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """Of the lessons that both have judged: the loss of their blend at its best share and temperature."""
    judged = ~(np.isnan(language[:, 0]) | np.isnan(linear[:, 0]))
    share = fit_blend(language[judged], linear[judged], labels[judged])
    return calibrated_losses(blend(language[judged], linear[judged], share), labels[judged])
