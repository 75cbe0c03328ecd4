"""The linear candidate: weighed TF-IDF with whichever linear classifier validates best on these very lessons.

    texts | TF-IDF of words and of characters | each fold: weigh by what its lessons tell (terms.py), rotate to as
    many columns as there are texts, try each kind | the best one on everything | turn its rows back
    ->  LinearModel and its out-of-fold answers

The rotation (the eigenvectors of the Gram matrix) loses nothing while there are fewer texts than terms, and makes
fits cheap: a thousand dense columns instead of a hundred thousand sparse ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.naive_bayes import ComplementNB  # type: ignore[import-untyped]
from sklearn.preprocessing import normalize  # type: ignore[import-untyped]
from sklearn.svm import LinearSVC  # type: ignore[import-untyped]

from daemon.model.engines.engine import Floats, renormalised
from daemon.model.linear import ANALYSERS, LinearModel, Vocabulary
from daemon.model.term_key import TermKey
from trainer.calibrate import fit_temperature, really_more
from trainer.candidates.heads import Fold, Head, Labels, fit_head, mean_loss
from trainer.candidates.terms import telling
from trainer.dataset import Example

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


KINDS = (
    Kind("logistic", 10.0),
    Kind("logistic", 30.0),
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


def vectoriser(part: str) -> TfidfVectorizer:
    """The vectoriser for one part of a mail, "words" or "characters", not yet fitted. Scoring has its analysers."""
    return TfidfVectorizer(analyzer=ANALYSERS[part], sublinear_tf=True)


def fit_linear(
    examples: Sequence[Example], labels: Labels, categories: Sequence[str], parts: Sequence[Fold], key: TermKey
) -> Linear:
    """Try all kinds on the folds and fit the best; its terms are hashed under `key`. Deterministic."""
    texts = [example.text for example in examples]
    lessons = _Lessons(labels, np.array([example.weight for example in examples], np.float32), len(categories))
    vectorisers = [vectoriser(part) for part in PARTS]
    counts = [each.fit_transform(texts).astype(np.float32) for each in vectorisers]
    work = len(texts) * min(len(texts), MOST_COLUMNS) * len(categories)
    kinds = KINDS if work < MUCH_WORK else CHEAP_KINDS
    parts = parts if work < 15 * MUCH_WORK else parts[-2:]
    answers = {kind: np.full((len(texts), len(categories)), np.nan, np.float32) for kind in kinds}
    for learnt, judged in parts:
        terms = _Terms.weighed(counts, lessons, learnt)
        for kind in kinds:
            answers[kind][judged] = _fit(kind, terms, lessons, learnt).logprobs(terms.seen_by(kind)[judged])
    scales = {kind: _calibrate(answers[kind], labels) for kind in kinds}
    kind = _best(answers, labels)
    everything = np.arange(len(texts))
    terms = _Terms.weighed(counts, lessons, everything)
    head = _fit(kind, terms, lessons, everything)
    rows = head.rows if kind.name == "bayes" else terms.back(head.rows)
    vocabularies, places, start = {}, [], 0
    for part, each, weights in zip(PARTS, vectorisers, terms.weights, strict=True):
        vocabularies[part], order = Vocabulary.of(each.get_feature_names_out(), each.idf_ * weights, key)
        places.append(start + order)
        start += len(order)
    model = LinearModel(categories, vocabularies, rows[:, np.concatenate(places)], head.offsets, scales[kind], key)
    return Linear(model, answers[kind], f"{kind.name} {kind.strength:g}")


def _best(answers: Mapping[Kind, Floats], labels: Labels) -> Kind:
    """The kind that is right most often. Some hundred answers can't tell kinds apart that differ by less than one
    standard error: of those the one that gives the right answers the highest probability, for it blends best."""
    judged = ~np.isnan(next(iter(answers.values()))[:, 0])
    if not judged.any():
        return next(iter(answers))
    right = {kind: (found.argmax(axis=1) == labels)[judged].astype(float) for kind, found in answers.items()}
    most = max(right, key=lambda kind: float(right[kind].mean()))
    alike = [kind for kind in answers if not really_more(right[most], right[kind], errors=1)]
    return min(alike, key=lambda kind: mean_loss(answers[kind], labels))


def _calibrate(answers: Floats, labels: Labels) -> float:
    """Bring the judged answers to their best temperature, in place; what a score has to be multiplied by for that."""
    judged = ~np.isnan(answers[:, 0])
    if not judged.any():
        return 1.0
    scale = 1 / fit_temperature(answers[judged], labels[judged])
    answers[judged] = renormalised(answers[judged] * scale)
    return scale


@dataclass(frozen=True)
class _Lessons:
    """What stands beside the texts: one label and one weight each."""

    labels: Labels
    weights: Floats
    classes: int


@dataclass(frozen=True)
class _Terms:
    """All texts as rows of weighed terms, and the same rows turned into few columns that keep every angle.

    `weights`: of the terms of each part, beside their IDF. `back` turns a model's rows into weights of terms again.
    """

    weights: tuple[Floats, ...]
    counts: sparse.csr_matrix
    rotated: Floats
    back: Callable[[Floats], Floats]

    @classmethod
    def weighed(cls, parts: Sequence[sparse.csr_matrix], lessons: _Lessons, learnt: Rows) -> Self:
        """Weighed by what the texts in `learnt` tell; their rows span the columns."""
        weights = tuple(telling(part[learnt], lessons.labels[learnt], lessons.classes) for part in parts)
        weighed = [normalize(part.multiply(each).tocsr()) for part, each in zip(parts, weights, strict=True)]
        counts = sparse.hstack(weighed).tocsr()
        chosen = learnt[:: -(-len(learnt) // MOST_COLUMNS)]
        spanning = counts[chosen]
        products = (counts @ spanning.T).toarray()
        values, vectors = np.linalg.eigh(products[chosen].astype(np.float64))
        kept = values > 1e-6 * max(values.max(initial=0), 1e-12)
        columns = vectors[:, kept] / np.sqrt(values[kept])
        rotated = np.asarray(products @ columns, np.float32)

        def back(rows: Floats) -> Floats:
            return np.asarray(spanning.T @ (columns @ rows.T.astype(np.float64)), np.float32).T

        return cls(weights, counts, rotated, back)

    def seen_by(self, kind: Kind) -> Any:
        """The features that this kind is fitted on."""
        return self.counts if kind.name == "bayes" else self.rotated


def _fit(kind: Kind, terms: _Terms, lessons: _Lessons, learnt: Rows) -> Head:
    labels, weights, classes = lessons.labels[learnt], lessons.weights[learnt], lessons.classes
    if kind.name == "bayes":
        return _fit_bayes(terms.counts[learnt], labels, weights, classes, kind.strength)
    rows = terms.rotated[learnt]
    if kind.name == "logistic" or len(np.unique(labels)) < 2:
        return fit_head(rows, labels, weights, classes, kind.strength, offset=True)
    return _fit_svm(rows, labels, weights, classes, kind.strength)


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
