"""What all candidates of a night learn from, and what they are asked in the exam.

Folds go forward in time where dates mean something: a model is always judged on mail newer than what it learnt from, as
it will be in service. A random split flatters a mailbox by several points (docs/experiments.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from connectors.base import MailText
from daemon.model.engines.engine import Floats
from trainer.dataset import Dataset, Example, evened
from trainer.recipe import Cleaning

Labels = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]
Fold = tuple[Rows, Rows]
"""The rows to learn from, and the rows to judge by."""


@dataclass(frozen=True)
class Asked:
    """The lessons of the exam, from which nothing is learnt. Label -1: a category that this model can't answer."""

    examples: tuple[Example, ...]
    categories: tuple[str, ...]

    @property
    def texts(self) -> list[MailText]:
        """One a row."""
        return [example.text for example in self.examples]

    @cached_property
    def labels(self) -> Labels:
        """The column of each row's category."""
        return labels_of(self.examples, self.categories)


@dataclass(frozen=True)
class Lessons(Asked):
    """People's lessons in order of time, then the names of the categories, which no fold judges."""

    folds: tuple[Fold, ...]
    by_time: bool

    @classmethod
    def of(cls, data: Dataset, categories: tuple[str, ...], seed: int, recipe: Cleaning) -> Lessons:
        """All that is learnt in one night."""
        examples = evened((*data.train, *(name for name in data.names if name.category in categories)))
        return cls(examples, categories, folds(data.train, data.by_time, seed, recipe, len(examples)), data.by_time)

    @cached_property
    def weights(self) -> Floats:
        """How much each row counts."""
        return np.array([example.weight for example in self.examples], np.float32)

    @property
    def classes(self) -> int:
        """How many categories there are."""
        return len(self.categories)

    @cached_property
    def parts(self) -> Labels:
        """The number of the fold that judges each row; -1 where none does."""
        found = np.full(len(self.examples), -1, np.int64)
        for number, (_, asked) in enumerate(self.folds):
            found[asked] = number
        return found

    def unanswered(self) -> Floats:
        """A row of NaN for each lesson: no fold has judged it yet."""
        return np.full((len(self.examples), self.classes), np.nan, np.float32)


def labels_of(examples: Sequence[Example], categories: Sequence[str]) -> Labels:
    """The column of each example's category among these; -1 for one that is none of them."""
    places = {category: column for column, category in enumerate(categories)}
    return np.array([places.get(example.category, -1) for example in examples], np.int64)


def judged(answers: Floats) -> npt.NDArray[np.bool_]:
    """Which rows of out-of-fold answers a fold has judged."""
    return ~np.isnan(answers[:, 0])


def folds(examples: Sequence[Example], by_time: bool, seed: int, recipe: Cleaning, always: int = 0) -> tuple[Fold, ...]:
    """Where to learn and where to judge, `recipe.folds` times; a group is never on both sides of a fold.

    By time: learn from all before, judge the next stretch, over the newer part. Else: each example is judged once.
    Rows from len(examples) up to `always` are learnt in every fold and judged in none.
    """
    rest = np.arange(len(examples), always)
    groups = np.array([example.group for example in examples])
    number = np.empty(len(examples), np.int64)
    if by_time:
        order = np.argsort([example.time for example in examples], kind="stable")
        start = round(recipe.learnt_share * len(examples))
        number[order[:start]] = -1
        for index, stretch in enumerate(np.array_split(order[start:], recipe.folds)):
            number[stretch] = index
    else:
        number = _dealt(examples, recipe.folds, seed)
    found: list[Fold] = []
    for index in range(recipe.folds):
        asked = np.flatnonzero(number == index)
        before = (number < index) if by_time else (number != index)
        learnt = np.flatnonzero(before & ~np.isin(groups, groups[asked]))
        if len(asked) and len(learnt):
            found.append((np.concatenate([learnt, rest]), asked))
    return tuple(found)


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
