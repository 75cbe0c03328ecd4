"""What people did with similar mails: from the next mail on, no longer than it counts, and no text kept."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import sparse

from connectors.base import MailText
from daemon.model.engines.engine import ModelMissing, ModelRefused
from daemon.model.model_folder import ModelFolder
from daemon.model.neighbours import CAPACITY, COLUMNS, MOST_NEW, Neighbours, Rows, hashed, rarity, unit_rows
from tests.lessons import KEY, lessons_of, office_rows, relabelled
from trainer.candidates import nearest
from trainer.candidates.nearest import fit_neighbours
from trainer.recipe import Evidence

FAIR = MailText(sender="anna@fair.example", subject="Stand at the summer fair", body="Which stand shall we take?")
BILL = MailText(sender="billing@power.example", subject="Your bill", body="Please pay 20 euros for electricity.")


@pytest.fixture(scope="module")
def office():
    return lessons_of(office_rows(120), by_time=True)


@pytest.fixture
def neighbours(office):
    return fit_neighbours(replace(office, folds=()), KEY)[0]


def best(neighbours, text):
    return neighbours.categories[int(neighbours.logprobs([text]).argmax())]


def test_a_lesson_counts_from_the_next_mail_on(neighbours):
    again = MailText(sender="anna@fair.example", subject="Re: Stand at the summer fair", body="Number seven, please.")
    neighbours.add([(2000, FAIR, neighbours.categories[1]), (2001, FAIR, neighbours.categories[1])])
    assert best(neighbours, again) == neighbours.categories[1]


def test_the_newer_of_two_equal_lessons_counts_more(neighbours):
    first, second = neighbours.categories[:2]
    neighbours.keep([])
    neighbours.add([(3000, FAIR, first), (3001, FAIR, second)])
    assert best(neighbours, FAIR) == second


def test_a_voided_lesson_is_forgotten_and_a_known_one_is_not_taken_twice(neighbours):
    neighbours.keep([])
    size = len(neighbours)
    neighbours.add([(4000, FAIR, neighbours.categories[0])])
    neighbours.add([(4000, FAIR, neighbours.categories[0])])
    assert len(neighbours) == size + 1
    assert neighbours.newest == 4000
    neighbours.keep([])
    assert len(neighbours) == size


def test_a_mail_like_no_other_gets_no_opinion(neighbours):
    probabilities = np.exp(neighbours.logprobs([MailText(), MailText(body="☃ 漢字")]))
    assert np.allclose(probabilities, 1 / len(neighbours.categories), atol=0.05)
    assert neighbours.logprobs([]).shape == (0, len(neighbours.categories))


def test_a_category_that_the_model_does_not_know_has_no_part_in_its_answers_and_knows_its_own_mail(neighbours):
    again = MailText(sender="anna@fair.example", subject="Re: Stand at the summer fair", body="Number seven, please.")
    order = MailText(subject="purchase order 12", body="please ship 3 chairs by the 9th")
    before = neighbours.logprobs([again, order])
    assert neighbours.newcomers([again, order]) == [None, None]
    neighbours.add([(5000, FAIR, "fairs"), (5001, BILL, neighbours.categories[0])])
    neighbours.keep(range(5001))
    neighbours.add([(5002, FAIR, "fairs")])
    assert neighbours.newcomers([again, order, MailText(), MailText(body="☃ 漢字")]) == ["fairs", None, None, None]
    assert np.allclose(neighbours.logprobs([again, order]), before, atol=1e-5)
    assert neighbours.newest == 5002
    neighbours.keep([])
    assert neighbours.newcomers([again]) == [None]


def test_saved_and_loaded_neighbours_answer_the_same_and_go_on_learning(neighbours, tmp_path):
    neighbours.save(tmp_path)
    loaded = Neighbours.load(tmp_path, KEY)
    assert np.allclose(np.exp(loaded.logprobs([FAIR, BILL])), np.exp(neighbours.logprobs([FAIR, BILL])), atol=0.01)
    loaded.add([(6000, FAIR, loaded.categories[2])])
    assert best(loaded, FAIR) == loaded.categories[2]
    assert b"summer fair" not in ModelFolder(tmp_path).neighbours.read_bytes()


def test_a_missing_file_is_told_from_a_damaged_one(neighbours, tmp_path):
    with pytest.raises(ModelMissing):
        Neighbours.load(tmp_path, KEY)
    neighbours.save(tmp_path)
    whole = ModelFolder(tmp_path).neighbours.read_bytes()
    ModelFolder(tmp_path).neighbours.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelRefused, match="damaged"):
        Neighbours.load(tmp_path, KEY)
    with np.load(BytesIO(whole)) as arrays:
        parts = dict(arrays)
    np.savez(ModelFolder(tmp_path).neighbours, **(parts | {"columns": parts["columns"] + COLUMNS}))
    with pytest.raises(ModelRefused, match="belong together"):
        Neighbours.load(tmp_path, KEY)


def test_only_the_newest_lessons_are_kept():
    counts = hashed([FAIR, BILL], KEY)
    many = Rows(
        np.tile(counts.values, CAPACITY),
        np.tile(counts.columns, CAPACITY),
        np.concatenate([[0], np.cumsum(np.tile(np.diff(counts.starts), CAPACITY))]).astype(np.int64),
    )
    size = 2 * CAPACITY
    found = Neighbours.of(["a", "b"], many, np.arange(size) % 2, np.arange(size), KEY)
    assert len(found) == CAPACITY
    found.add([(size, FAIR, "b")])
    assert len(found) == CAPACITY
    assert found.newest == size


def test_a_large_new_folder_does_not_crowd_out_what_the_model_knows(neighbours):
    size = len(neighbours)
    neighbours.add([(7000 + number, FAIR, "fairs") for number in range(CAPACITY)])
    assert len(neighbours) == size + MOST_NEW
    assert neighbours.newest == 7000 + CAPACITY - 1


@given(some.lists(some.text(max_size=40), min_size=1, max_size=6), some.text(max_size=40))
def test_likeness_is_the_cosine_of_sparse_rows(bodies, asked):
    counts = hashed([MailText(body=body) for body in bodies], KEY)
    rare = rarity(counts)
    rows, one = unit_rows(counts, rare), unit_rows(hashed([MailText(body=asked)], KEY), rare)
    theirs = [
        sparse.csr_matrix((each.values, each.columns, each.starts), shape=(len(each), COLUMNS)) for each in (rows, one)
    ]
    assert np.allclose(rows.likeness(one, 0), (theirs[0] @ theirs[1].T).toarray().ravel(), atol=1e-5)


def test_judged_lessons_ask_what_came_before_them_and_never_themselves(office):
    labels = office.labels
    answers = fit_neighbours(office, KEY)[1].logprobs
    judged = ~np.isnan(answers[:, 0])
    assert judged.sum() == sum(len(part) for _, part in office.folds)
    shuffled = np.random.default_rng(1).permutation(labels)
    nonsense = fit_neighbours(relabelled(office, shuffled), KEY)[1].logprobs
    assert (answers[judged].argmax(axis=1) == labels[judged]).mean() > 0.6
    assert (nonsense[judged].argmax(axis=1) == shuffled[judged]).mean() < 0.5


def test_judged_lessons_ask_as_many_as_the_service_keeps(office, monkeypatch):
    whole = fit_neighbours(office, KEY)[1]
    monkeypatch.setattr(nearest, "CAPACITY", 10)
    found = fit_neighbours(office, KEY)[1]
    judged = ~np.isnan(found.since[:, 0])
    assert whole.since[judged].max() > 10 >= found.since[judged].max()
    assert np.allclose(found.lately[judged], found.share[judged])  # of the newest ten, and of all that are kept


def fit_share(trained, neighbours, labels, by_time):
    return nearest.fit_share(trained, neighbours, labels, by_time, Evidence())


def test_the_share_follows_the_evidence():
    labels = np.arange(200) % 2
    right = np.where(np.arange(2)[None] == labels[:, None], np.log(0.9), np.log(0.1)).astype(np.float32)
    even = np.full((200, 2), np.log(0.5), np.float32)
    assert fit_share(right, even, labels, by_time=True) == 0
    assert fit_share(even, right, labels, by_time=True) >= 0.8
    assert fit_share(even, right, labels, by_time=False) >= 0.8
    assert fit_share(even, right, labels[:0], by_time=True) == 0


def test_without_dates_a_gain_that_may_be_luck_is_no_evidence():
    labels = np.arange(200) % 2
    right = np.where(np.arange(2)[None] == labels[:, None], np.log(0.6), np.log(0.4)).astype(np.float32)
    trained = np.where(np.arange(200)[:, None] < 2, right[:, ::-1], right)  # two of two hundred are wrong
    sure = np.where(np.arange(2)[None] == labels[:, None], np.log(0.99), np.log(0.01)).astype(np.float32)
    neighbours = np.where(np.arange(200)[:, None] < 2, sure, right)
    assert fit_share(trained, neighbours, labels, by_time=True) > 0
    assert fit_share(trained, neighbours, labels, by_time=False) == 0


def test_a_known_lesson_may_count_as_another_category_and_as_one_that_the_model_does_not_know(neighbours):
    first, second = neighbours.categories[:2]
    neighbours.keep([])
    neighbours.add([(6000, FAIR, first)])
    assert best(neighbours, FAIR) == first
    neighbours.add([(6000, FAIR, second)])
    assert best(neighbours, FAIR) == second
    neighbours.add([(6000, FAIR, "c-other"), (6001, BILL, first)])
    assert neighbours.newcomers([FAIR, BILL]) == ["c-other", None]
