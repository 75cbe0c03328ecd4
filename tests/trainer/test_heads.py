"""Fitting and calibrating on dense features: folds never look ahead, probabilities mean what they say."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from daemon.model.engines.engine import renormalised
from daemon.rules.thresholds import calibration_error
from tests.lessons import examples_of, labelled, office_rows
from trainer.calibrate import fit_blend, fit_temperature
from trainer.finetune.heads import fit_head, fit_support_vectors, share_right
from trainer.folds import folds
from trainer.recipe import Cleaning, Evidence

EVIDENCE = Evidence()


def clouds(count, classes, width, seed):
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(classes, width)) * 2
    labels = random.integers(classes, size=count)
    return (centres[labels] + random.normal(size=(count, width))).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 5])
def test_a_head_learns_and_gives_probabilities(classes):
    features, labels = clouds(200, classes, 12, 1)
    head = fit_head(features, labelled(labels, classes), np.arange(200), 0.1)
    later, truth = clouds(200, classes, 12, 2)
    assert share_right(head.logprobs(later), truth) > 0.8
    assert np.allclose(np.exp(head.logprobs(later)).sum(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
def test_support_vectors_are_those_of_the_library_that_fits_one_class_after_the_other(classes):
    features, labels = clouds(300, classes, 40, 1)
    lessons, learnt = labelled(labels, classes), np.arange(300)
    ours = fit_support_vectors(features, lessons, learnt, 0.3)
    theirs = LinearSVC(C=0.3, tol=1e-6, max_iter=100_000).fit(features, labels, sample_weight=lessons.weights)
    later, _ = clouds(100, classes, 40, 2)
    scores = later @ ours.rows.T + ours.offsets
    wanted = theirs.decision_function(later)
    assert np.allclose(scores if classes > 2 else scores[:, 1], wanted, atol=0.02 * np.abs(wanted).max())


@pytest.mark.parametrize("fit", [fit_head, fit_support_vectors])
def test_a_class_without_lessons_is_never_answered(fit):
    features, labels = clouds(60, 2, 8, 1)
    head = fit(features, labelled(labels, 4), np.arange(60), 0.1)
    assert set(head.logprobs(features).argmax(axis=1)) <= {0, 1}


def test_folds_by_time_learn_only_from_what_came_before():
    examples, _, _ = examples_of(office_rows(80))
    parts = folds(examples, True, 1, Cleaning())
    assert parts
    assert all(learnt.max() < judged.min() for learnt, judged in parts)


def test_folds_without_time_judge_every_lesson_once_and_keep_groups_together():
    examples, _, _ = examples_of(office_rows(50))
    parts = folds(examples, False, 1, Cleaning())
    assert sorted(np.concatenate([judged for _, judged in parts])) == list(range(50))
    assert all(not set(learnt) & set(judged) for learnt, judged in parts)


def test_temperature_mends_a_model_that_is_too_sure():
    random = np.random.default_rng(0)
    honest = renormalised(random.normal(size=(3000, 4)) * 1.5)
    labels = np.array([random.choice(4, p=np.exp(row) / np.exp(row).sum()) for row in honest.astype(float)])
    assert fit_temperature(renormalised(honest * 4), labels, EVIDENCE) == pytest.approx(4, rel=0.2)
    assert fit_temperature(honest, labels, EVIDENCE) == pytest.approx(1, rel=0.15)
    assert fit_temperature(honest[:0], labels[:0], EVIDENCE) == 1.0


def test_a_few_right_answers_do_not_make_a_model_certain():
    sure = renormalised(np.array([[2.0, 0.0, 0.0]] * 8))
    temperature = fit_temperature(sure, np.zeros(8, int), EVIDENCE)
    assert np.exp(renormalised(sure / temperature)).max() < 0.9999


def test_blend_trusts_the_better_model():
    random = np.random.default_rng(3)
    labels = random.integers(3, size=400)
    good = renormalised(np.eye(3)[labels] * 3 + random.normal(size=(400, 3)))
    noise = renormalised(random.normal(size=(400, 3)))
    assert fit_blend(good, noise, labels, EVIDENCE) >= 0.8
    assert fit_blend(noise, good, labels, EVIDENCE) <= 0.2


def test_calibration_error_of_honest_answers_is_small():
    random = np.random.default_rng(5)
    stated = random.uniform(0.3, 1, 5000)
    assert calibration_error(stated.tolist(), (random.random(5000) < stated).tolist()) < 0.04
    assert calibration_error(stated.tolist(), (random.random(5000) < stated - 0.3).tolist()) > 0.2
