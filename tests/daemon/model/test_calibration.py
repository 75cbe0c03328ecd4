"""Isotonic calibration: probabilities that mean what they say, without touching the order of categories."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from daemon.model.calibration import calibrated
from daemon.model.classifier import ranked
from daemon.model.engines.engine import renormalised
from daemon.model.model_folder import ModelMeta
from trainer.calibrate import ENOUGH, expected_calibration_error, fit_calibration, fit_curve, really_more

SCORES = st.integers(2, 12).flatmap(lambda width: arrays(np.float32, (3, width), elements=st.floats(-30, 0, width=32)))
TEMPERATURES = st.sampled_from([0.05, 0.5, 1.0, 3.0, 20.0])
LEVELS = st.lists(st.floats(0, 1), min_size=2, max_size=8)

# A busy machine is no failure.
quick = settings(deadline=None, max_examples=50)


def curve_through(levels):
    ats = np.linspace(0, 1, len(levels))
    return tuple(zip(ats.tolist(), sorted(levels), strict=True))


def answers(count, classes, honest, seed=1):
    """Log-probabilities of `classes` whose best one is right in a share `honest(stated)` of all answers."""
    random = np.random.default_rng(seed)
    stated = random.uniform(1.2 / classes, 0.999, size=count)
    rest = random.dirichlet(np.full(classes - 1, 50.0), size=count)
    best = random.integers(classes, size=count)
    rows = np.empty((count, classes))
    for row, (share, others, column) in enumerate(zip(stated, rest, best, strict=True)):
        rows[row] = np.insert(others * (1 - share), column, share)
    right = random.random(count) < honest(stated)
    labels = np.where(right, best, (best + 1) % classes)
    return renormalised(np.log(rows)), labels, stated


@quick
@given(SCORES, TEMPERATURES, LEVELS)
def test_every_row_sums_to_one_and_keeps_its_order(scores, temperature, levels):
    rows = renormalised(scores)
    served = calibrated(rows, temperature, curve_through(levels))
    assert np.allclose(np.exp(served.astype(np.float64)).sum(axis=1), 1, atol=1e-5)
    for before, after in zip(rows, served, strict=True):
        names = [str(column) for column in range(len(before))]
        ranking = ranked(after, names, before).ranking
        assert [name for name, _ in ranking] == [name for name, _ in ranked(before, names).ranking]
        found = [probability for _, probability in ranking]
        assert all(a >= b - 1e-6 for a, b in pairwise(found))


@quick
@given(st.integers(2, 9), st.lists(st.floats(0.01, 0.9999), min_size=2, max_size=8), LEVELS)
def test_a_surer_answer_is_never_served_as_less_sure(classes, shares, levels):
    best = np.sort(1 / classes + np.array(shares) * (1 - 1 / classes))
    rows = np.repeat(((1 - best) / (classes - 1))[:, None], classes, axis=1)
    rows[:, 0] = best
    served = np.exp(calibrated(np.log(rows).astype(np.float32), 1.0, curve_through(levels)))[:, 0]
    assert (np.diff(served) >= -1e-5).all()


@quick
@given(arrays(np.float64, 60, elements=st.floats(0, 1)), arrays(np.bool_, 60))
@example(np.array([2**-14, *[0.0] * 59]), np.zeros(60, np.bool_))  # rounded, two knots are equally high
def test_a_fitted_curve_rises_strictly_and_covers_all_probabilities(stated, right):
    curve = fit_curve(stated, right)
    assert (curve[0][0], curve[-1][0]) == (0, 1)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(curve))
    assert all(0 <= honest <= 1 for _, honest in curve)


@quick
@given(SCORES, TEMPERATURES)
def test_without_a_curve_there_is_only_the_temperature(scores, temperature):
    assert np.array_equal(calibrated(scores, temperature), renormalised(scores / temperature))


def test_one_category_left_is_certain_whatever_the_curve_says():
    assert np.exp(calibrated(np.zeros((1, 1), np.float32), 1.0, ((0.0, 0.1), (1.0, 0.6)))) == pytest.approx(1)


def test_an_answer_that_leaves_nothing_to_the_others_is_still_brought_down():
    served = np.exp(calibrated(np.array([[0.0, -np.inf, -np.inf]], np.float32), 1.0, ((0.0, 0.1), (1.0, 0.9))))
    assert served[0] == pytest.approx([0.9, 0.05, 0.05])


def crooked(stated):
    """What no temperature mends: too sure in the middle, honest at both ends."""
    return np.where(stated < 0.4, stated, np.where(stated < 0.85, 0.42, 0.97))


def test_a_curve_is_fitted_where_it_really_helps_and_is_right_on_other_answers():
    rows, labels, _ = answers(2000, 6, crooked)
    found = fit_calibration(rows, labels)
    assert found.method == "isotonic"
    assert found.after < found.by_temperature
    later, truth, _ = answers(2000, 6, crooked, seed=2)
    right = later.argmax(axis=1) == truth
    errors = [
        expected_calibration_error(np.exp(calibrated(later, found.temperature, curve).max(axis=1)), right)
        for curve in ((), found.curve)
    ]
    assert errors[1] < 0.05
    assert errors[1] < 0.6 * errors[0]


def test_honest_answers_keep_their_temperature():
    chosen = [fit_calibration(*answers(800, 6, lambda stated: stated, seed)[:2]).method for seed in range(4)]
    assert chosen.count("temperature") >= 3


def test_too_few_answers_get_no_curve_however_crooked_they_are():
    rows, labels, _ = answers(ENOUGH - 1, 6, crooked)
    assert fit_calibration(rows, labels).curve == ()
    assert fit_calibration(rows[:0], labels[:0]).temperature == 1.0
    assert fit_calibration(rows[:50, :1], labels[:50] * 0).curve == ()


def test_model_json_carries_the_curve_and_refuses_one_that_falls():
    said = {"version": "1", "created": datetime(2026, 3, 1, tzinfo=UTC), "kind": "linear", "codebook": []}
    said |= {"categories": [], "isotonic": [[0, 0.1], [0.5, 0.4], [1, 0.9]]}
    written = ModelMeta.model_validate(said).model_dump_json()
    assert ModelMeta.model_validate(json.loads(written)).isotonic == ((0, 0.1), (0.5, 0.4), (1, 0.9))
    for bad in ([[0, 0.5], [1, 0.4]], [[0, 0.1], [0, 0.2]], [[0, -0.1], [1, 1]], [[0, 0], [1, float("nan")]]):
        with pytest.raises(ValidationError, match="does not rise"):
            ModelMeta.model_validate(said | {"isotonic": bad})


def test_a_gain_is_more_than_luck_or_it_is_none():
    base = np.zeros(200)
    assert not really_more(base, base)
    assert not really_more(np.zeros(0), np.zeros(0))
    assert not really_more((np.arange(200) < 2).astype(float), base)
    assert really_more((np.arange(200) < 4).astype(float), base)
    assert not really_more(base, (np.arange(200) < 4).astype(float))
