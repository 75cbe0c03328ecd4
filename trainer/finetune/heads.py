"""Softmax regression on dense features: how the language model's answers and the linear model's rows are fitted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from daemon.model.classifier import LEAST_LOGPROB
from daemon.model.engines.engine import Floats, renormalised
from trainer.folds import Labels, Lessons, Rows, judged


@dataclass(frozen=True)
class Head:
    """A row of weights and an offset for each class. A class that was never seen has the offset LEAST_LOGPROB."""

    rows: Floats
    offsets: Floats

    def logprobs(self, features: npt.NDArray[np.float32]) -> Floats:
        """Natural logarithms, one row for each row of `features`."""
        return renormalised(features @ self.rows.T + self.offsets)

    @classmethod
    def of(cls, seen: Labels, classes: int, rows: Floats, offsets: Floats) -> Head:
        """What scikit-learn fitted on the classes `seen`; of two it keeps one row, which tells the second."""
        if len(seen) == 2:
            rows, offsets = np.concatenate([-rows, rows]), np.concatenate([-offsets, offsets])
        head = cls(np.zeros((classes, rows.shape[1]), np.float32), np.full(classes, LEAST_LOGPROB, np.float32))
        head.rows[seen], head.offsets[seen] = rows, offsets
        return head


def fit_head(features: Floats, lessons: Lessons, learnt: Rows, strength: float) -> Head:
    """Logistic regression on the lessons `learnt`, of whose `features` there is a row each. Deterministic.

    `strength` is scikit-learn's C: larger follows the lessons closer.
    """
    seen = np.unique(lessons.labels[learnt])
    if len(seen) < 2:
        nothing = np.zeros((len(seen), features.shape[1]), np.float32)
        return Head.of(seen, lessons.classes, nothing, np.zeros(len(seen), np.float32))
    # With ten times the tolerance 150 categories ended after a handful of steps: each one's gradient is small.
    model = LogisticRegression(C=strength, max_iter=300, tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, lessons.labels[learnt], sample_weight=lessons.weights[learnt])
    halved = 2 if len(seen) == 2 else 1  # the one row tells the difference of both
    return Head.of(seen, lessons.classes, model.coef_ / halved, model.intercept_ / halved)


def fit_support_vectors(features: Floats, lessons: Lessons, learnt: Rows, strength: float) -> Head:
    """Linear support vectors, each class against all others, the squared hinge as loss: what scikit-learn's LinearSVC
    fits, all classes at once, which costs two products of matrices a step. Of two classes or more. Deterministic.

    `strength` is scikit-learn's C. The offsets are kept small with the rows, as there.
    """
    seen = np.unique(lessons.labels[learnt])
    told = seen[1:] if len(seen) == 2 else seen
    known = np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)
    sides = np.where(lessons.labels[learnt][:, None] == told, 1, -1).astype(np.float32)
    costs = strength * lessons.weights[learnt][:, None]

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        rows = flat.reshape(len(told), -1)
        short = np.maximum(1 - sides * (known @ rows.T.astype(np.float32)), 0)
        missed = costs * short
        slope = rows - 2 * ((missed * sides).T @ known)
        return float((missed * short).sum(dtype=np.float64) + flat @ flat / 2), slope.ravel()

    start = np.zeros(len(told) * known.shape[1])
    enough = {"maxiter": 300, "ftol": 1e-6}  # of the loss, in a step: what single precision can still tell
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=enough).x.reshape(len(told), -1)
    return Head.of(seen, lessons.classes, found[:, :-1], found[:, -1])


def mean_loss(logprobs: Floats, labels: Labels) -> float:
    """Mean negative log-probability of the right answers, those without one left out; each at most 30."""
    rows = judged(logprobs)
    if not rows.any():
        return float("inf")
    return float(-np.maximum(logprobs[rows, labels[rows]], LEAST_LOGPROB).mean())


def share_right(logprobs: Floats, labels: Labels) -> float:
    """Share of right answers among those given."""
    rows = judged(logprobs)
    return float((logprobs[rows].argmax(axis=1) == labels[rows]).mean()) if rows.any() else 0.0
