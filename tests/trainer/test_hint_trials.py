"""Hints are tried on people's own lessons, in order of time, by the rules of service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import MailText
from daemon.model.near_duplicates import NearCopy, NearDuplicates
from daemon.model.prediction import TriedHint
from daemon.store.records import HintKind
from daemon.training.order import Lesson
from trainer.hint_trials import tried_hints
from trainer.recipe import Hints

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
ANN = "ann@supplier.example"
THREAD = HintKind("thread", "a thread in one folder", "within two weeks")
SAME = HintKind("memory", "the same text", "within two weeks")
WORDS = "the boiler of house {} was serviced on monday by two of our people and all valves are tight again now {}"


def lesson(
    number: int, category: str, *, body: str = "", thread: str | None = None, sender: str = ANN, day: int | None = None
) -> Lesson:
    text = MailText(sender=sender, body=body or f"something number {number}")
    at = FIRST + timedelta(days=2 * (number if day is None else day))
    return Lesson(id=number, category=category, text=text, thread=thread, at=at)


def test_a_thread_is_asked_about_its_next_mail_and_never_about_its_first() -> None:
    lessons = [
        lesson(1, "c1", thread="<t>"),
        lesson(2, "c1", thread="<t>"),
        lesson(3, "c1", thread="<t>", sender="mallory@evil.example"),
        lesson(4, "c2", thread="<t>"),
        lesson(5, "c2", thread="<t>"),
    ]
    several = HintKind("thread", "a thread in several folders", "within two weeks")
    assert tried_hints(lessons, (), Hints()) == (
        TriedHint(THREAD, "c1", "c1"),
        TriedHint(THREAD, "c2", "c1"),
        TriedHint(several, "c2", "c2"),
    )


def test_copies_are_asked_of_what_came_before_only_whatever_the_order_of_the_lessons() -> None:
    body = WORDS.format("seven", "indeed")
    first, later, other = lesson(1, "c1", body=body), lesson(2, "c2", body=body), lesson(3, "c1", body=body)
    # By the third the copies lie in two folders, which is no hint.
    assert tried_hints([other, later, first], (), Hints()) == (TriedHint(SAME, "c2", "c1"),)


def test_the_same_words_with_other_files_are_no_copy() -> None:
    body = "Please find attached the document that we spoke of, kind regards"
    papers = (
        "Invoice no. 4711 for the boiler",
        "Invoice no. 4711 for the boiler",
        "Report of the damage in the cellar",
    )
    lessons = [
        Lesson(id=number, category="c1", text=MailText(body=body, attached_text=f"{paper} of house seven in Mill Lane"),
               at=FIRST + timedelta(days=number))
        for number, paper in enumerate(papers)
    ]  # fmt: skip
    assert tried_hints(lessons, (), Hints()) == (TriedHint(SAME, "c1", "c1"),)


def test_only_the_newest_are_asked_and_only_the_newest_of_a_thread_speak() -> None:
    lessons = [lesson(number, "c1", thread="<t>") for number in range(1, 11)]
    assert len(tried_hints(lessons, (), Hints(most=3))) == 3
    changed = [lesson(0, "c2", thread="<t>"), *lessons]
    kinds = {hint.kind.shape for hint in tried_hints(changed, (), Hints(most=3, of_a_thread=5))}
    assert kinds == {"a thread in one folder"}


def test_the_office_takes_part_in_every_thread() -> None:
    lessons = [lesson(1, "c1", thread="<t>"), lesson(2, "c1", thread="<t>", sender="carl@office.example")]
    assert not tried_hints(lessons, (), Hints())
    assert len(tried_hints(lessons, ("office.example",), Hints())) == 1


def test_a_text_that_comes_again_and_again_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 mails of a machine that say the same cost a night two minutes of looking up."""
    asked: list[MailText] = []
    near = NearDuplicates.near

    def counted(self: NearDuplicates, text: MailText) -> list[NearCopy]:
        asked.append(text)
        return near(self, text)

    monkeypatch.setattr(NearDuplicates, "near", counted)
    text = MailText(subject="Backup", body="The backup of the night has ended without any error at all")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    lessons = [Lesson(id=number, category="a", text=text, at=start + timedelta(days=number)) for number in range(1, 21)]
    found = tried_hints(lessons, (), Hints())
    assert (len(found), len(asked)) == (19, 1)
    assert all(hint.right for hint in found)
