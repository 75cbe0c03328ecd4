"""Calibration: probabilities that mean what they say, and what is more than luck."""

import numpy as np

from daemon.model.classifier import ranked
from daemon.model.engines.engine import renormalised
from daemon.rules.thresholds import calibration_error
from trainer.calibrate import fit_calibration, really_more
from trainer.recipe import Evidence

EVIDENCE = Evidence()


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
    return renormalised(np.log(rows)), labels


def error(rows, labels, temperature):
    stated = np.exp(renormalised(rows / temperature).max(axis=1))
    return calibration_error(stated.tolist(), (rows.argmax(axis=1) == labels).tolist())


def test_answers_that_are_too_sure_are_honest_at_their_temperature_on_other_answers_too():
    rows, labels = answers(2000, 6, lambda stated: stated)
    sure = renormalised(3 * rows)
    found = fit_calibration(sure, labels, EVIDENCE)
    assert found.temperature > 2
    assert found.answers == 2000
    assert found.after < 0.3 * found.before
    later, truth = answers(2000, 6, lambda stated: stated, seed=2)
    later = renormalised(3 * later)
    assert error(later, truth, found.temperature) < 0.3 * error(later, truth, 1.0)


def test_the_error_is_told_of_answers_that_the_temperature_was_not_fitted_on():
    rows, labels = answers(40, 6, lambda stated: stated)
    found = fit_calibration(rows, labels, EVIDENCE)
    assert found.after != error(rows, labels, found.temperature)


def test_too_few_answers_have_a_temperature_and_no_error():
    rows, labels = answers(50, 6, lambda stated: stated)
    assert fit_calibration(rows[:0], labels[:0], EVIDENCE).temperature == 1.0
    assert fit_calibration(rows[:4], labels[:4], EVIDENCE).before == 0.0
    assert fit_calibration(rows[:50, :1], labels[:50] * 0, EVIDENCE).temperature == 1.0


def test_a_temperature_changes_no_ranking():
    rows, _ = answers(20, 6, lambda stated: stated)
    names = list("abcdef")
    for temperature in (0.05, 3.0, 20.0):
        for row, served in zip(rows, renormalised(rows / temperature), strict=True):
            before, after = ranked(row, names).ranking, ranked(served, names).ranking
            assert [name for name, _ in after] == [name for name, _ in before]
            assert abs(sum(probability for _, probability in after) - 1) < 1e-5


def test_a_gain_is_more_than_luck_or_it_is_none():
    base = np.zeros(200)
    assert not really_more(base, base, EVIDENCE.beyond_luck)
    assert not really_more(np.zeros(0), np.zeros(0), EVIDENCE.beyond_luck)
    assert not really_more((np.arange(200) < 2).astype(float), base, EVIDENCE.beyond_luck)
    assert really_more((np.arange(200) < 4).astype(float), base, EVIDENCE.beyond_luck)
    assert not really_more(base, (np.arange(200) < 4).astype(float), EVIDENCE.beyond_luck)
