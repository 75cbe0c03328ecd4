"""How sure a model is of an answer: the chance that it is right, by signs that its parts give anyway.

    the answer's probability | how far the trained model and the neighbours put it before all others | how like its
    nearest lessons the mail is, whose these are, and how old | how common the folder is, lately and at all
    ->  signs | logistic regression, fitted on held-out answers (trainer/certainty.py)  ->  a chance from 0 to 1

A probability says how the model divides its belief among the categories. It knows nothing of a folder whose last mail
came long ago, or of a mail that is like nothing before: where mail changes, that is what wrong answers have in common
(docs/experiments.md). Training and service ask `signs` alike, so that they cannot differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daemon.model.engines.engine import Floats

if TYPE_CHECKING:
    from daemon.model.model_folder import Sureness
    from daemon.model.neighbours import Near

Signs = npt.NDArray[np.float64]
"""A row for each answer, a column for each of SIGNS."""

SIGNS = {
    "odds": 1,
    "ahead": 1,
    "ahead_among_neighbours": 1,
    "likeness": 1,
    "likeness_ahead": 1,
    "votes": 1,
    "lessons_since": -1,
    "share_lately": 1,
    "share": 0,
}
"""Whether more of a sign may only speak for an answer (1), only against it (-1), or either (0)."""

# A model can be infinitely sure; and beyond such gaps of log-probabilities a larger one tells nothing more.
_SUREST = 1 - 1e-6
_GAP = (-5.0, 10.0)
_NEAR_GAP = (-8.0, 8.0)


def chances(sureness: Sureness, found: Signs) -> npt.NDArray[np.float64]:
    """The chance that each of these answers is right, from 0 to 1."""
    bounded = np.clip(found, sureness.low, sureness.high)
    evened = (bounded - np.array(sureness.mean)) / np.array(sureness.spread)
    return np.asarray(1 / (1 + np.exp(-(evened @ np.array(sureness.weights) + sureness.offset))))


def signs(served: Floats, trained: Floats, near: Near) -> Signs:
    """The signs of the best answers in `served`.

    `served` are the calibrated log-probabilities of all parts together, `trained` those of the parts without the
    neighbours, and `near` is what these say; all for the same texts and categories.
    """
    rows = np.arange(len(served))
    best = served.argmax(axis=1)
    chance = np.minimum(np.exp(served[rows, best].astype(np.float64)), _SUREST)
    found = np.stack(
        [
            np.log(chance / (1 - chance)),
            np.clip(_ahead(trained, best), *_GAP),
            np.clip(_ahead(near.logprobs, best), *_NEAR_GAP),
            near.likeness[rows, best],
            _ahead(near.likeness, best),
            near.votes[rows, best],
            np.log1p(near.since[rows, best]),
            np.log(near.lately[rows, best] + 0.01),
            np.log(near.share[rows, best] + 1e-4),
        ],
        axis=1,
    )
    return found.astype(np.float64)


def _ahead(values: Floats, best: npt.NDArray[np.int64]) -> Floats:
    """How far the value of each row's `best` is above the highest of the others; below it: negative."""
    rows = np.arange(len(values))
    others = values.astype(np.float32, copy=True)
    others[rows, best] = -np.inf
    highest = others.max(axis=1)
    return np.asarray(values[rows, best] - np.where(np.isfinite(highest), highest, 0), np.float32)
