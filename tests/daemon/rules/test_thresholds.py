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


def test_what_a_model_states_counts_beside_what_was_seen():
    """Eight right answers alone cannot show 0.95; eight of which a model knows by their signs that they are can."""
    points = [Point("a", "a", 0.99 - n / 1000, True) for n in range(8)]
    stated = [point._replace(stated=True) for point in points]
    assert lowest_threshold(points, 0.95) is None
    assert lowest_threshold(stated, 0.95) == points[-1].probability
    boasting = [point._replace(correct=n % 3 > 0) for n, point in enumerate([*stated] * 20)]
    assert thresholds(boasting, 0.95)["a"] is None, "but it does not outweigh what was seen often"


def test_sureness_and_probability_are_never_compared():
    stated = [point._replace(stated=True) for point in mailbox(300, 1)]
    wrong = [Point("c1", "c2", 0.99, False)] * 200
    assert thresholds(stated, 0.95, lately=wrong) == thresholds(stated, 0.95)
    assert thresholds(stated, 0.95, lately=[point._replace(stated=True) for point in wrong]) != thresholds(stated, 0.95)
    bare = mailbox(300, 1)
    assert thresholds(bare, 0.95, lately=stated) == thresholds(bare, 0.95)


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
