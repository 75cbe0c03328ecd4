"""What a trial decides without a model: parts, what a written answer names, the budget, the plan, the advice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import MailText
from daemon.training.order import Lesson
from daemon.training.trial_order import Filed
from trainer.plan import Plan
from trainer.recipe import Recipe
from trainer.trial.advice import advice, share_of
from trainer.trial.contest import _parts, _too_few
from trainer.trial.parts import Parts, divide
from trainer.trial.tuned import epochs_for, most_common, spelt, within_budget
from trainer.trial.untrained import named

START = datetime(2026, 1, 1, tzinfo=UTC)


def lessons(counts: dict[str, int], *, dated: bool = False) -> list[Lesson]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [
        Lesson(
            id=row,
            category=label,
            text=MailText(body=f"text {row}"),
            at=START + timedelta(hours=(row * 37) % len(labels)) if dated else None,
        )
        for row, label in enumerate(labels)
    ]


def divided(rows: list[Lesson], groups: list[int] | None = None, given: int = 0, **more: Any) -> Parts:
    return divide(rows, groups or list(range(len(rows))), given, more.get("doubtful", frozenset()), more.get("seed", 1))


def sizes(parts: Parts) -> tuple[int, int, int]:
    return len(parts.learnt), len(parts.stop), len(parts.judged)


# --- parts


def test_seventy_fifteen_and_fifteen_of_every_category() -> None:
    rows = lessons({"a": 100, "b": 60, "c": 40})
    parts = divided(rows)
    assert sizes(parts) == (140, 30, 30)
    assert sorted((*parts.learnt, *parts.stop, *parts.judged)) == list(range(200))
    judged = [rows[row].category for row in parts.judged]
    assert [judged.count(label) for label in "abc"] == pytest.approx([15, 9, 6], abs=1)


def test_the_same_seed_draws_the_same_and_another_one_others() -> None:
    rows = lessons({"a": 40, "b": 40})
    assert divided(rows) == divided(rows) != divided(rows, seed=2)


@pytest.mark.parametrize("dated", [False, True])
def test_a_group_is_never_on_both_sides(dated: bool) -> None:
    rows = lessons({"a": 60, "b": 60}, dated=dated)
    groups = [row // 2 for row in range(120)]
    parts = divided(rows, groups)
    assert {groups[row] for row in parts.judged}.isdisjoint(groups[row] for row in parts.taught)
    assert parts.judged
    assert parts.by_time == dated


def test_by_date_the_newest_judge_and_the_next_newest_say_when_to_stop() -> None:
    rows = lessons({"a": 50, "b": 50}, dated=True)
    parts = divided(rows)
    latest = [max(rows[row].when for row in part) for part in (parts.learnt, parts.stop, parts.judged)]
    earliest = [min(rows[row].when for row in part) for part in (parts.learnt, parts.stop, parts.judged)]
    assert sizes(parts) == (70, 15, 15)
    assert latest[0] < earliest[1]
    assert latest[1] < earliest[2]


def test_by_date_a_long_group_is_not_judged_by_and_what_it_has_of_the_newest_is_not_learnt() -> None:
    rows = lessons({"a": 60, "b": 60}, dated=True)
    groups = [0 if row < 50 else row for row in range(120)]
    parts = divided(rows, groups)
    assert len(parts.judged) == 18
    assert {groups[row] for row in parts.judged}.isdisjoint({0})
    assert parts.left_out
    newest = max(rows[row].when for row in parts.learnt)
    assert newest < min(rows[row].when for row in parts.left_out)
    assert len({*parts.learnt, *parts.stop, *parts.judged, *parts.left_out}) == 120


def test_one_row_without_a_date_and_the_parts_are_drawn() -> None:
    rows = lessons({"a": 50, "b": 50}, dated=True)
    rows[3] = rows[3].model_copy(update={"at": None})
    assert not divided(rows).by_time


def test_the_last_group_of_a_category_is_learnt_and_what_is_doubtful_never_judges() -> None:
    rows = lessons({"a": 30, "b": 1, "c": 2})
    parts = divided(rows, doubtful=frozenset(range(10)))
    assert {"a", "b", "c"} == {rows[row].category for row in parts.learnt}
    assert set(range(10)).isdisjoint(parts.judged)


def test_examples_of_their_own_judge_all_and_what_nearly_repeats_them_is_not_learnt() -> None:
    rows = lessons({"a": 40, "b": 40}) + lessons({"a": 5, "b": 5})
    groups = [*range(80), 7, 50, *range(100, 108)]
    parts = divided(rows, groups, given=10)
    assert parts.judged == tuple(range(80, 90))
    assert parts.left_out == (7, 50)
    assert sizes(parts) == (66, 12, 10)


# --- what the untrained base wrote

NAMES = ["card arrival", "card", "top up failed", "Größe"]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("card arrival", 0),
        ("Card_Arrival.", 0),
        ('The category is "card arrival".', 0),
        ("card", 1),
        ("Sure! It is: top up failed", 2),
        ("GRÖSSE", 3),
        ("größe", 3),
        ("card arrival or top up failed", None),
        ("cards", None),
        ("", None),
        ("I cannot say.", None),
    ],
)
def test_an_answer_is_the_one_name_that_it_holds(said: str, place: int | None) -> None:
    assert named(said, NAMES) == place


# --- budget and spelling


def test_a_budget_is_spent_evenly_and_on_the_newest() -> None:
    labels = [0] * 8 + [1] * 2
    assert within_budget(range(10), labels, [10] * 10, 1000) == tuple(range(10))
    assert within_budget(range(10), labels, [10] * 10, 50) == (5, 6, 7, 8, 9)


def test_names_are_spelt_as_words_unless_two_would_be_the_same() -> None:
    assert spelt(["card_arrival", "top  up"]) == ["card arrival", "top up"]
    assert spelt(["card_arrival", "card arrival"]) == ["card_arrival", "card arrival"]
    assert most_common([2, 0, 2, 1]) == 2


# --- how long it takes


def test_a_plan_learns_its_own_speed_and_never_goes_back() -> None:
    clock, heard = [0.0], list[dict[str, Any]]()
    plan = Plan({"a": 100, "b": 300}, lambda event: heard.append(dict(event)), lambda: clock[0])
    plan.begin("a", "first")
    assert heard[-1] == {"stage": "a", "done": 0, "total": 1000, "text": "first", "left": 400}
    for tenth in range(1, 11):
        clock[0] += 20  # twice as slow as guessed
        plan.tick(tenth, 10)
    assert heard[-1]["done"] == 250
    assert 500 < heard[-1]["left"] < 600
    plan.begin("b", "second")
    plan.tick(1, 3, "a third")
    assert (heard[-1]["done"], heard[-1]["text"]) == (500, "a third")
    plan.tick(3, 3)
    assert (heard[-1]["done"], heard[-1]["left"]) == (990, 5), "what was fitted is judged yet"
    plan.end()
    assert (heard[-1]["done"], heard[-1]["left"]) == (1000, 0)
    assert [each["done"] for each in heard] == sorted(each["done"] for each in heard)


def test_a_step_that_nobody_planned_costs_nothing() -> None:
    heard = list[dict[str, Any]]()
    plan = Plan({"a": 10}, lambda event: heard.append(dict(event)), lambda: 0.0)
    plan.begin("strange", "?")
    plan.tick(0, 0)
    plan.begin("a", "a")
    plan.end()
    assert heard[-1]["done"] == 1000


# --- the advice


def flags(right: int, of: int = 100) -> list[bool]:
    return [place < right for place in range(of)]


FILED = Filed(wanted=0.95, share=share_of(flags(60)), right=share_of(flags(58, 60)))
NOTHING = Filed(wanted=0.95, share=share_of(flags(0)), right=share_of([]))


def test_what_serves_is_advised_where_nothing_is_clearly_better() -> None:
    told = advice(
        {"majority": flags(20), "words": flags(70), "names": flags(84), "served": flags(85)}, "a blend", FILED
    )
    assert told == (
        "Use what Postroom serves (a blend): 85% right, 15 points more than words alone, and nothing here is clearly "
        "better. At a wanted precision of 95% it would file 60% by itself, 97% of that rightly."
    )


def test_what_may_be_chance_is_called_chance() -> None:
    told = advice({"majority": flags(20), "words": flags(83), "served": flags(85)}, "a blend", NOTHING)
    assert "2 points more than words alone, which may be chance" in told
    assert told.endswith("it would file nothing by itself yet.")


def test_a_way_that_is_clearly_ahead_is_named_with_what_can_be_done() -> None:
    ways = {"majority": flags(20), "words": flags(60), "served": flags(70)}
    assert "`--tuning answer`" in advice({**ways, "codes": flags(90)}, "a blend", FILED)
    told = advice({**ways, "names": flags(90)}, "a blend", FILED)
    assert told.startswith("Fine-tuning on names is 20 points ahead of what Postroom serves here (a blend, 70%).")


def test_what_is_no_better_than_the_largest_category_is_not_advised() -> None:
    told = advice({"majority": flags(50), "words": flags(51), "served": flags(52)}, "words alone", NOTHING)
    assert told.startswith("None of these is worth using yet")


@pytest.mark.parametrize(("learnt", "epochs"), [(20, 16), (124, 16), (400, 5), (850, 4), (10_000, 4)])
def test_few_texts_are_learnt_oftener(learnt: int, epochs: int) -> None:
    assert epochs_for(learnt, 4) == epochs


def test_what_serves_is_not_advised_where_another_way_is_worth_more() -> None:
    ways = {"majority": flags(50), "words": flags(52), "served": flags(53)}
    told = advice({**ways, "names": flags(90)}, "a blend", FILED)
    assert told.startswith("Fine-tuning on names is the best of these (90%); what Postroom serves here (a blend, 53%)")
    told = advice({**ways, "majority": flags(20), "base_closed": flags(90)}, "a blend", FILED)
    assert told.startswith("The untrained base with a closed set is 37 points ahead of what Postroom serves here")
    assert "These examples teach less than the base knew before: give more." in told


def test_a_step_that_was_taken_is_not_advised() -> None:
    ways = {"majority": flags(20), "words": flags(60), "served": flags(70), "codes": flags(90)}
    assert "--tuning" in advice(ways, "words alone", FILED)
    assert "--tuning" not in advice(ways, "words alone", FILED, "answer")


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (250, "as many as words alone"),
        (251, "0.2 points more than words alone, which may be chance"),
        (255, "1 point more than words alone"),
    ],
)
def test_no_difference_is_told_as_zero_points(served: int, said: str) -> None:
    ways = {"majority": flags(100, 500), "words": flags(250, 500), "served": flags(served, 500)}
    ways["served"] = [*reversed(ways["served"])]
    assert said in advice(ways, "a blend", FILED)


# --- parts of odd files


def test_one_text_that_is_every_third_is_on_one_side() -> None:
    rows = [
        Lesson(
            id=row,
            category="abac"[row % 4] if row % 3 else "a",
            text=MailText(body=f"w{row * 7919} x{row * 31}" if row % 3 else "ok thanks"),
        )
        for row in range(1200)
    ]
    parts = _parts(rows, 0, 1, Recipe(), [])
    assert {row for row in range(1200) if row % 3 == 0} <= set(parts.taught)


def test_groups_that_are_too_large_and_a_test_that_repeats_all_are_told_as_such() -> None:
    rows = [lesson.model_copy(update={"thread": f"g{lesson.id % 4}"}) for lesson in lessons({"a": 40, "b": 40})]
    parts = divided(rows, [row % 4 for row in range(80)])
    assert str(_too_few(rows, parts, 0)).startswith("Its groups (4 in 80 rows) are too large")
    twice = lessons({"a": 10, "b": 10})
    parts = divided(twice * 2, [*range(20), *range(20)], 20)
    assert str(_too_few(twice * 2, parts, 20)).startswith("20 texts of 20 stand in the test, too")
