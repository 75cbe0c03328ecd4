"""The part of a model that learns between two trainings: what people did with the mails most like this one.

    MailText | its words, hashed | cosine with every lesson kept | the nearest, newer ones first -> log p of a category

A model trained at night is a day old when the next correction comes. Neighbours take it in at once: adding a lesson is
adding a row. On a real mailbox by date that was worth three points of a hundred (docs/experiments.md). What is kept of
a lesson is a row of hashed word weights, no text; how much neighbours count beside the trained model is fitted on
held-out lessons like everything else (`trainer.neighbours`).
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import HashingVectorizer  # type: ignore[import-untyped]

from connectors.base import MailText
from daemon.engines.base import Floats, ModelMissing, ModelRefused
from daemon.linear import words

FILE = "neighbours.npz"
COLUMNS = 2**18
# The newest lessons only: some 300 words each, so 6,000 take about 15 MB and are asked in a few milliseconds.
CAPACITY = 6000
NEAREST = 10
# How much more a near mail counts than a far one, and after how many newer lessons one counts half.
SHARPNESS, HALF_LIFE = 3.0, 1000.0
# What every category gets for nothing: without any likeness all are equally probable.
FLOOR = 1e-3

Rows = npt.NDArray[np.int64]


def hashed(texts: Sequence[MailText]) -> sparse.csr_matrix:
    """(texts, COLUMNS): logarithms of how often each word occurs. The same on every machine. Pure."""
    counts = HashingVectorizer(analyzer=words, n_features=COLUMNS, alternate_sign=False, norm=None).transform(texts)
    counts.data = 1 + np.log(counts.data)
    return counts.astype(np.float32)


def rarity(counts: sparse.csr_matrix) -> Floats:
    """How much each column tells, by how few of the texts hold it (IDF, smoothed). Pure."""
    spread = np.bincount(counts.indices, minlength=COLUMNS)
    return np.asarray(np.log((1 + counts.shape[0]) / (1 + spread)) + 1, np.float32)


def unit_rows(counts: sparse.csr_matrix, rare: Floats) -> sparse.csr_matrix:
    """Rows of length one, rare words weighing more. Pure."""
    rows = counts.copy()
    rows.data *= rare[rows.indices]
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows.data /= np.repeat(np.maximum(lengths, 1e-12), np.diff(rows.indptr))
    return rows


def votes(likeness: Floats, labels: Rows, ages: Floats, classes: int) -> Floats:
    """Log-probabilities of one mail's categories from its likeness to lessons of these labels and ages. Pure.

    `ages` counts the newer lessons of each.
    """
    near = np.argsort(-likeness, kind="stable")[:NEAREST]
    weights = np.maximum(likeness[near], 0) ** SHARPNESS * 0.5 ** (ages[near] / HALF_LIFE)
    sums = np.full(classes, FLOOR)
    np.add.at(sums, labels[near], weights)
    return np.asarray(np.log(sums / sums.sum()), np.float32)


class Neighbours:
    """Lessons in order of time, newest last. Safe to share between threads."""

    def __init__(self, categories: Sequence[str], rows: sparse.csr_matrix, labels: Rows, ids: Rows, rare: Floats):
        self.categories = tuple(categories)
        self._rows = rows
        self._labels = labels
        self._ids = ids
        self._rare = rare
        self._lock = threading.Lock()

    @classmethod
    def of(cls, categories: Sequence[str], counts: sparse.csr_matrix, labels: Rows, ids: Rows) -> Self:
        """From hashed lessons (see `hashed`) in order of time; the newest CAPACITY of them."""
        rare = rarity(counts)
        return cls(categories, unit_rows(counts[-CAPACITY:], rare), labels[-CAPACITY:], ids[-CAPACITY:], rare)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def newest(self) -> int:
        """The highest id of a lesson that is known; 0 without any."""
        return max(0, int(self._ids.max(initial=0)))

    def add(self, lessons: Sequence[tuple[int, MailText, str]]) -> None:
        """Take in lessons (id, text, category) that are not known yet; those of unknown categories are left out."""
        known = set(self._ids.tolist())
        fresh = [each for each in lessons if each[0] not in known and each[2] in self.categories]
        if not fresh:
            return
        rows = unit_rows(hashed([text for _, text, _ in fresh]), self._rare)
        places = {category: column for column, category in enumerate(self.categories)}
        with self._lock:
            self._rows = sparse.vstack([self._rows, rows]).tocsr()[-CAPACITY:]
            self._labels = np.append(self._labels, [places[category] for _, _, category in fresh])[-CAPACITY:]
            self._ids = np.append(self._ids, [each[0] for each in fresh])[-CAPACITY:]

    def keep(self, ids: Iterable[int]) -> None:
        """Forget every lesson that is not among these, because it was voided. Those without an id stay."""
        with self._lock:
            kept = np.isin(self._ids, np.fromiter(ids, np.int64)) | (self._ids < 0)
            if not kept.all():
                self._rows, self._labels, self._ids = self._rows[kept], self._labels[kept], self._ids[kept]

    def logprobs(self, texts: Sequence[MailText]) -> Floats:
        """Natural logarithms, a row for each text, columns in the order of `categories`."""
        classes = len(self.categories)
        with self._lock:
            rows, labels = self._rows, self._labels
        if not len(texts) or not len(labels):
            return np.full((len(texts), classes), -np.log(classes), np.float32)
        likeness = (unit_rows(hashed(texts), self._rare) @ rows.T).toarray()
        ages = np.arange(len(labels) - 1, -1, -1, dtype=np.float32)
        return np.stack([votes(row, labels, ages, classes) for row in likeness])

    def save(self, folder: Path) -> None:
        """Write the one file. Raises OSError."""
        np.savez_compressed(
            folder / FILE,
            allow_pickle=False,
            categories=np.array(self.categories),
            ids=self._ids,
            labels=self._labels.astype(np.int32),
            rare=self._rare.astype(np.float16),
            data=self._rows.data.astype(np.float16),
            indices=self._rows.indices.astype(np.int32),
            indptr=self._rows.indptr.astype(np.int32),
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises ModelMissing, or ModelRefused for a file that is damaged."""
        advice = "Run `postroom rollback`, or train again."
        try:
            with (folder / FILE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found: dict[str, Any] = dict(arrays)
            count = len(found["labels"])
            rows = sparse.csr_matrix(
                (found["data"].astype(np.float32), found["indices"], found["indptr"]), shape=(count, COLUMNS)
            )
            rows.check_format()
            if len(found["ids"]) != count or len(found["rare"]) != COLUMNS:
                raise ValueError("its parts do not belong together")
            return cls(
                [str(category) for category in found["categories"]],
                rows,
                found["labels"].astype(np.int64),
                found["ids"].astype(np.int64),
                found["rare"].astype(np.float32),
            )
        except FileNotFoundError as error:
            raise ModelMissing(f"{folder}: there are no neighbours here. {advice}") from error
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ModelRefused(f"{folder}: the neighbours are damaged ({error}). {advice}") from error
