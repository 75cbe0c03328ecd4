"""The one memory of lessons: refreshed by one question, and all that it answers as if each part had asked by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from connectors.base import MailText
from daemon.model import memory as memory_module
from daemon.model.memory import LessonMemory, State
from daemon.model.near_duplicates import NearDuplicates
from daemon.store.records import Category, Lesson

LONG = "the boiler of house {0} was serviced on monday by two of our people and valve {0} is tight again now"
NOTHING: State = (0, 0, None, 0)
FEW = 4
"""Capacities as small as that show at once what is dropped."""
FAIRS, HEDGES = Category("f", "Fairs", "Fairs"), Category("h", "Hedges", "Hedges")


def text_of(number: int) -> MailText:
    return MailText(body=LONG.format(f"no{number}"))


class Written:
    """Lessons as the database has them, and how often it was asked for texts."""

    def __init__(self) -> None:
        self.lessons: dict[int, Lesson] = {}
        self.highest = 0
        self.asked: list[tuple[int, int]] = []
        self.counting_as: str | None = None
        self.reread = 0

    def teach(self, category: str, hours: int = 0, text: MailText | None = None) -> int:
        self.highest += 1
        at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hours)
        about = text or text_of(self.highest)
        self.lessons[self.highest] = Lesson(self.highest, None, category, about, None, at, 1.0, "csv", False)
        return self.highest

    def state(self) -> State:
        return self.highest, len(self.lessons), self.counting_as, self.reread

    def newest(self, count: int, after: int = 0) -> list[Lesson]:
        self.asked.append((count, after))
        found = [self.lessons[number] for number in sorted(self.lessons) if number > after][-count:]
        return sorted(found, key=lambda lesson: (lesson.at, lesson.id))

    def counting(self, since: int) -> Collection[int]:
        return {number for number in self.lessons if number >= since}


class Pupil:
    """A model with neighbours, which says what it was taught."""

    def __init__(self, newest: int = 0) -> None:
        self.newest_lesson = newest
        self.known: list[tuple[int, str]] = []

    def learn(self, lessons: Sequence[tuple[int, MailText, str]], counting: Collection[int]) -> None:
        self.known = [each for each in self.known if each[0] in counting]
        self.known += [(number, category) for number, _, category in lessons]
        self.newest_lesson = max([self.newest_lesson, *(number for number, *_ in lessons)])


def alone(near: NearDuplicates, known: State, written: Written) -> State:
    """How near-duplicates kept themselves up to date before there was one memory."""
    if written.state() != known:
        for lesson in written.newest(near.capacity, known[0]):
            near.add(lesson.id, lesson.text, lesson.category, lesson.at)
        near.keep(written.counting(near.oldest))
    return written.state()


def taught_alone(pupil: Pupil, known: State, written: Written) -> State:
    """And the model's neighbours."""
    if written.state() != known:
        fresh = written.newest(FEW + 2, pupil.newest_lesson)
        pupil.learn([(lesson.id, lesson.text, lesson.category) for lesson in fresh], written.counting(0))
    return written.state()


@settings(max_examples=200, deadline=None)
@given(
    some.lists(
        some.one_of(
            some.tuples(some.just("teach"), some.integers(0, 9)),
            some.tuples(some.just("void"), some.integers(1, 30)),
            some.tuples(some.just("look"), some.booleans()),
        ),
        max_size=40,
    )
)
def test_one_refresh_leaves_every_part_as_its_own_would(events: list[tuple[str, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_module, "MOST_NEIGHBOURS", FEW + 2)
        written, memory, pupil = Written(), LessonMemory(), Pupil()
        memory._near.capacity = FEW
        near, by_itself, known, taught = NearDuplicates(FEW), Pupil(), NOTHING, NOTHING
        for what, how in [*events, ("look", True)]:
            if what == "teach":
                written.teach("f" if how % 2 else "h", hours=how)
            elif what == "void":
                written.lessons.pop(how, None)
            else:
                memory.refresh(written, pupil if how else None)  # type: ignore[arg-type]
                known = alone(near, known, written)
                taught = taught_alone(by_itself, taught, written) if how else taught
        assert pupil.known == by_itself.known
        assert [*memory._near._shingles] == [*near._shingles]
        for number in range(1, written.highest + 1):
            assert memory.near(text_of(number)) == near.near(text_of(number))


def test_one_question_serves_all_parts_and_none_is_asked_while_nothing_changes() -> None:
    written, memory, pupil = Written(), LessonMemory(), Pupil()
    written.teach("f")
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert len(written.asked) == 1
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert len(written.asked) == 1
    written.teach("h")
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert written.asked[1:] == [(memory._near.capacity, 1)]
    assert pupil.known == [(1, "f"), (2, "h")]


def test_a_model_that_is_loaded_anew_is_taught_again() -> None:
    """Of the same version and the same lessons: only the object is another."""
    written, memory = Written(), LessonMemory()
    written.teach("f")
    memory.refresh(written, Pupil())  # type: ignore[arg-type]
    again = Pupil()
    memory.refresh(written, again)  # type: ignore[arg-type]
    assert again.known == [(1, "f")]


def test_first_words_are_there_only_while_a_model_lacks_a_category_and_follow_its_lessons() -> None:
    written, memory = Written(), LessonMemory()
    asked = MailText(body="when will it be trimmed?")
    memory.refresh(written, None, [FAIRS, HEDGES])
    assert memory.first_words(asked) is None
    for number in range(2):
        written.teach("h", text=MailText(body=f"trimmed as wished, number {number}"))
    memory.refresh(written, None, [FAIRS, HEDGES])
    guess = memory.first_words(asked)
    assert guess is not None
    assert guess.best == "h"
    before = len(written.asked)
    memory.refresh(written, None, [FAIRS, HEDGES])
    assert len(written.asked) == before
    memory.refresh(written, None)
    assert memory.first_words(asked) is None


def test_what_a_lesson_says_later_all_parts_hear_once() -> None:
    written, memory, pupil = Written(), LessonMemory(), Pupil()
    written.teach("f", text=MailText(body="see the file"))
    written.teach("h", hours=1)
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert "f" not in {near.category for near in memory.near(text_of(1))}
    written.lessons[1] = replace(written.lessons[1], text=text_of(1))
    written.reread += 1
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert "f" in {near.category for near in memory.near(text_of(1))}
    assert pupil.known == [(1, "f"), (2, "h")]
    asked = len(written.asked)
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert len(written.asked) == asked


def test_when_lessons_count_as_another_category_all_parts_hear_it_and_so_does_a_model_that_knew_them() -> None:
    written, memory, pupil = Written(), LessonMemory(), Pupil()
    written.teach("f")
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert [near.category for near in memory.near(text_of(1))] == ["f"]
    written.lessons[1] = replace(written.lessons[1], category="h")
    written.counting_as = "f is h"
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert [near.category for near in memory.near(text_of(1))] == ["h"]
    assert pupil.known[-1] == (1, "h")
    asked = len(written.asked)
    memory.refresh(written, pupil)  # type: ignore[arg-type]
    assert len(written.asked) == asked  # once is enough
    later = Pupil(newest=1)  # loaded anew, and trained before anybody said so
    memory.refresh(written, later)  # type: ignore[arg-type]
    assert later.known == [(1, "h")]
