"""The one memory of what people taught. It counts from the next mail on, and one refresh brings it up to date.

near            recent lessons that a mail nearly repeats                         (daemon/model/near_duplicates.py)
votes           the lessons most like a mail have a voice in the model's answer   (daemon/model/neighbours.py)
newcomer        and tell mail of a folder that the model does not know yet        (the same)
first words     names, descriptions and first lessons guess, before a model does  (daemon/model/first_guess.py)

Votes and newcomers are part of `Classifier.classify`, since how much they count was fitted with that model and lies in
its folder; so the memory teaches the model that serves, and keeps no second copy. Threads need no memory: the database
knows them (`daemon.store.learning.of_thread`).
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Protocol

from connectors.base import MailText
from daemon.model.first_guess import FirstGuess
from daemon.model.near_duplicates import NearCopy, NearDuplicates
from daemon.model.neighbours import CAPACITY as MOST_NEIGHBOURS
from daemon.model.prediction import Prediction
from daemon.store.records import Category, Lesson

if TYPE_CHECKING:
    from daemon.model.classifier import Classifier

FIRST_EXAMPLES = 500
"""So many of the newest lessons are looked through for first examples of categories that the model does not know."""


State = tuple[int, int, Hashable, int]
"""As `Lessons.state` says it."""


class Lessons(Protocol):
    """Where lessons come from: one mailbox in the database, at one moment."""

    def state(self) -> State:
        """(highest id ever, how many are kept, as what they count, how often one got the text of its files later):
        changes with everything that people teach, take back or say of their folders. The third is None where all count
        as they were filed, and always did."""

    def newest(self, count: int, after: int = 0) -> list[Lesson]:
        """Of those that count and have a higher id than `after` the last so many by id, in order of time."""

    def counting(self, since: int) -> Collection[int]:
        """The ids, from `since` on, of the lessons that count."""


class LessonMemory:
    """One mailbox's lessons. `refresh` brings all of it up to date; what it answers is as of then."""

    def __init__(self) -> None:
        self._near = NearDuplicates()
        self._known: State = (0, 0, None, 0)
        """The state of the lessons when near-duplicates were brought up to date."""
        self._pupil: weakref.ref[Classifier] | None = None
        self._taught: State = (0, 0, None, 0)
        """The model that was taught last, and the state of the lessons then. One that is loaded anew knows less."""
        self._first_words: FirstGuess | None = None
        self._guessed: tuple[State, tuple[Category, ...]] | None = None

    def __len__(self) -> int:
        """How many lessons are remembered as texts that may come again."""
        return len(self._near)

    def refresh(self, lessons: Lessons, model: Classifier | None, guessed: Sequence[Category] = ()) -> None:
        """Take in what people taught, forget what they took back. Asks for nothing but the state if that is the same.

        `model`: the one that serves, which learns with us. `guessed`: the categories to guess among by first words;
        none where the model knows all.
        """
        state = lessons.state()
        pupil = model if model is not None and model.newest_lesson is not None else None
        if state != self._known or (pupil is not None and not self._has_taught(pupil, state)):
            self._learn(lessons, state, pupil)
        if not guessed:
            self._first_words = self._guessed = None
        elif self._guessed != (state, tuple(guessed)):
            self._first_words = FirstGuess(guessed, lessons.newest(FIRST_EXAMPLES))
            self._guessed = (state, tuple(guessed))

    def near(self, text: MailText) -> list[NearCopy]:
        """The lessons that this mail nearly repeats, the latest last."""
        return self._near.near(text)

    def first_words(self, text: MailText) -> Prediction | None:
        """What names, descriptions and first lessons point at; None: at nothing, or no model is missing."""
        return None if self._first_words is None else self._first_words.guess(text)

    def _has_taught(self, pupil: Classifier, state: State) -> bool:
        return self._pupil is not None and self._pupil() is pupil and self._taught == state

    def _is_to_hear_all(self, pupil: Classifier, state: State) -> bool:
        """May lessons that it learnt long ago count as another category than it was told, or say more than they did?
        What they said later counts for a model that is loaded anew from its next training on."""
        same = self._pupil is not None and self._pupil() is pupil
        return state[2:] != self._taught[2:] if same else state[2] is not None

    def _learn(self, lessons: Lessons, state: State, pupil: Classifier | None) -> None:
        if state[2:] != self._known[2:]:  # what is known may count or say something else, what was left out teach
            self._near, self._known = NearDuplicates(self._near.capacity), (0, 0, *state[2:])
        known = self._known[0]
        taught = 0 if pupil is None or self._is_to_hear_all(pupil, state) else pupil.newest_lesson or 0
        after, count = known, self._near.capacity
        if pupil is not None:
            after = min(known, taught)
            # One question for both, and no more texts than either wants.
            count = max(count, MOST_NEIGHBOURS) if state[0] - taught > count else count
        fresh = lessons.newest(count, after)
        counting = lessons.counting(0 if pupil is not None else self._near.oldest)
        for lesson in _newest(fresh, known, self._near.capacity):
            self._near.add(lesson.id, lesson.text, lesson.category, lesson.at)
        self._near.keep(counting)
        self._known = state
        if pupil is not None:
            news = _newest(fresh, taught, MOST_NEIGHBOURS)
            if self._pupil is not None and self._pupil() is pupil and state[3] != self._taught[3]:
                pupil.learn([], ())  # what it knows by its number it would not read again
            pupil.learn([(lesson.id, lesson.text, lesson.category) for lesson in news], counting)
            self._pupil, self._taught = weakref.ref(pupil), state


def _newest(lessons: Sequence[Lesson], after: int, count: int) -> list[Lesson]:
    """Of the lessons beyond the id `after` the last so many by id, in the order in which they stand."""
    wanted = set(sorted(lesson.id for lesson in lessons if lesson.id > after)[-count:])
    return [lesson for lesson in lessons if lesson.id in wanted]
