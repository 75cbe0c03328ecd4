"""The part of a model that learns between two trainings: what people did with the mails most like this one.

    MailText | its words, hashed under the key (daemon/model/term_key.py) | cosine with every lesson kept
    | the nearest, newer ones first -> log p of a category

A model trained at night is a day old when the next correction comes. Neighbours take it in at once: adding a lesson is
adding a row. On a real mailbox by date that was worth three points of a hundred (docs/experiments.md). What is kept of
a lesson is a row of hashed word weights, no text; how much neighbours count beside the trained model is fitted on
held-out lessons like everything else (`trainer.candidates.nearest`).

A folder that is newer than the model has no part in its answers. Its lessons are kept beside the others all the same,
to know its mail when it comes: `newcomers`.
"""

from __future__ import annotations

import threading
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from connectors.base import MailText
from daemon.model.engines.engine import Floats, ModelMissing, ModelRefused
from daemon.model.linear import words
from daemon.model.model_folder import ModelFolder
from daemon.model.term_key import TermKey

COLUMNS = 2**18
# The newest lessons only: some 300 words each, so 6,000 take about 15 MB and are asked in some ten milliseconds.
CAPACITY = 6000
# Of folders newer than the model so many at once, or a large one would crowd out what the model answers from.
MOST_NEW = 500
NEAREST = 10
# How much more a near mail counts than a far one, and after how many newer lessons one counts half.
SHARPNESS, HALF_LIFE = 3.0, 1000.0
# What every category gets for nothing: without any likeness all are equally probable.
FLOOR = 1e-3
# Of so many of the newest lessons the share that is a category's tells whether its mail still comes.
LATELY = 200

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Sparse rows of COLUMNS columns, one a text: row r is `columns` and `values` from starts[r] to starts[r + 1]."""

    values: Floats
    columns: npt.NDArray[np.int32]
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    def newest(self, count: int) -> Rows:
        """The last so many rows."""
        first = max(0, len(self) - count)
        begin = self.starts[first]
        return Rows(self.values[begin:], self.columns[begin:], self.starts[first:] - begin)

    def kept(self, rows: npt.NDArray[np.bool_]) -> Rows:
        """The rows that are marked."""
        lengths = np.diff(self.starts)
        inside = np.repeat(rows, lengths)
        return Rows(self.values[inside], self.columns[inside], _starts(lengths[rows]))

    def then(self, more: Rows) -> Rows:
        """These rows and those behind them."""
        return Rows(
            np.concatenate([self.values, more.values]),
            np.concatenate([self.columns, more.columns]),
            np.concatenate([self.starts, more.starts[1:] + self.starts[-1]]),
        )

    def likeness(self, other: Rows, row: int) -> Floats:
        """The cosine of every row of length one with one row of `other`."""
        asked = np.zeros(COLUMNS, np.float32)
        part = slice(other.starts[row], other.starts[row + 1])
        asked[other.columns[part]] = other.values[part]
        # Behind the last product stands a zero, since reduceat cannot begin at the end; empty rows are set right after.
        products = np.append(self.values * asked[self.columns], np.float32(0))
        sums = np.add.reduceat(products, self.starts[:-1]) if len(self) else np.zeros(0, np.float32)
        sums[np.diff(self.starts) == 0] = 0
        return np.asarray(sums, np.float32)


def _starts(lengths: npt.NDArray[np.integer[Any]]) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def hashed(texts: Sequence[MailText], key: TermKey) -> Rows:
    """Logarithms of how often each word occurs. The same on every machine that has the key.

    Under a key, because a column that anybody can compute for a word tells which lessons hold the word.
    """
    columns: list[int] = []
    values: list[int] = []
    lengths = []
    for text in texts:
        spread = Counter(words(text))
        counted: Counter[int] = Counter()
        for column, count in zip((key.hashes(spread) % COLUMNS).tolist(), spread.values(), strict=True):
            counted[column] += count
        columns += counted.keys()
        values += counted.values()
        lengths.append(len(counted))
    weights = 1 + np.log(np.array(values, np.float32))
    return Rows(weights.astype(np.float32), np.array(columns, np.int32), _starts(np.array(lengths, np.int64)))


def rarity(counts: Rows) -> Floats:
    """How much each column tells, by how few of the texts hold it (IDF, smoothed)."""
    spread = np.bincount(counts.columns, minlength=COLUMNS)
    return np.asarray(np.log((1 + len(counts)) / (1 + spread)) + 1, np.float32)


def unit_rows(counts: Rows, rare: Floats) -> Rows:
    """Rows of length one, rare words weighing more."""
    values = counts.values * rare[counts.columns]
    row = np.repeat(np.arange(len(counts)), np.diff(counts.starts))
    lengths = np.sqrt(np.bincount(row, values.astype(np.float64) ** 2, minlength=len(counts)))
    return Rows((values / np.maximum(lengths, 1e-12)[row]).astype(np.float32), counts.columns, counts.starts)


@dataclass(frozen=True)
class Near:
    """What lessons say about mails: a row for each mail, a column for each category.

    `logprobs`: their votes, as natural logarithms. `likeness`: the cosine of the nearest lesson, `since`: how many
    lessons came after that one. `votes`: the category's share of the nearest ten; `lately`: of the newest LATELY
    lessons; `share`: of all.
    """

    logprobs: Floats
    likeness: Floats
    since: Floats
    votes: Floats
    lately: Floats
    share: Floats

    @classmethod
    def blank(cls, rows: int, classes: int) -> Near:
        """So many rows of NaN, to be filled in."""
        return cls(*(np.full((rows, classes), np.nan, np.float32) for _ in fields(cls)))

    @classmethod
    def stacked(cls, parts: Sequence[Near]) -> Near:
        """The rows of all parts, at least one."""
        return cls(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)))

    def __getitem__(self, place: Any) -> Near:
        return Near(*(getattr(self, one.name)[place] for one in fields(self)))

    def __setitem__(self, place: Any, other: Near) -> None:
        for one in fields(self):
            getattr(self, one.name)[place] = getattr(other, one.name)


def nearest(likeness: Floats, labels: Ints, classes: int) -> Near:
    """One row: what lessons of these labels, newest last, say about a mail of this likeness to them. Without any, all
    categories are equally probable."""
    found = Near.blank(1, classes)
    order = np.argsort(-likeness, kind="stable")
    near = order[:NEAREST]
    newer = len(labels) - 1 - near
    weights = np.maximum(likeness[near], 0) ** SHARPNESS * 0.5 ** (newer / HALF_LIFE)
    sums = np.full(classes, FLOOR)
    np.add.at(sums, labels[near], weights)
    found.logprobs[0] = np.log(sums / sums.sum())
    found.likeness[0], found.since[0] = 0, len(labels)
    seen, first = np.unique(labels[order], return_index=True)
    found.likeness[0, seen], found.since[0, seen] = likeness[order[first]], len(labels) - 1 - order[first]
    for shares, part in ((found.votes, labels[near]), (found.lately, labels[-LATELY:]), (found.share, labels)):
        shares[0] = np.bincount(part, minlength=classes) / max(len(part), 1)
    return found


class Neighbours:
    """Lessons in order of time, newest last. Safe to share between threads."""

    def __init__(
        self, categories: Sequence[str], rows: Rows, labels: Ints, ids: Ints, rare: Floats, key: TermKey
    ) -> None:
        self.categories = tuple(categories)
        self._rows = rows
        self._labels = labels
        self._ids = ids
        self._rare = rare
        self._key = key
        # Categories that the model does not know, in the order in which they came; their labels follow its own.
        self._newcomers: tuple[str, ...] = ()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, categories: Sequence[str], counts: Rows, labels: Ints, ids: Ints, key: TermKey) -> Self:
        """From lessons hashed under `key` (see `hashed`), in order of time; the newest CAPACITY of them."""
        rare = rarity(counts)
        rows = unit_rows(counts.newest(CAPACITY), rare)
        return cls(categories, rows, labels[-CAPACITY:], ids[-CAPACITY:], rare, key)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def newest(self) -> int:
        """The highest id of a lesson that is known; 0 without any."""
        return max(0, int(np.max(self._ids, initial=0)))

    def add(self, lessons: Sequence[tuple[int, MailText, str]]) -> None:
        """Take in lessons (id, text, category) that are not known yet. One that is known may count as another category
        by now."""
        known = set(self._ids.tolist())
        self._call([(number, category) for number, _, category in lessons if number in known])
        known.update([number for number, _, category in lessons if category not in self.categories][:-MOST_NEW])
        fresh = [lesson for lesson in lessons if lesson[0] not in known][-CAPACITY:]
        if not fresh:
            return
        rows = unit_rows(hashed([text for _, text, _ in fresh], self._key), self._rare)
        with self._lock:
            self._newcomers += tuple(dict.fromkeys(lesson[2] for lesson in fresh if lesson[2] not in self._all))
            places = {category: column for column, category in enumerate(self._all)}
            self._rows = self._rows.then(rows).newest(CAPACITY)
            self._labels = np.append(self._labels, [places[category] for _, _, category in fresh])[-CAPACITY:]
            self._ids = np.append(self._ids, [lesson[0] for lesson in fresh])[-CAPACITY:]

    def _call(self, known: Sequence[tuple[int, str]]) -> None:
        """These lessons (id, category), which are known, belong to these categories."""
        with self._lock:
            self._newcomers += tuple(dict.fromkeys(category for _, category in known if category not in self._all))
            places = {category: column for column, category in enumerate(self._all)}
            for number, category in known:
                self._labels[self._ids == number] = places[category]

    def keep(self, ids: Iterable[int]) -> None:
        """Forget every lesson that is not among these, because it was voided. Those without an id stay."""
        with self._lock:
            kept = np.isin(self._ids, np.fromiter(ids, np.int64)) | (self._ids < 0)
            if not kept.all():
                self._rows, self._labels, self._ids = self._rows.kept(kept), self._labels[kept], self._ids[kept]

    def logprobs(self, texts: Sequence[MailText]) -> Floats:
        """Natural logarithms, a row for each text, columns in the order of `categories`."""
        return self.near(texts).logprobs

    def near(self, texts: Sequence[MailText]) -> Near:
        """What the lessons say about each text, columns in the order of `categories`."""
        classes = len(self.categories)
        with self._lock:
            rows, labels = self._rows, self._labels
        own = labels < classes
        if not len(texts):
            return Near.blank(0, classes)
        asked, labels = unit_rows(hashed(texts, self._key), self._rare), labels[own]
        return Near.stacked([nearest(rows.likeness(asked, row)[own], labels, classes) for row in range(len(texts))])

    def newcomers(self, texts: Sequence[MailText]) -> list[str | None]:
        """For each text the category that the model does not know, if its lessons are more like it than any other's."""
        with self._lock:
            rows, labels, names = self._rows, self._labels, self._all
        own = len(self.categories)
        if not len(texts) or not (labels >= own).any():
            return [None] * len(texts)
        asked = unit_rows(hashed(texts, self._key), self._rare)
        found = [nearest(rows.likeness(asked, row), labels, len(names)) for row in range(len(texts))]
        best = Near.stacked(found).logprobs.argmax(axis=1)
        return [names[column] if column >= own else None for column in best]

    @property
    def _all(self) -> tuple[str, ...]:
        return (*self.categories, *self._newcomers)

    def save(self, folder: Path) -> None:
        """Write the one file. Raises OSError."""
        np.savez_compressed(
            ModelFolder(folder).neighbours,
            allow_pickle=False,
            categories=np.array(self.categories),
            ids=self._ids,
            labels=self._labels.astype(np.int32),
            rare=self._rare.astype(np.float16),
            values=self._rows.values.astype(np.float16),
            columns=self._rows.columns,
            starts=self._rows.starts,
        )

    @classmethod
    def load(cls, folder: Path, key: TermKey) -> Self:
        """Read what `save` wrote, under this key. Raises ModelMissing, or ModelRefused for a file that is damaged."""
        advice = "Run `postroom rollback`, or train again."
        try:
            with ModelFolder(folder).neighbours.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found: dict[str, Any] = dict(arrays)
            starts, columns = found["starts"].astype(np.int64), found["columns"].astype(np.int32)
            labels, ids = found["labels"].astype(np.int64), found["ids"].astype(np.int64)
            rows = Rows(found["values"].astype(np.float32), columns, starts)
            fits = len(labels) == len(ids) == len(rows) and len(found["rare"]) == COLUMNS
            ordered = starts[0] == 0 and (np.diff(starts) >= 0).all() and starts[-1] == len(columns) == len(rows.values)
            inside = ((columns >= 0) & (columns < COLUMNS)).all() and (labels < len(found["categories"])).all()
            if not (fits and ordered and inside):
                raise ValueError("its parts do not belong together")
            return cls(list(map(str, found["categories"])), rows, labels, ids, found["rare"].astype(np.float32), key)
        except FileNotFoundError as error:
            raise ModelMissing(f"{folder}: there are no neighbours here. {advice}") from error
        except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
            raise ModelRefused(f"{folder}: the neighbours are damaged ({error}). {advice}") from error
