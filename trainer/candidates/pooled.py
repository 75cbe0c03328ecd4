"""The language model in closed form: readings of the lessons to a head, and to a pooling layer where one is written.

readings of what each fold learns | even out | a head at each strength | the one that validates best  ->  LanguageModel
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from daemon.model.engines.engine import Floats
from trainer.calibrate import calibrated_losses
from trainer.finetune.heads import Head, fit_head, share_right
from trainer.finetune.pooling import Pooling, Room, Space, fit_pooling, fit_space
from trainer.finetune.reading import Readings
from trainer.folds import Labels, Lessons, judged
from trainer.job import TrainingFailed
from trainer.recipe import Evidence, Pooled, Recipe

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LanguageModel:
    """`space` and `head` are what was learnt, `pooling` the same as a layer of the base and its head; None where no
    whole model is to be written. `answers`: out of fold, NaN where no fold judged. `depth`: layers that are kept below
    it."""

    space: Space
    head: Head
    depth: int
    answers: Floats
    chosen: str
    pooling: Pooling | None = None
    layers: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """The fine-tuned weights by their full name."""


def depth_of(layers: int, recipe: Pooled) -> int:
    """How many layers are kept below the pooling layer, of a base with so many: one must be left to become it."""
    return min(recipe.depth, layers - 1)


def fit_language(readings: Readings, lessons: Lessons, room: Room | None, depth: int, recipe: Recipe) -> LanguageModel:
    """Fit a head on what `depth` layers read, and the pooling layer where there is `room` for one.

    Raises TrainingFailed when that is not numbers.
    """
    if not (np.isfinite(readings.means).all() and np.isfinite(readings.lasts).all()):
        raise TrainingFailed("The base model's numbers overflowed (NaN); its file may be damaged.")
    # The space knows the labels, so each fold needs its own: judged lessons must not shape it.
    seen = [
        fit_space(readings.means[learnt], lessons.labels[learnt], recipe.pooled).features(readings.means)
        for learnt, _ in lessons.folds
    ]
    tried: list[tuple[float, float, float, Floats]] = []
    for strength in recipe.pooled.strengths:
        answers = lessons.unanswered()
        for (learnt, asked), features in zip(lessons.folds, seen, strict=True):
            answers[asked] = fit_head(features[learnt], lessons, learnt, strength).logprobs(features[asked])
        right = round(share_right(answers, lessons.labels), 3)
        tried.append((right, -_loss(answers, lessons.labels, recipe.evidence), strength, answers))
    _, _, strength, answers = max(tried, key=lambda entry: entry[:2])
    space = fit_space(readings.means, lessons.labels, recipe.pooled)
    head = fit_head(space.features(readings.means), lessons, np.arange(len(lessons.examples)), strength)
    pooling = None if room is None else fit_pooling(readings, space, head, room, recipe.pooled)
    return LanguageModel(space, head, depth, answers, f"pooled, strength {strength:g}", pooling)


def _loss(answers: Floats, labels: Labels, evidence: Evidence) -> float:
    """The mean loss of the judged answers at their best temperature; infinite without any."""
    asked = judged(answers)
    return float(calibrated_losses(answers[asked], labels[asked], evidence).mean()) if asked.any() else float("inf")
