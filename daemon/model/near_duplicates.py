"""Mail that nearly repeats a lesson: it shares most of its three-word shingles with one recent lesson.

What that is worth is for `daemon.rules.hints` to say. A part of `daemon.model.memory`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from connectors.base import MailText
from daemon.model.as_read import as_read

SHINGLE_WORDS = 3
LEAST_SHINGLES = 8
"""Shorter mails ("Thanks!") resemble each other without meaning the same."""
LEAST_OVERLAP = 0.8
"""Jaccard overlap: two mails with one long disclaimer and different words above it stay below."""
CAPACITY = 5000
"""The newest lessons only. What is older has been trained."""
SLOTS = 2**20
"""Of the table in which a mail's shingles are marked; two that share a slot only cost an exact look."""

Shingles = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class NearCopy:
    """A lesson that a mail nearly repeats. `overlap`: Jaccard's, of shingles, LEAST_OVERLAP to 1."""

    lesson: int
    category: str
    at: datetime
    overlap: float


@dataclass
class NearDuplicates:
    """The newest lessons as sorted numbers, one a shingle.

    A look-up reads all of them once, in a row: at full capacity some milliseconds, whatever mails have in common, and
    four bytes a shingle. An inverted index took 205 MB where this takes 70 (docs/benchmarks.md).
    """

    capacity: int = CAPACITY
    _shingles: OrderedDict[int, Shingles] = field(default_factory=OrderedDict)
    _filed: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    _joined: _Joined | None = None

    def __len__(self) -> int:
        return len(self._shingles)

    def add(self, lesson: int, text: MailText, category: str, at: datetime) -> None:
        """Remember a lesson; beyond the capacity the oldest is dropped."""
        shingles = _shingle(text)
        if len(shingles) < LEAST_SHINGLES:
            return
        self.forget([lesson])
        self._shingles[lesson] = shingles
        self._filed[lesson] = category, at
        if len(self._shingles) > self.capacity:
            self.forget([next(iter(self._shingles))])
        self._joined = None

    @property
    def oldest(self) -> int:
        """The lowest id of a lesson that is remembered; 0 without any."""
        return min(self._shingles, default=0)

    def forget(self, lessons: Iterable[int]) -> None:
        """Drop these lessons, which count no more."""
        for lesson in lessons:
            if self._shingles.pop(lesson, None) is not None:
                del self._filed[lesson]
                self._joined = None

    def keep(self, counting: Container[int]) -> None:
        """Forget every lesson that is not among these."""
        self.forget([lesson for lesson in self._shingles if lesson not in counting])

    def near(self, text: MailText) -> list[NearCopy]:
        """The lessons that nearly repeat this mail, the latest (by date, then id) last."""
        wanted = _shingle(text)
        if len(wanted) < LEAST_SHINGLES or not self._shingles:
            return []
        if self._joined is None:
            self._joined = _Joined.of(self._shingles)
        near = []
        for lesson in self._joined.perhaps_near(wanted):
            known = self._shingles[lesson]
            common = len(np.intersect1d(wanted, known, assume_unique=True))
            overlap = common / (len(wanted) + len(known) - common)
            if overlap >= LEAST_OVERLAP:
                near.append(NearCopy(lesson, *self._filed[lesson], overlap))
        return sorted(near, key=lambda copy: (copy.at, copy.lesson))


@dataclass(frozen=True)
class _Joined:
    """All lessons' shingles in one row, as slots; `owners` says whose each is, by its place in `lessons`."""

    lessons: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    slots: Shingles
    owners: npt.NDArray[np.int32]

    @classmethod
    def of(cls, shingles: OrderedDict[int, Shingles]) -> _Joined:
        lengths = np.array([len(pieces) for pieces in shingles.values()], np.int64)
        owners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return cls(np.array([*shingles], np.int64), lengths, np.concatenate([*shingles.values()]) % SLOTS, owners)

    def perhaps_near(self, wanted: Shingles) -> list[int]:
        """The lessons that may share enough with `wanted`: whoever overlaps by four fifths shares as much of each."""
        marked = np.zeros(SLOTS, bool)
        marked[wanted % SLOTS] = True
        common = np.bincount(self.owners[np.flatnonzero(marked[self.slots])], minlength=len(self.lessons))
        enough = LEAST_OVERLAP * np.maximum(self.lengths, len(wanted)) - 1e-6  # a hair for rounding
        return [int(lesson) for lesson in self.lessons[common >= enough]]


def _shingle(text: MailText) -> Shingles:
    """With what its files say, where that counts: two that say "please find attached" need not be alike."""
    text = as_read(text)
    words = re.findall(r"\w+", f"{text.subject} {text.body}".lower())
    numbers = (hash(tuple(words[at : at + SHINGLE_WORDS])) & 0xFFFFFFFF for at in range(len(words) - SHINGLE_WORDS + 1))
    return np.unique(np.fromiter(numbers, np.uint32))
