"""The pooling layer: a decoder-only model that reads its whole prompt into the one position that answers.

    readings | even out what varies inside categories | a head on that | its directions  ->  Pooling
    base model | keep `depth` layers | turn the next one into the pooling layer (trainer.finetune.pooling_layer)

A causal model's last position knows little about a mail as a whole, while the mean over all positions tells topics
apart already in the lowest layers (docs/experiments.md). Attention with a query of zero *is* that mean: every position
gets the same weight. So the layer above the kept ones is rewritten: query zero, value the projection onto the
directions that the head needs, output into a part of the residual stream where the last position holds next to nothing,
at a scale that lets it dominate, and an MLP of zero. What comes out is an ordinary model of the base's architecture:
every engine serves it, in one prefill.

Gemma normalises what attention adds before it adds it. There the pooled part of every mail has one length, which is
that norm's weight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.finetune.heads import Head
from trainer.finetune.reading import Floats, Readings
from trainer.recipe import Pooled


@dataclass(frozen=True)
class Space:
    """Means of states seen so that every direction varies equally inside the categories."""

    matrix: Floats

    def features(self, means: Floats) -> Floats:
        """One row of length one a mail."""
        values = means @ self.matrix
        length = np.linalg.norm(values, axis=1, keepdims=True)
        result: Floats = (values / np.maximum(length, 1e-12)).astype(np.float32)
        return result


def fit_space(means: Floats, labels: npt.NDArray[np.int64], recipe: Pooled) -> Space:
    """Remove what all mails share, then even out what varies inside the categories. Deterministic."""
    values = means.astype(np.float64)
    common = values.mean(axis=0)
    common /= max(float(np.linalg.norm(common)), 1e-12)
    values -= np.outer(values @ common, common)
    inside = values.copy()
    for label in np.unique(labels):
        inside[labels == label] -= values[labels == label].mean(axis=0)
    covariance = inside.T @ inside / max(len(values), 1)
    spread, vectors = np.linalg.eigh(covariance)
    share = recipe.shrinkage
    spread = (1 - share) * np.maximum(spread, 0) + share * max(float(spread.mean()), 1e-9)
    matrix = vectors / np.sqrt(spread)
    return Space((matrix - np.outer(common, common @ matrix)).astype(np.float32))


@dataclass(frozen=True)
class Room:
    """What one layer of an architecture can carry: so many directions, and does a norm follow its attention?"""

    directions: int
    epsilon: float
    normed: bool = False


@dataclass(frozen=True)
class Pooling:
    """`project` (directions, width) makes values of normalised states, `restore` (width, directions) puts them back.

    `rows` is the head that reads them, a row for each category. `constant` is a row that answers about 1 to every mail.
    `gain` is the weight of the norm behind the attention, None for an architecture without one.
    """

    project: Floats
    restore: Floats
    rows: Floats
    constant: Floats
    epsilon: float
    gain: float | None = None

    def features(self, readings: Readings) -> Floats:
        """What the head sees: the residual stream at the last position, normalised. As the model computes it."""
        pooled: npt.NDArray[np.floating[Any]] = (readings.means @ self.project.T) @ self.restore.T
        if self.gain is not None:
            pooled = self.gain * self._normalised(pooled)
        return self._normalised(readings.lasts + pooled)

    def _normalised(self, states: npt.NDArray[np.floating[Any]]) -> Floats:
        norm = np.sqrt(np.mean(states**2, axis=1, keepdims=True) + self.epsilon)
        return np.asarray(states / norm, dtype=np.float32)


def fit_pooling(readings: Readings, space: Space, fitted: Head, room: Room, recipe: Pooled) -> Pooling:
    """Put a head that was fitted on `space` into a layer with this room, and into the model's own head.

    Up to `room.directions` categories nothing is lost but the exact length of a mail's vector, which is a matter of
    temperature; beyond, the directions that matter least.
    """
    width = readings.means.shape[1]
    values = readings.means.astype(np.float64) @ space.matrix
    rows = fitted.rows
    needed = _basis(rows.astype(np.float64), room.directions)
    # The rest of the room keeps the vector's length honest: the head ignores it, the norm counts it.
    others = _basis(values - (values @ needed.T) @ needed, room.directions - len(needed))
    kept = np.concatenate([needed, others])
    # Where the last position holds least: the pooled part meets no noise there.
    _, quiet_first = np.linalg.eigh(readings.lasts.T.astype(np.float64) @ readings.lasts)
    place = quiet_first[:, : len(kept)]
    pooled = values @ kept.T
    length = float(np.sqrt(np.mean(np.sum(pooled**2, axis=1))))
    before = float(np.sqrt(np.mean(np.sum(readings.lasts.astype(np.float64) ** 2, axis=1))))
    wanted_length = recipe.dominance * before
    gain = None
    if room.normed:  # the norm sets the length; what it reads need only be large beside its epsilon
        gain, wanted_length = wanted_length / width**0.5, width**0.5
    scale = wanted_length / length if length > 0 else 0.0
    project, restore = (kept @ space.matrix.T).astype(np.float32), (scale * place).astype(np.float32)
    nothing = np.zeros((len(rows), width), np.float32)
    pooling = Pooling(project, restore, nothing, nothing[0], room.epsilon, gain)
    seen = pooling.features(readings).astype(np.float64)
    wanted = space.features(readings.means) @ kept.T
    ratio = float(np.sum((seen @ place) * wanted) / max(np.sum(wanted**2), 1e-12)) or 1.0
    head = rows @ kept.T @ place.T / ratio
    # A model's head has no offsets. What all mails' last positions share takes their place: it is nearly constant.
    constant = seen.mean(axis=0)
    constant -= place @ (place.T @ constant)
    constant /= max(float(np.mean(seen @ constant)), 1e-12)
    head += np.outer(fitted.offsets, constant)
    return replace(pooling, rows=head.astype(np.float32), constant=constant.astype(np.float32))


def _basis(rows: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.float64]:
    """An orthonormal basis of the strongest directions in `rows`, at most so many."""
    _, strength, directions = np.linalg.svd(rows, full_matrices=False)
    count = min(most, int((strength > 1e-6 * max(float(np.max(strength, initial=0)), 1e-12)).sum()))
    return np.asarray(directions[:count])


def silence(pooling: Pooling, recipe: Pooled) -> Floats:
    """A head row that scores low on every mail, for it reads nothing of what tells mails apart."""
    return np.asarray(-recipe.silence * pooling.constant, dtype=np.float32)
