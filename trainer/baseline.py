"""The linear candidate: TF-IDF with whichever linear classifier validates best on these very lessons.

    texts | TF-IDF of words and of characters | rotate to as many columns as there are texts | try each kind
    on the folds | fit the best on everything | turn its rows back  ->  LinearModel and its out-of-fold answers

The rotation (the eigenvectors of the Gram matrix) loses nothing while there are fewer texts than terms, and makes
thirty fits as cheap as one: a thousand dense columns instead of a hundred thousand sparse ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.naive_bayes import ComplementNB  # type: ignore[import-untyped]
from sklearn.svm import LinearSVC  # type: ignore[import-untyped]

from daemon.engines.base import Floats, renormalised
from daemon.linear import LinearModel, Vocabulary, vectoriser
from trainer.calibrate import fit_temperature
from trainer.dataset import Example
from trainer.heads import Fold, Head, Labels, fit_head, mean_loss, out_of_fold, share_right

PARTS = ("words", "characters")
# More columns than this make the rotation itself the slowest part of the night: then every n-th text spans the columns.
# With 1,629 real mails and a limit of 1,500 only half of them did, which cost two points on later mail.
MOST_COLUMNS = 2500
# Texts times columns times categories. Above, one fit takes so long that only the cheap kinds are tried, above fifteen
# times as much only on the newest folds.
MUCH_WORK = 1e8

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """One way to fit rows: "logistic", "svm" or "bayes", and its strength."""

    name: str
    strength: float


# In the order of preference when two validate alike.
KINDS = (
    Kind("logistic", 10.0),
    Kind("logistic", 100.0),
    Kind("svm", 0.3),
    Kind("svm", 2.0),
    Kind("bayes", 0.3),
)
CHEAP_KINDS = (KINDS[0], KINDS[-1])


@dataclass(frozen=True)
class Linear:
    """The fitted model, its answers on the folds (NaN where none judged), and what it is in words."""

    model: LinearModel
    answers: Floats
    chosen: str


def fit_linear(examples: Sequence[Example], labels: Labels, categories: Sequence[str], parts: Sequence[Fold]) -> Linear:
    """Try all kinds on the folds and fit the best. Deterministic."""
    texts = [example.text for example in examples]
    weights = np.array([example.weight for example in examples], np.float32)
    vectorisers = [vectoriser(part) for part in PARTS]
    counts = sparse.hstack([each.fit_transform(texts) for each in vectorisers]).tocsr().astype(np.float32)
    rotated, back = _rotation(counts)
    work = rotated.size * len(categories)
    kinds = KINDS if work < MUCH_WORK else tuple(kind for kind in KINDS if kind in CHEAP_KINDS)
    parts = parts if work < 15 * MUCH_WORK else parts[-2:]
    tried: list[tuple[float, float, Kind, Floats, float]] = []
    for kind in kinds:
        fit = _fitter(kind, counts, rotated, labels, weights, len(categories))
        answers = out_of_fold(fit, parts, len(examples), len(categories))
        judged = ~np.isnan(answers[:, 0])
        scale = 1.0
        if judged.any():
            scale = 1 / fit_temperature(answers[judged], labels[judged])
            answers[judged] = renormalised(answers[judged] * scale)
        tried.append((round(share_right(answers, labels), 3), -mean_loss(answers, labels), kind, answers, scale))
    best = max(tried, key=lambda entry: entry[:2])
    _, _, kind, answers, scale = best
    head = _fit(kind, counts, rotated, labels, weights, len(categories))
    rows = head.rows if kind.name == "bayes" else back(head.rows)
    vocabularies = {
        part: Vocabulary(tuple(map(str, each.get_feature_names_out())), each.idf_)
        for part, each in zip(PARTS, vectorisers, strict=True)
    }
    model = LinearModel(categories, vocabularies, rows, head.offsets, scale)
    return Linear(model, answers, f"{kind.name} {kind.strength:g}")


def _rotation(counts: sparse.csr_matrix) -> tuple[Floats, Callable[[Floats], Floats]]:
    """Dense columns that keep every angle between the texts, and the way back for a model's rows."""
    spanning = counts[:: -(-counts.shape[0] // MOST_COLUMNS)]
    gram = (spanning @ spanning.T).toarray().astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-6 * max(values.max(initial=0), 1e-12)
    columns = vectors[:, kept] / np.sqrt(values[kept])
    rotated = np.asarray((counts @ spanning.T) @ columns, np.float32)
    return rotated, lambda rows: np.asarray(spanning.T @ (columns @ rows.T.astype(np.float64)), np.float32).T


def _fitter(
    kind: Kind, counts: sparse.csr_matrix, rotated: Floats, labels: Labels, weights: Floats, classes: int
) -> Callable[[Rows], Callable[[Rows], Floats]]:
    def fit(learnt: Rows) -> Callable[[Rows], Floats]:
        head = _fit(kind, counts[learnt], rotated[learnt], labels[learnt], weights[learnt], classes)
        features = counts if kind.name == "bayes" else rotated
        return lambda judged: head.logprobs(features[judged])

    return fit


def _fit(kind: Kind, counts: sparse.csr_matrix, rotated: Floats, labels: Labels, weights: Floats, classes: int) -> Head:
    if kind.name == "logistic" or len(np.unique(labels)) < 2:
        return fit_head(rotated, labels, weights, classes, kind.strength, offset=True)
    if kind.name == "svm":
        return _fit_svm(rotated, labels, weights, classes, kind.strength)
    return _fit_bayes(counts, labels, weights, classes, kind.strength)


def _fit_svm(rotated: Floats, labels: Labels, weights: Floats, classes: int, strength: float) -> Head:
    seen = np.unique(labels)
    model = LinearSVC(C=strength, tol=1e-2, max_iter=300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rotated, labels, sample_weight=weights)
    rows = np.zeros((classes, rotated.shape[1]), np.float32)
    offsets = np.full(classes, -30.0, np.float32)
    sign = np.array([[-1.0], [1.0]]) if len(seen) == 2 else 1.0
    rows[seen] = sign * model.coef_
    offsets[seen] = np.ravel(sign * model.intercept_[:, None]) if len(seen) == 2 else model.intercept_
    return Head(rows, offsets)


def _fit_bayes(counts: sparse.csr_matrix, labels: Labels, weights: Floats, classes: int, strength: float) -> Head:
    model = ComplementNB(alpha=strength, norm=True).fit(counts, labels, sample_weight=weights)
    seen = np.unique(labels)
    rows = np.zeros((classes, counts.shape[1]), np.float32)
    offsets = np.full(classes, -30.0, np.float32)
    # Rows of sum one are tiny; the temperature that follows makes scores of them.
    rows[seen] = model.feature_log_prob_ * counts.shape[1]
    offsets[seen] = 0
    return Head(rows, offsets)
