"""Softmax regression on dense features: how the language model's answers and the linear model's rows are fitted.

    features, labels, weights | scikit-learn's logistic regression  ->  Head;  out-of-fold log-probabilities by folds

Folds go forward in time where dates mean something: a model is always judged on mail newer than what it learnt from, as
it will be in service. A random split flatters a mailbox by several points (docs/experiments.md).
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from daemon.model.classifier import LEAST_LOGPROB
from daemon.model.engines.engine import Floats, renormalised
from trainer.dataset import Example

Labels = npt.NDArray[np.int64]
Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Head:
    """A row of weights and an offset for each class. A class that was never seen has the offset LEAST_LOGPROB."""

    rows: Floats
    offsets: Floats

    def logprobs(self, features: npt.NDArray[np.float32]) -> Floats:
        """Natural logarithms, one row for each row of `features`."""
        return renormalised(features @ self.rows.T + self.offsets)


def fit_head(
    features: Floats, labels: Labels, weights: Floats, classes: int, strength: float, offset: bool = False
) -> Head:
    """Fit one. `strength` is scikit-learn's C: larger follows the lessons closer. Deterministic."""
    rows = np.zeros((classes, features.shape[1]), np.float32)
    offsets = np.full(classes, LEAST_LOGPROB, np.float32)
    seen = np.unique(labels)
    offsets[seen] = 0
    if len(seen) > 1:
        # With ten times the tolerance 150 categories ended after a handful of steps: each one's gradient is small.
        model = LogisticRegression(C=strength, max_iter=300, tol=1e-4, fit_intercept=offset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, labels, sample_weight=weights)
        if len(seen) == 2:  # scikit-learn keeps one row for two classes
            rows[seen] = np.stack([-model.coef_[0] / 2, model.coef_[0] / 2])
            offsets[seen] += np.array([-model.intercept_[0] / 2, model.intercept_[0] / 2]) if offset else 0
        else:
            rows[seen] = model.coef_
            offsets[seen] += model.intercept_ if offset else 0
    return Head(rows, offsets)


def folds(examples: Sequence[Example], by_time: bool, seed: int, count: int = 5, always: int = 0) -> list[Fold]:
    """Where to learn and where to judge, `count` times; a group is never on both sides of a fold.

    By time: learn from all before, judge the next stretch, over the newer 60 %. Else: each example is judged once.
    Rows from len(examples) up to `always` are learnt in every fold and judged in none.
    """
    rest = np.arange(len(examples), always)
    groups = np.array([example.group for example in examples])
    number = np.empty(len(examples), np.int64)
    if by_time:
        order = np.argsort([example.time for example in examples], kind="stable")
        start = round(0.4 * len(examples))
        number[order[:start]] = -1
        for index, stretch in enumerate(np.array_split(order[start:], count)):
            number[stretch] = index
    else:
        number = _dealt(examples, count, seed)
    found: list[Fold] = []
    for index in range(count):
        judged = np.flatnonzero(number == index)
        before = (number < index) if by_time else (number != index)
        learnt = np.flatnonzero(before & ~np.isin(groups, groups[judged]))
        if len(judged) and len(learnt):
            found.append((np.concatenate([learnt, rest]), judged))
    return found


def _dealt(examples: Sequence[Example], count: int, seed: int) -> Labels:
    """Whole groups dealt out like cards, category by category, so that each fold has its share of each."""
    random = np.random.default_rng(seed)
    groups: dict[int, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        groups[example.group].append(index)
    by_category: dict[str, list[int]] = defaultdict(list)
    for group, members in groups.items():
        by_category[examples[members[0]].category].append(group)
    number = np.empty(len(examples), np.int64)
    card = 0
    for _, decks in sorted(by_category.items()):
        for place in random.permutation(len(decks)):
            number[groups[decks[place]]] = card % count
            card += 1
    return number


def mean_loss(logprobs: Floats, labels: Labels) -> float:
    """Mean negative log-probability of the right answers, those without one left out; each at most 30."""
    rows = ~np.isnan(logprobs[:, 0])
    if not rows.any():
        return float("inf")
    return float(-np.maximum(logprobs[rows, labels[rows]], LEAST_LOGPROB).mean())


def share_right(logprobs: Floats, labels: Labels) -> float:
    """Share of right answers among those given."""
    rows = ~np.isnan(logprobs[:, 0])
    return float((logprobs[rows].argmax(axis=1) == labels[rows]).mean()) if rows.any() else 0.0
