"""Thresholds from held-out answers: the wanted precision is kept on later mail, and little evidence files nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from daemon.model.prediction import Point
from daemon.rules.thresholds import lower_bound, lowest_threshold, risk_coverage, thresholds


def mailbox(count, seed, categories=6):
    """Answers of an honest model: right as often as it says."""
    random = np.random.default_rng(seed)
    points = []
    for _ in range(count):
        probability = float(random.beta(5, 1))
        category = f"c{random.integers(categories)}"
        points.append(Point(category, category, probability, bool(random.random() < probability)))
    return points


@pytest.mark.parametrize("count", [60, 150, 600])
def test_precision_on_later_mail_is_within_two_points_of_the_wanted(count):
    right = filed = later = 0
    for seed in range(40):
        limits = thresholds(mailbox(count, seed), 0.95)
        for point in mailbox(400, 1000 + seed):
            later += 1
            limit = limits.get(point.predicted)
            if limit is not None and point.probability >= limit:
                filed += 1
                right += point.correct
    assert right / filed >= 0.93
    assert filed / later >= 0.25


def test_no_evidence_files_nothing():
    assert thresholds([], 0.95) == {}
    assert thresholds([], 0.95, {"a": 0.9}) == {"a": None}
    assert thresholds([Point("a", "a", 0.9, True)], 0.95) == {"a": None}


def test_a_folder_that_is_often_wrong_needs_more_than_the_others():
    good = [Point("a", "a", 0.80 + index / 500, True) for index in range(80)]
    bad = [Point("a", "b", 0.88 + index / 200, index % 3 == 0) for index in range(12)]
    limits = thresholds([*good, *bad], 0.95)
    assert limits["a"] is not None
    assert limits["b"] is None or limits["b"] > limits["a"]


def test_an_override_asks_more_of_one_category():
    points = mailbox(600, 3)
    common, strict = thresholds(points, 0.9), thresholds(points, 0.9, {"c1": 0.97})
    assert strict["c0"] == common["c0"]
    assert strict["c1"] is None or (common["c1"] is not None and strict["c1"] > common["c1"])


def nearly_always_right(count=600):
    """One in a hundred wrong, and most answers surer than 0.9: any threshold at all would keep 0.95."""
    return [Point(f"c{n % 6}", f"c{n % 6}", 1 - 0.5 * (n / count) ** 6, n % 100 != 7) for n in range(count)]


def test_a_model_that_is_nearly_always_right_still_leaves_what_is_unlike_its_lessons():
    points = nearly_always_right()
    limits = thresholds(points, 0.95)
    right = [point for point in points if point.correct]
    taken = [point for point in right if point.probability >= limits[point.predicted]]
    assert 0.96 <= len(taken) / len(right) < 0.99
    stranger = 0.55
    assert lowest_threshold(points, 0.95) < stranger < min(limits.values())


def test_what_was_filed_does_not_raise_the_threshold_that_it_passed():
    points = nearly_always_right()
    first = thresholds(points, 0.95)
    later, limits = [], first
    for _ in range(20):
        later += [point for point in points if point.probability >= limits[point.predicted]]
        limits = thresholds(points, 0.95, lately=later)
    assert limits == first


@given(some.integers(0, 200), some.integers(0, 200))
def test_lower_bound_is_below_the_share(right, wrong):
    bound = lower_bound(right, right + wrong)
    assert 0 <= bound <= (right / (right + wrong) if right + wrong else 1) + 1e-12


def test_curve_ends_with_everything_filed():
    points = mailbox(100, 1)
    curve = risk_coverage(points)
    assert curve[-1].coverage == 1
    assert curve[-1].precision == pytest.approx(sum(point.correct for point in points) / 100)
    assert [point.coverage for point in curve] == sorted(point.coverage for point in curve)
