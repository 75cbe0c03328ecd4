"""The linear candidate: weighed TF-IDF with whichever linear classifier validates best on these very lessons.

    texts | TF-IDF of words and of characters | each fold: weigh by what its lessons tell (terms.py), rotate to as
    many columns as there are texts, try each kind | the best one on everything | turn its rows back
    ->  LinearModel and its out-of-fold answers

The rotation (by the square root of the Gram matrix) loses nothing while there are fewer texts than terms, and makes
fits cheap: a thousand dense columns instead of a hundred thousand sparse ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]
from scipy.linalg import LinAlgError, cholesky, solve_triangular  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.preprocessing import normalize  # type: ignore[import-untyped]

from daemon.model.classifier import aligned
from daemon.model.engines.engine import Floats, renormalised
from daemon.model.linear import ANALYSERS, LinearModel, Vocabulary
from daemon.model.model_folder import ModelFolder
from daemon.model.term_key import TermKey
from trainer.calibrate import fit_temperature, really_more
from trainer.candidates.candidate import Candidate
from trainer.candidates.products import inner_products
from trainer.candidates.terms import telling
from trainer.context import Night
from trainer.finetune.heads import Head, fit_head, fit_support_vectors, mean_loss
from trainer.folds import Labels, Lessons, Rows, judged
from trainer.recipe import Kind, Recipe

PARTS = ("words", "characters")
ALIKE = 1e-5
"""Of a text's length squared: so much of its own has every text that spans the columns."""


@dataclass(frozen=True)
class Linear:
    """The fitted model, its answers on the folds (NaN where none judged), and what it is in words."""

    model: LinearModel
    answers: Floats
    chosen: str


@dataclass(frozen=True)
class LinearCandidate(Candidate):
    """The linear model as it will serve: rounded as it is saved."""

    folder: Path

    def write(self, folder: Path) -> None:
        self.folder.rename(ModelFolder(folder).linear)

    def described(self) -> dict[str, Any]:
        return {"kind": "linear", "blend_weight": 0.0}


def candidate(night: Night, scratch: Path) -> LinearCandidate:
    """The linear model of one night, saved in `scratch`. Raises OSError."""
    night.progress("linear", 0, 1, "fitting the linear model")

    def tick(done: int, total: int) -> None:
        night.progress("linear", done, total, "fitting the linear model")

    fitted = fit_linear(night.lessons, night.key, night.recipe, tick)
    folder = scratch / "linear"
    fitted.model.save(folder)
    loaded = LinearModel.load(folder, night.key)
    exam = aligned(loaded.logprobs(night.exam.texts), loaded.categories, night.lessons.categories)
    night.progress("linear", 1, 1, f"linear model: {fitted.chosen}")
    return LinearCandidate("linear", fitted.answers, exam, fitted.chosen, folder)


def vectoriser(part: str) -> TfidfVectorizer:
    """The vectoriser for one part of a mail, "words" or "characters", not yet fitted. Scoring has its analysers."""
    return TfidfVectorizer(analyzer=ANALYSERS[part], sublinear_tf=True)


def fit_linear(
    lessons: Lessons, key: TermKey, recipe: Recipe, tick: Callable[[int, int], None] = lambda _done, _total: None
) -> Linear:
    """Try all kinds on the folds and fit the best; its terms are hashed under `key`. Deterministic. `tick(done, total)`
    is told of every fit."""
    texts = lessons.texts
    vectorisers = [vectoriser(part) for part in PARTS]
    counts = [part.fit_transform(texts).astype(np.float32) for part in vectorisers]
    much = recipe.linear.much_work
    work = len(texts) * min(len(texts), recipe.linear.most_columns) * lessons.classes
    kinds = recipe.linear.kinds if work < much else recipe.linear.kinds[:1]
    answers = {kind: lessons.unanswered() for kind in kinds}
    folds = lessons.folds if work < 15 * much else lessons.folds[-2:]
    fits = 1 + len(folds) * len(kinds)
    for number, (learnt, asked) in enumerate(folds):
        terms = _Terms.weighed(counts, lessons, learnt, recipe)
        for place, kind in enumerate(kinds):
            tick(number * len(kinds) + place, fits)
            answers[kind][asked] = _fit(kind, terms, lessons, learnt).logprobs(terms.rotated[asked])
    tick(fits - 1, fits)
    scales = {kind: _scale(answers[kind], lessons.labels, recipe) for kind in kinds}
    kind = best_kind(answers, lessons.labels)
    everything = np.arange(len(texts))
    terms = _Terms.weighed(counts, lessons, everything, recipe)
    head = _fit(kind, terms, lessons, everything)
    vocabularies, places, start = {}, [], 0
    for part, fitted, weights in zip(PARTS, vectorisers, terms.weights, strict=True):
        vocabularies[part], order = Vocabulary.of(fitted.get_feature_names_out(), fitted.idf_ * weights, key)
        places.append(start + order)
        start += len(order)
    rows = terms.back(head.rows)[:, np.concatenate(places)]
    model = LinearModel(lessons.categories, vocabularies, rows, head.offsets, scales[kind], key)
    return Linear(model, answers[kind], f"{kind.name} {kind.strength:g}")


