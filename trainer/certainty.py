"""The sureness of one night's model: what its signs said of held-out answers that were right, and of those that were
not.

    signs of held-out answers, right or not, by part | bounded, evened out | logistic regression whose weights may not
    turn a sign's meaning round | for each part once without it  ->  Sureness, and what it states of these answers

A model of "is this answer right?" beside the one that answers: Corbière, Thome, Bar-Hen, Cord and Pérez, "Addressing
Failure Prediction by Learning Model Confidence" (NeurIPS 2019), only that nine signs are enough where there are some
hundred answers. That a sign's meaning is held keeps it explicable: no batch can teach that an older likeness says more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize  # type: ignore[import-untyped]

from daemon.model.model_folder import Sureness
from daemon.model.sureness import SIGNS, Signs, chances
from trainer.recipe import Certainty

Right = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stated:
    """`sureness` serves; `held_out` is what it states of each answer when fitted without that answer's part."""

    sureness: Sureness
    held_out: Numbers


def fit_sureness(found: Signs, right: Right, parts: npt.NDArray[np.int64], recipe: Certainty) -> Stated | None:
    """The sureness for these answers; None where too few are right, or wrong, to tell both apart. Deterministic.

    `parts`: of which fold each answer is.
    """
    if min(int(right.sum()), int((~right).sum())) < recipe.least:
        return None
    held_out = np.empty(len(right))
    for part in np.unique(parts):
        asked = parts == part
        held_out[asked] = chances(_fit(found[~asked], right[~asked], recipe), found[asked])
    return Stated(_fit(found, right, recipe), held_out)


def _fit(found: Signs, right: Right, recipe: Certainty) -> Sureness:
    low, high = np.percentile(found, [recipe.outside, 100 - recipe.outside], axis=0)
    bounded = np.clip(found, low, high)
    mean, spread = bounded.mean(axis=0), bounded.std(axis=0)
    varies = spread > recipe.constant
    rows = np.where(varies, (bounded - mean) / np.where(varies, spread, 1), 0)
    weights = _regression(rows, right, recipe.strength)
    return Sureness(
        low=_told(low),
        high=_told(high),
        mean=_told(mean),
        spread=_told(np.where(varies, spread, 1)),
        weights=_told(np.where(varies, weights[:-1], 0)),
        offset=float(weights[-1]),
    )


def _told(values: Numbers) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _regression(rows: Numbers, right: Right, strength: float) -> Numbers:
    """A weight for each column, those of SIGNS on the side that their sign may have, and the offset behind them."""
    side = np.where(right, 1.0, -1.0)

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        margins = side * (rows @ weights[:-1] + weights[-1])
        pull = -side / (1 + np.exp(np.minimum(margins, 500)))
        penalty = float(np.sum(weights[:-1] ** 2)) / (2 * strength)
        slope = np.append(rows.T @ pull + weights[:-1] / strength, pull.sum())
        return float(np.logaddexp(0, -margins).sum()) + penalty, slope

    sides = {1: (0, None), -1: (None, 0), 0: (None, None)}
    bounds = [*(sides[meaning] for meaning in SIGNS.values()), (None, None)]
    start = np.zeros(rows.shape[1] + 1)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)
