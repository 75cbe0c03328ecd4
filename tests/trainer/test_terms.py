"""What a term tells about the category: much where one category holds it, little where all do."""

import numpy as np
from scipy import sparse

from tests.lessons import KEY, lessons_of, office_rows, relabelled
from trainer.candidates.terms import telling
from trainer.candidates.tfidf import fit_linear
from trainer.recipe import Linear, Recipe

LEAST = Linear().least


def weights_of(rows, labels, classes, recipe=Linear()):  # noqa: B008  frozen
    return telling(sparse.csr_matrix(np.array(rows, np.float32)), np.array(labels), classes, recipe)


def test_a_term_of_one_category_weighs_more_than_one_of_all():
    weights = weights_of([[1, 1, 0], [3, 1, 0], [0, 1, 1], [0, 1, 0]], [0, 0, 1, 1], 2)
    only_first, everywhere, once = weights
    assert 0.8 < only_first <= 1
    assert np.isclose(everywhere, (LEAST / (1 + LEAST)) ** 2)
    assert everywhere < once < only_first


def test_a_large_category_weighs_no_more_than_a_small_one():
    rows = [[1, 1]] * 90 + [[0, 0]] * 10 + [[1, 0]] * 9 + [[0, 1]]
    even, large = weights_of(rows, [0] * 100 + [1] * 10, 2)
    assert np.isclose(even, (LEAST / (1 + LEAST)) ** 2)  # nine of ten texts in both
    assert large > 4 * even


def test_how_often_a_text_holds_a_term_does_not_matter():
    assert np.allclose(
        weights_of([[1, 2], [2, 5], [0, 1]], [0, 0, 1], 2), weights_of([[9, 1], [1, 1], [0, 7]], [0, 0, 1], 2)
    )


def test_one_category_alone_tells_nothing_and_absent_ones_do_not_count():
    assert (weights_of([[1, 0], [1, 1]], [3, 3], 5) == 1).all()
    assert np.allclose(weights_of([[1, 0], [0, 1]], [0, 4], 5), weights_of([[1, 0], [0, 1]], [0, 1], 2))


def test_many_columns_are_weighed_in_parts():
    rows = np.random.default_rng(1).integers(0, 2, (12, 50))
    labels = [0, 1, 2] * 4
    whole = weights_of(rows, labels, 3)
    assert (weights_of(rows, labels, 3, Linear(columns_at_once=7)) == whole).all()


def test_a_fold_is_weighed_by_its_own_lessons_only():
    """Labels of judged lessons must not reach the weights: shuffled labels are answered no better than by chance."""
    lessons = lessons_of(office_rows(160))
    shuffled = np.random.default_rng(5).permutation(lessons.labels)
    linear = fit_linear(relabelled(lessons, shuffled), KEY, Recipe())
    right = (linear.answers.argmax(axis=1) == shuffled).mean()
    assert right < np.bincount(shuffled).max() / len(shuffled) + 0.1
