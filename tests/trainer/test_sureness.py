"""How sure an answer is: fitted on held-out signs, which are the same in training and in service."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from connectors.base import MailText
from daemon.model.classifier import Classifier
from daemon.model.engines.engine import renormalised
from daemon.model.model_folder import ModelMeta, Sureness
from daemon.model.neighbours import COLUMNS, Near, Neighbours, hashed
from daemon.model.sureness import SIGNS, chances, signs
from tests.lessons import KEY, START, lessons_of, office_rows
from trainer import exam
from trainer.candidates.nearest import fit_neighbours
from trainer.candidates.tfidf import fit_linear
from trainer.certainty import fit_sureness
from trainer.recipe import Certainty, Recipe

CERTAINTY = Certainty()
PLACES = {name: place for place, name in enumerate(SIGNS)}


def answers(count=600, telling="likeness", turned=1.0, seed=1):
    """Signs of nothing but noise, save for one; whether each answer was right; its fold."""
    random = np.random.default_rng(seed)
    found = random.normal(size=(count, len(SIGNS)))
    right = random.random(count) < 1 / (1 + np.exp(-1 - 2 * turned * found[:, PLACES[telling]]))
    return found, right, np.arange(count) % 5


def test_what_tells_right_from_wrong_makes_sure():
    found, right, parts = answers()
    stated = fit_sureness(found, right, parts, CERTAINTY)
    later, truth, _ = answers(seed=2)
    sure = chances(stated.sureness, later)
    assert ((sure >= 0) & (sure <= 1)).all()
    assert truth[sure > 0.95].mean() > 0.93
    assert truth[sure < 0.3].mean() < 0.4
    assert abs(stated.held_out.mean() - right.mean()) < 0.02
    assert fit_sureness(found, right, parts, CERTAINTY).sureness == stated.sureness, "deterministic"


@pytest.mark.parametrize("sign", [name for name, meaning in SIGNS.items() if meaning])
def test_no_evidence_turns_the_meaning_of_a_sign_round(sign):
    found, right, parts = answers(telling=sign, turned=-SIGNS[sign])
    sureness = fit_sureness(found, right, parts, CERTAINTY).sureness
    assert sureness.weights[PLACES[sign]] == 0
    less, more = np.zeros((2, 1, len(SIGNS)))
    more[0, PLACES[sign]] = SIGNS[sign]
    for telling in SIGNS:
        sureness = fit_sureness(*answers(telling=telling), CERTAINTY).sureness
        assert chances(sureness, more) >= chances(sureness, less)


def test_a_held_out_answer_is_judged_without_its_own_part():
    found, right, parts = answers()
    turned = np.where(parts == 3, ~right, right)
    ours, theirs = (fit_sureness(found, labels, parts, CERTAINTY).held_out for labels in (right, turned))
    assert np.array_equal(ours[parts == 3], theirs[parts == 3])
    assert not np.allclose(ours[parts != 3], theirs[parts != 3])


def test_few_right_or_few_wrong_answers_make_nobody_sure():
    found, right, parts = answers(60)
    assert fit_sureness(found, np.arange(60) >= 19, parts, CERTAINTY) is None
    assert fit_sureness(found, np.arange(60) < 19, parts, CERTAINTY) is None
    assert fit_sureness(found[:0], right[:0], parts[:0], CERTAINTY) is None


def test_a_sign_that_never_varies_says_nothing_whatever_comes_later():
    found, right, parts = answers()
    found[:, PLACES["votes"]] = 1.0
    sureness = fit_sureness(found, right, parts, CERTAINTY).sureness
    other = found[:1].copy()
    other[0, PLACES["votes"]] = 0.0
    assert chances(sureness, other) == chances(sureness, found[:1])


def test_beyond_what_was_seen_a_sign_says_no_more_than_at_its_bound():
    found, right, parts = answers()
    sureness = fit_sureness(found, right, parts, CERTAINTY).sureness
    far = np.full((2, len(SIGNS)), 50.0)
    far[1] *= 1000
    assert chances(sureness, far)[0] == chances(sureness, far)[1]


@pytest.fixture(scope="module")
def office():
    return lessons_of(office_rows(120), by_time=True)


def test_held_out_lessons_have_the_signs_that_service_would_have_seen_on_their_day(office):
    _, near = fit_neighbours(office, KEY)
    learnt, asked = office.folds[-1]
    counts = hashed([office.examples[row].text for row in learnt], KEY)
    neighbours = Neighbours.of(office.categories, counts, office.labels[learnt], learnt, KEY)
    for row in asked:
        example = office.examples[row]
        today = neighbours.near([example.text])
        for name in ("logprobs", "likeness", "since", "votes", "lately", "share"):
            assert np.allclose(getattr(today, name)[0], getattr(near, name)[row], atol=1e-5), name
        neighbours.add([(int(row), example.text, example.category)])


def test_nearest_lessons_in_numbers(office):
    empty = Neighbours(
        office.categories,
        hashed([], KEY),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
        np.ones(COLUMNS, np.float32),
        KEY,
    )
    nothing = empty.near([MailText(body="a mail")])
    assert np.allclose(np.exp(nothing.logprobs), 1 / 4)
    assert not nothing.likeness.any()
    neighbours, _ = fit_neighbours(replace(office, folds=()), KEY)
    last = office.examples[-1]
    found = neighbours.near([last.text])
    own = office.categories.index(last.category)
    assert found.likeness[0].argmax() == own
    assert found.likeness[0, own] == pytest.approx(1, abs=1e-3)
    assert found.since[0, own] == 0
    assert found.votes.sum() == pytest.approx(1)
    assert found.lately.sum() == pytest.approx(1)
    assert found.share[0, own] == pytest.approx(1 / 4)


SURE = Sureness(
    low=(-9.0,) * 9,
    high=(9.0,) * 9,
    mean=(0.0,) * 9,
    spread=(1.0,) * 9,
    weights=(0.1, 0.2, 0.3, 1, 1, 1, -0.1, 0.1, 0),
    offset=0.5,
)


def served(office, sureness):
    """A linear model with its neighbours, as the pass has it."""
    neighbours, _ = fit_neighbours(replace(office, folds=()), KEY)
    rows = [{"code": f"c{number}", "category": name} for number, name in enumerate(office.categories)]
    meta = ModelMeta(
        version="m",
        created=START,
        kind="linear",
        codebook=rows,
        categories=office.categories,
        blend_weight=0,
        temperature=0.7,
        neighbours=0.4,
        sureness=sureness,
    )
    return Classifier(meta, KEY, None, None, fit_linear(office, KEY, Recipe()).model, neighbours), neighbours


def test_service_states_what_training_would_have(office):
    classifier, neighbours = served(office, SURE)
    texts = [example.text for example in office.examples[:7]]
    trained, near = classifier._linear.logprobs(texts), neighbours.near(texts)
    total = renormalised(classifier.logprobs(texts) / 0.7)
    expected = chances(SURE, signs(total, trained, near))
    found = classifier.classify(texts)
    assert np.allclose([prediction.sureness for prediction in found], expected, atol=1e-6)
    assert [prediction.sure for prediction in found] == [prediction.sureness for prediction in found]
    one = classifier.classify(texts, allowed=office.categories[:1])
    assert all(prediction.best == office.categories[0] for prediction in one)
    assert all(0 <= prediction.sureness <= 1 for prediction in one)


def test_a_model_without_it_goes_by_the_probability(office):
    classifier, _ = served(office, None)
    [prediction] = classifier.classify([office.examples[0].text])
    assert prediction.sureness is None
    assert prediction.sure == prediction.probability


def test_model_json_keeps_it_to_the_last_bit():
    found, right, parts = answers()
    sureness = fit_sureness(found, right, parts, CERTAINTY).sureness
    assert Sureness.model_validate_json(sureness.model_dump_json()) == sureness


def night_of(lessons, least):
    """What `exam._stated` asks of a night, where half of the lessons were answered rightly."""
    neighbours, near = fit_neighbours(lessons, KEY)
    held = lessons.parts >= 0
    labels = lessons.labels
    guess = np.full((len(labels), lessons.classes), -3.0, np.float32)
    guess[np.arange(len(labels)), np.where(np.arange(len(labels)) % 2, labels, (labels + 1) % 4)] = -0.1
    guess = renormalised(guess)
    serving = SimpleNamespace(
        trained=SimpleNamespace(answers=guess, exam=guess[:6]), near=near, exam_near=neighbours.near(lessons.texts[:6])
    )
    recipe = replace(Recipe(), certainty=Certainty(least=least))
    asked = SimpleNamespace(labels=labels[:6], examples=lessons.examples[:6])
    night = SimpleNamespace(lessons=lessons, exam=asked, recipe=recipe)
    return exam._stated(night, SimpleNamespace(judged=held), serving, np.concatenate([guess[held], guess[:6]]))


def test_dated_lessons_give_sureness_and_others_do_not(office):
    stated = night_of(office, 20)
    assert len(stated.held_out) == 72 + 6
    assert night_of(office, 50) is None
    assert night_of(lessons_of(office_rows(120)), 20) is None


def test_rows_of_near_are_taken_and_joined():
    near = Near.blank(3, 2)
    near[[1]] = Near(*(np.ones((1, 2), np.float32) for _ in range(6)))
    assert np.isnan(near.share[0]).all()
    assert Near.stacked([near[[1]], near[1:2]]).likeness.tolist() == [[1, 1], [1, 1]]
