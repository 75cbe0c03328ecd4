"""What files say decides where a mail says little, harms nothing where it says enough, and helps though half of the
lessons lack it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from connectors.base import MailText
from daemon.model.as_read import LAYOUT, as_taught
from daemon.training.order import Lesson
from tests.lessons import KEY, office_rows
from tests.trainer.test_dataset import job_for
from trainer.candidates.tfidf import fit_linear
from trainer.dataset import build
from trainer.folds import Lessons
from trainer.recipe import Recipe

COVERS = ("Please find attached.", "Here it is, as discussed on the phone.\nThanks\nAnn", "", "See enclosed file.")
LESSONS, ASKED = 160, 80


def mails(kind: str) -> list[Lesson]:
    """Lessons and, behind them, those that are asked: of `kind` "short" only the file tells, of "telling" only the
    body, and its file is of another category."""
    lessons = [Lesson.model_validate(row) for row in office_rows(LESSONS + ASKED)]
    made = []
    for number, lesson in enumerate(lessons):
        said = lesson.text.body.replace("Dear all,", "").split(";")[0].strip()
        shift = 1 + number // 4 % 3
        other = " ".join(lessons[(number + shift + 4 * more) % len(lessons)].text.body for more in range(6))
        body, file = (COVERS[number // 4 % len(COVERS)], said * 3) if kind == "short" else (lesson.text.body, other)
        text = replace(lesson.text, subject="Scan", body=body, attached_text=file)
        made.append(lesson.model_copy(update={"text": text}))
    return made


def right(lessons: Sequence[Lesson], asked: Sequence[Lesson], layout: int) -> float:
    """The share of `asked` that the linear model gets right which a night with this layout would fit."""
    job = job_for([{"category": lesson.category} for lesson in lessons]).model_copy(update={"attached": layout})
    recipe = Recipe()
    data = build(job, lessons, KEY, recipe.cleaning)
    model = fit_linear(Lessons.of(data, tuple(sorted(data.present)), 1, recipe.cleaning), KEY, recipe).model
    texts = [as_taught(lesson.text, frozenset(data.disclaimers), KEY, layout) for lesson in asked]
    found = model.logprobs(texts).argmax(axis=1)
    return sum(model.categories[at] == lesson.category for at, lesson in zip(found, asked, strict=True)) / len(asked)


def without_text(lesson: Lesson) -> Lesson:
    return lesson.model_copy(update={"text": replace(lesson.text, attached_text="")})


def test_where_only_the_file_tells_it_decides_though_the_older_half_of_the_lessons_lacks_it() -> None:
    lessons, asked = mails("short")[:LESSONS], mails("short")[LESSONS:]
    older = [without_text(lesson) for lesson in lessons[: LESSONS // 2]]
    names = right(lessons, asked, 0)
    assert names < 0.5
    assert right(lessons, asked, LAYOUT) > 0.95
    assert right([*older, *lessons[LESSONS // 2 :]], asked, LAYOUT) > 0.9
    assert right([without_text(lesson) for lesson in lessons], asked, LAYOUT) >= names - 0.1


@pytest.mark.parametrize("layout", [0, LAYOUT])
def test_where_the_body_tells_a_foreign_file_changes_nothing(layout: int) -> None:
    both = mails("telling")
    assert right(both[:LESSONS], both[LESSONS:], layout) > 0.95


def test_a_mail_of_each_kind_is_what_it_says() -> None:
    assert {mail.text.body for mail in mails("short")} == set(COVERS)
    assert all(isinstance(mail.text, MailText) and mail.text.attached_text for mail in mails("telling"))