def best_kind(answers: Mapping[Kind, Floats], labels: Labels) -> Kind:
    """The kind that is right most often. Some hundred answers can't tell kinds apart that differ by less than one
    standard error: of those the one that gives the right answers the highest probability, for it blends best."""
    asked = judged(next(iter(answers.values())))
    if not asked.any():
        return next(iter(answers))
    right = {kind: (found.argmax(axis=1) == labels)[asked].astype(float) for kind, found in answers.items()}
    most = max(right, key=lambda kind: float(right[kind].mean()))
    alike = [kind for kind in answers if not really_more(right[most], right[kind], errors=1)]
    return min(alike, key=lambda kind: mean_loss(answers[kind], labels))


def _scale(answers: Floats, labels: Labels, recipe: Recipe) -> float:
    """Bring the judged answers to their best temperature, in place; what a score has to be multiplied by for that."""
    asked = judged(answers)
    if not asked.any():
        return 1.0
    scale = 1 / fit_temperature(answers[asked], labels[asked], recipe.evidence)
    answers[asked] = renormalised(answers[asked] * scale)
    return scale


@dataclass(frozen=True)
class _Terms:
    """All texts as rows of weighed terms, turned into few columns that keep every angle.

    `weights`: of the terms of each part, beside their IDF. `back` turns a model's rows into weights of terms again.
    """

    weights: tuple[Floats, ...]
    rotated: Floats
    back: Callable[[Floats], Floats]

    @classmethod
    def weighed(cls, parts: Sequence[sparse.csr_matrix], lessons: Lessons, learnt: Rows, recipe: Recipe) -> Self:
        """Weighed by what the texts in `learnt` tell; their rows span the columns."""
        weights = tuple(telling(part[learnt], lessons.labels[learnt], lessons.classes, recipe.linear) for part in parts)
        weighed = [normalize(part.multiply(by).tocsr()) for part, by in zip(parts, weights, strict=True)]
        counts = sparse.hstack(weighed).tocsr()
        chosen = learnt[:: -(-len(learnt) // recipe.linear.most_columns)]
        spanning = counts[chosen]
        products = inner_products(counts, spanning)
        root = square_root(products[chosen])
        rotated = solve_triangular(root, products.T, lower=True, check_finite=False).T

        def back(rows: Floats) -> Floats:
            columns = solve_triangular(root, rows.T, trans="T", lower=True, check_finite=False)
            return np.asarray(spanning.T @ columns, np.float32).T

        return cls(weights, np.ascontiguousarray(rotated, np.float32), back)


def square_root(products: Floats) -> npt.NDArray[np.float64]:
    """The lower triangle whose product with itself turned is this matrix of inner products (Cholesky's), nearly: texts
    that repeat each other get a hair of their own, as much as rounding asks for."""
    hair = ALIKE * max(float(products.diagonal().max(initial=0)), 1e-12)
    while True:
        whole = products.astype(np.float64)
        whole[np.diag_indices_from(whole)] += hair
        try:
            return np.asarray(cholesky(whole, lower=True, overwrite_a=True, check_finite=False))
        except LinAlgError:
            hair *= 10


def _fit(kind: Kind, terms: _Terms, lessons: Lessons, learnt: Rows) -> Head:
    if kind.name == "logistic" or len(np.unique(lessons.labels[learnt])) < 2:
        return fit_head(terms.rotated[learnt], lessons, learnt, kind.strength)
    return fit_support_vectors(terms.rotated[learnt], lessons, learnt, kind.strength)
