"""The gate: better or equal is promoted, clearly worse anywhere is not, and every verdict is a sentence."""

import pytest

from trainer.evaluate import figures, interval, paired_chance
from trainer.gate import ExamAnswer, Verdict, beat_the_withdrawn, judge

NAMES = {"a": "Invoices", "b": "Orders"}


def answers(category, candidate, current, frozen=False):
    return [
        ExamAnswer(category, frozen, new == "1", None if old == "-" else old == "1")
        for new, old in zip(candidate, current, strict=True)
    ]


def test_first_model_is_promoted_when_it_beats_guessing():
    verdict = judge(answers("a", "1110", "----") + answers("b", "1101", "----"), 2, NAMES)
    assert verdict.promote
    assert "6 of 8 right" in verdict.sentence


def test_first_model_that_only_guesses_is_not():
    verdict = judge(answers("a", "1000", "----") + answers("b", "1000", "----"), 4, NAMES)
    assert not verdict.promote
    assert "guessing" in verdict.sentence


def test_without_an_exam_nothing_is_promoted():
    assert not judge([], 2, NAMES).promote


def test_a_better_model_says_where_it_is_better():
    verdict = judge(answers("a", "1111", "1100") + answers("b", "1111", "1111"), 2, NAMES)
    assert verdict.promote
    assert "better on 1 of 2 folders" in verdict.sentence


def test_an_equal_model_is_promoted_because_it_knows_more():
    assert judge(answers("a", "1110", "1101") + answers("b", "11", "11"), 2, NAMES).promote


def test_a_worse_model_is_kept_out():
    verdict = judge(answers("a", "1" * 30 + "0" * 10, "1" * 40), 2, NAMES)
    assert not verdict.promote
    assert "30 of 40" in verdict.sentence


def test_one_folder_clearly_worse_keeps_the_old_model_though_the_sum_is_better():
    better = answers("a", "1" * 20, "1" * 10 + "0" * 10)
    worse = answers("b", "0" * 5 + "1" * 1, "1" * 6)
    verdict = judge(better + worse, 2, NAMES)
    assert not verdict.promote
    assert "clearly worse on Orders" in verdict.sentence


def test_a_loss_on_the_frozen_part_counts_even_when_the_recent_part_gains():
    recent = answers("a", "1" * 20, "0" * 10 + "1" * 10)
    frozen = answers("b", "0" * 6, "1" * 3 + "1" * 3, frozen=True)
    assert not judge(recent + frozen, 2, NAMES).promote


@pytest.mark.parametrize(("right", "count"), [(0, 0), (0, 5), (5, 5), (90, 100)])
def test_intervals_hold_the_share_and_stay_between_zero_and_one(right, count):
    low, high = interval(right, count)
    assert 0 <= low <= (right / count if count else 0.5) <= high <= 1


def test_paired_chance_is_high_for_equals_and_low_for_a_clear_difference():
    assert paired_chance([True, False], [False, True]) == 1
    assert paired_chance([True] * 12, [False] * 12) < 0.001
    assert figures([])["accuracy"] is None


def test_candidate_must_beat_the_model_that_people_overrode() -> None:
    passed = Verdict(True, "Promoted.")
    right, wrong = [True, True, False], [True, False, False]
    assert beat_the_withdrawn(passed, right, None) == passed
    assert beat_the_withdrawn(passed, right, wrong) == passed
    refused = beat_the_withdrawn(passed, right, right)
    assert not refused.promote
    assert "no better than the one that was rolled back" in refused.sentence
