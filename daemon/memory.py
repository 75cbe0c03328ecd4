"""What was taught today counts today: threads and near-duplicates of lessons, before the next training.

    Threads.  A reply follows the place where people put an earlier mail of its thread.
    Near-duplicates.  A mail that shares most of its three-word shingles with one recent lesson follows that lesson.

Both are evidence from people, so they come before the model. Contradicting evidence is no evidence.
"""

from __future__ import annotations

import re
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

from connectors.base import MailText

SHINGLE_WORDS = 3
LEAST_SHINGLES = 8
"""Shorter mails ("Thanks!") resemble each other without meaning the same."""
LEAST_OVERLAP = 0.8
"""Jaccard overlap: two mails with one long disclaimer and different words above it stay below."""
CAPACITY = 5000
"""The newest lessons only. What is older has been trained."""


@dataclass
class LessonMemory:
    """The newest lessons as shingles, in an inverted index: a look-up costs what a mail shares, not what there is."""

    capacity: int = CAPACITY
    _shingles: OrderedDict[int, frozenset[int]] = field(default_factory=OrderedDict)
    _categories: dict[int, str] = field(default_factory=dict)
    _holders: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def __len__(self) -> int:
        return len(self._shingles)

    def add(self, lesson: int, text: MailText, category: str) -> None:
        """Remember a lesson; beyond the capacity the oldest is dropped."""
        shingles = _shingle(text)
        if len(shingles) < LEAST_SHINGLES:
            return
        self.forget([lesson])
        self._shingles[lesson] = shingles
        self._categories[lesson] = category
        for shingle in shingles:
            self._holders[shingle].add(lesson)
        if len(self._shingles) > self.capacity:
            self.forget([next(iter(self._shingles))])

    def forget(self, lessons: Iterable[int]) -> None:
        """These lessons count no more."""
        for lesson in lessons:
            for shingle in self._shingles.pop(lesson, frozenset()):
                holders = self._holders[shingle]
                holders.discard(lesson)
                if not holders:
                    del self._holders[shingle]
            self._categories.pop(lesson, None)

    def clear(self) -> None:
        """Forget everything."""
        self._shingles.clear()
        self._categories.clear()
        self._holders.clear()

    def lookup(self, text: MailText) -> tuple[str, float] | None:
        """(category, overlap) of the lessons that nearly repeat this mail; None without any, or when they disagree."""
        wanted = _shingle(text)
        if len(wanted) < LEAST_SHINGLES:
            return None
        # Whoever shares four fifths of the shingles shares one of any fifth of them, so the rarest fifth finds them
        # all: a footer that every mail has in common costs nothing.
        rarest = sorted(wanted, key=lambda shingle: len(self._holders.get(shingle, ())))
        enough = ceil(LEAST_OVERLAP * len(wanted))
        near: dict[int, float] = {}
        for lesson in {lesson for each in rarest[: len(wanted) - enough + 1] for lesson in self._holders.get(each, ())}:
            common = len(wanted & self._shingles[lesson])
            overlap = common / (len(wanted) + len(self._shingles[lesson]) - common)
            if overlap >= LEAST_OVERLAP:
                near[lesson] = overlap
        categories = {self._categories[lesson] for lesson in near}
        if len(categories) != 1:
            return None
        return categories.pop(), max(near.values())


def _shingle(text: MailText) -> frozenset[int]:
    words = re.findall(r"\w+", f"{text.subject} {text.body}".lower())
    return frozenset(hash(tuple(words[at : at + SHINGLE_WORDS])) for at in range(len(words) - SHINGLE_WORDS + 1))
