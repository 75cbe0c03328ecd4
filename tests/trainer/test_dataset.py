"""From lessons to training part and exam: nothing on both sides, nothing twice, and a report in plain words."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from connectors.base import MailText
from daemon.model.as_read import LAYOUT
from daemon.model.classifier import Classifier
from daemon.model.disclaimers import find_disclaimers, without_disclaimers
from daemon.model.model_folder import ModelMeta
from daemon.training.order import Category, Lesson, Order
from tests.lessons import KEY, START, lesson, office_rows
from trainer.dataset import Example, build, evened, similar_pairs, split
from trainer.recipe import Cleaning


def job_for(rows, **more):
    names = sorted({row["category"] for row in rows})
    return Order(
        version="v",
        cache=Path("c"),
        term_key=Path("k"),
        categories=tuple(Category(id=name, name=name.title()) for name in names),
        **more,
    )


def built(rows, recipe=Cleaning()):  # noqa: B008  frozen
    return build(job_for(rows), [Lesson.model_validate(row) for row in rows], KEY, recipe)


def test_exam_is_drawn_from_the_newest_when_dates_mean_something():
    data = built(office_rows(200))
    assert data.by_time
    assert 10 <= len(data.exam) <= 40
    newest = sorted((example.time for example in [*data.train, *data.exam]), reverse=True)[: 2 * len(data.exam) + 2]
    assert min(example.time for example in data.exam) >= newest[-1]


def test_the_newest_lessons_are_on_both_sides_so_that_a_correction_teaches_the_same_night():
    data = built(office_rows(200))
    newest = sorted([*data.train, *data.exam], key=lambda example: -example.time)[:10]
    learnt = {example.id for example in data.train}
    assert 3 <= sum(example.id in learnt for example in newest) <= 7


def test_every_category_is_in_the_exam_when_there_are_no_dates():
    rows = [row | {"at": None} for row in office_rows(200)]
    data = built(rows)
    assert not data.by_time
    assert {example.category for example in data.exam} == {row["category"] for row in rows}


@settings(max_examples=30, deadline=None)
@given(
    threads=some.lists(some.integers(0, 6), min_size=4, max_size=60), by_time=some.booleans(), seed=some.integers(0, 9)
)
def test_no_thread_is_ever_on_both_sides(threads, by_time, seed):
    rows = office_rows(len(threads))
    for row, thread in zip(rows, threads, strict=True):
        row["thread"] = f"t{thread}"
        row["frozen"] = thread == 6
    data = built(rows)
    train, exam = split([*data.train, *data.exam], by_time, seed, Cleaning())
    assert not {example.group for example in train} & {example.group for example in exam}
    assert len(train) + len(exam) == len(data.train) + len(data.exam)
    assert all(not example.frozen for example in train)


def test_near_identical_lessons_are_merged_and_the_newest_word_counts():
    rows = office_rows(40)
    copy = dict(rows[0], id=900, category="orders", at=(START + timedelta(days=9)).isoformat())
    data = built([*rows, copy])
    kept = {example.id: example for example in [*data.train, *data.exam]}
    assert rows[0]["id"] not in kept
    assert kept[900].category == "orders"
    assert data.contradictions == ((rows[0]["id"], 900),)
    assert any("different categories" in sentence for sentence in data.report)


def test_form_letters_with_other_numbers_are_not_merged_but_stay_on_one_side():
    letters = [
        MailText(body=f"Your ticket {n} of our summer fair has been booked, please print it at home.") for n in (41, 87)
    ]
    ((_, _, likeness),) = similar_pairs(letters, 0.5)
    assert likeness < 0.999


def test_a_disclaimer_of_many_senders_is_dropped_and_never_leaves_a_body_empty():
    legal = "This message is confidential and meant only for the person or company that it is addressed to, thank you."
    texts = [MailText(sender=f"p{n}@example.com", body=f"Offer number {n}\n{legal}") for n in range(20)]
    texts.append(MailText(sender="only@example.com", body=legal))
    found = find_disclaimers(texts, KEY)
    cleaned = [without_disclaimers(text, found, KEY) for text in texts]
    assert all(legal not in text.body for text in cleaned[:20])
    assert cleaned[20].body == legal


def with_files(count):
    rows = office_rows(count)
    for row in rows[::2]:
        row["text"]["attached_text"] = row["text"]["body"].replace("\n", " ")
        row["text"]["body"] = "Please find attached.\n" + legal_notice() * (row["id"] % 4 == 0)
    return rows


def legal_notice():
    return "This message is confidential and meant only for the person or company that it is addressed to, thank you.\n"


@pytest.mark.parametrize("layout", [0, LAYOUT])
def test_a_lesson_is_learnt_as_the_same_mail_is_judged(layout):
    rows = with_files(200)
    job = job_for(rows).model_copy(update={"attached": layout})
    data = build(job, [Lesson.model_validate(row) for row in rows], KEY, Cleaning())
    examples = [*data.train, *data.exam]
    meta = ModelMeta(
        version="v",
        created=START,
        kind="linear",
        codebook=(),
        categories=(),
        disclaimers=data.disclaimers,
        attached=job.attached,
    )
    model = Classifier(meta, KEY, None, None, None)
    assert data.disclaimers
    assert model._plain([example.original for example in examples]) == [example.text for example in examples]
    read = sum("Dear all" in example.text.body and example.original.attached_text != "" for example in examples)
    assert not any(example.text.attached_text for example in examples)
    assert (read > 50) is bool(layout)


def test_what_a_file_says_makes_a_lesson_of_a_mail_that_says_nothing():
    rows = [*office_rows(30), lesson(700, "orders", MailText()) | {"text": {"attached_text": "Order of 20 chairs"}}]
    for layout, wanted in ((0, False), (LAYOUT, True)):
        job = job_for(rows).model_copy(update={"attached": layout})
        data = build(job, [Lesson.model_validate(row) for row in rows], KEY, Cleaning())
        assert (700 in {example.id for example in [*data.train, *data.exam]}) is wanted


def test_report_names_categories_that_cannot_be_learnt():
    rows = office_rows(60)
    rows.append(lesson(900, "todo", MailText(body="call the landlord back about the roof"), START))
    job = job_for(rows)
    job = job.model_copy(update={"categories": (*job.categories, Category(id="empty", name="Empty"))})
    report = " ".join(build(job, [Lesson.model_validate(row) for row in rows], KEY, Cleaning()).report)
    assert "Todo: only 1 lesson" in report
    assert "Empty: no lessons yet" in report


def test_lessons_without_text_or_of_unknown_categories_are_left_out():
    rows = office_rows(30)
    strange = [lesson(700, "orders", MailText()), lesson(701, "gone", MailText(body="something else entirely"))]
    data = build(job_for(rows), [Lesson.model_validate(row) for row in [*rows, *strange]], KEY, Cleaning())
    assert not {700, 701} & {example.id for example in [*data.train, *data.exam]}
    assert any("without any text" in sentence for sentence in data.report)
    assert any("no longer exist" in sentence for sentence in data.report)


def test_a_category_keeps_two_lessons_for_training():
    rows = office_rows(60)
    rare = START + timedelta(days=30)
    rows += [lesson(800, "rare", MailText(body="garden party in May"), rare)]
    rows += [lesson(801, "rare", MailText(body="a concert for the whole staff"), rare + timedelta(hours=2))]
    data = built(rows)
    assert sum(example.category == "rare" for example in data.train) == 2


def test_too_many_lessons_are_thinned_to_the_newest_of_each_category():
    rows = [row | {"frozen": row["id"] == 0} for row in office_rows(200)]
    data = built(rows, Cleaning(most_lessons=40))
    kept = [*data.train, *data.exam]
    assert len(kept) == 40
    assert {example.id for example in kept} >= {0, *range(170, 200)}
    assert any("newest lessons used" in sentence for sentence in data.report)


def weights_of(**counts):
    examples = [
        Example(0, name, MailText(), 0, 0.0, 2.0, False) for name, count in counts.items() for _ in range(count)
    ]
    return {example.category: example.weight for example in evened(examples)}, evened(examples)


def test_a_rare_category_weighs_more_by_the_square_root_and_all_together_as_before():
    weights, examples = weights_of(common=90, rare=10)
    assert abs(weights["rare"] / weights["common"] - 3) < 1e-9
    assert abs(sum(example.weight for example in examples) - 200) < 1e-9
    assert weights_of(one=7, other=7)[0] == {"one": 2.0, "other": 2.0}
    assert evened([]) == ()
