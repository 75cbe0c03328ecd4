"""The linear model on disk: what was saved answers the same, and damage is refused in words."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from connectors.base import MailText
from daemon.model.engines.engine import ModelMissing, ModelRefused
from daemon.model.linear import ANALYSERS, NOTE, WEIGHTS, LinearModel, characters, pieces, words
from tests.lessons import KEY, lessons_of, office_rows
from trainer.candidates.products import AT_ONCE, inner_products
from trainer.candidates.tfidf import best_kind, fit_linear, square_root, vectoriser
from trainer.recipe import Kind, Recipe


@pytest.fixture(scope="module")
def fitted():
    lessons = lessons_of(office_rows(120))
    return fit_linear(lessons, KEY, Recipe()), lessons.examples, lessons.labels


def test_a_saved_model_answers_as_the_fitted_one(fitted, tmp_path):
    linear, examples, labels = fitted
    linear.model.save(tmp_path)
    loaded = LinearModel.load(tmp_path, KEY)
    texts = [example.text for example in examples]
    assert loaded.categories == linear.model.categories
    assert np.allclose(np.exp(loaded.logprobs(texts)), np.exp(linear.model.logprobs(texts)), atol=0.01)
    assert (loaded.logprobs(texts).argmax(axis=1) == labels).mean() > 0.95


ODD = [
    MailText(),
    MailText(subject="a", body="I  am\n\n\tÉmile; ok? 中文邮件 😀 \u00a0x\u2003y " + "word " * 3000),
    MailText(sender="a@b.example", to="Ann <x@y.example>", list_id="<l.example>", subject="Re: Re: offer"),
]


def test_scoring_counts_as_scikit_learn_does(fitted):
    linear, examples, _ = fitted
    texts = [*ODD, *(example.text for example in examples[:40])]
    model = linear.model
    scores = np.tile(model._intercepts, (len(texts), 1))
    start = 0
    for part, vocabulary in model._vocabularies.items():
        theirs = vectoriser(part)
        known = {term for text in (*texts, *(example.text for example in examples)) for term in ANALYSERS[part](text)}
        column = {number: place for place, number in enumerate(vocabulary.terms.tolist())}
        hashes = dict(zip(sorted(known), KEY.hashes(sorted(known)).tolist(), strict=True))
        theirs.vocabulary = {term: column[number] for term, number in hashes.items() if number in column}
        theirs.idf_ = vocabulary.weights
        assert len(theirs.vocabulary) == len(vocabulary.terms)
        end = start + len(vocabulary.terms)
        scores += theirs.transform(texts) @ model._coefficients[:, start:end].T
        start = end
    expected = scores * model._scale
    expected = np.exp(expected - expected.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(np.exp(model.logprobs(texts)), expected, atol=1e-5)


def test_pieces_of_words_are_those_of_char_wb():
    from sklearn.feature_extraction.text import TfidfVectorizer

    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5)).build_analyzer()
    for text in ODD:
        assert pieces(text) == theirs(characters(text))


def test_the_service_scores_without_scikit_learn():
    code = "import sys, daemon.cli, daemon.model.linear, daemon.service.loop; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sklearn", "scipy", "torch"} & set(done.stdout.split())


def test_probabilities_sum_to_one_even_for_a_text_without_a_known_word(fitted):
    linear, _, _ = fitted
    texts = [MailText(), MailText(body="☃ 漢字"), MailText(sender="a@b.example", subject="offer")]
    assert np.allclose(np.exp(linear.model.logprobs(texts)).sum(axis=1), 1, atol=1e-5)
    assert linear.model.logprobs([]).shape == (0, len(linear.model.categories))


def test_held_out_answers_are_better_than_chance(fitted):
    linear, _, labels = fitted
    judged = ~np.isnan(linear.answers[:, 0])
    assert judged.all()
    assert (linear.answers.argmax(axis=1) == labels).mean() > 0.5


def test_words_of_fields_are_told_from_words_of_the_body():
    found = words(
        MailText(sender="Ann <ann@shop.example>", subject="Invoice 7", body="see invoice", attachments=("a.pdf",))
    )
    assert {
        "from:ann@shop.example",
        "from:@shop.example",
        "subject:invoice",
        "file:pdf",
        "invoice",
        "see invoice",
    } <= set(found)
    assert "body:invoice" not in found


def test_a_missing_model_is_told_from_a_damaged_one(fitted, tmp_path):
    with pytest.raises(ModelMissing):
        LinearModel.load(tmp_path / "nothing", KEY)
    linear, _, _ = fitted
    for name in (WEIGHTS, NOTE):
        folder = tmp_path / name
        linear.model.save(folder)
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(ModelRefused, match="damaged"):
            LinearModel.load(folder, KEY)


def test_a_pickle_is_never_opened(fitted, tmp_path):
    linear, _, _ = fitted
    linear.model.save(tmp_path)
    with (tmp_path / WEIGHTS).open("wb") as file:
        np.savez(file, coefficients=np.array([object()], dtype=object), intercepts=np.zeros(1))
    with pytest.raises(ModelRefused):
        LinearModel.load(tmp_path, KEY)


def test_a_model_of_another_layout_is_refused_by_name(fitted, tmp_path):
    linear, _, _ = fitted
    linear.model.save(tmp_path)
    note = json.loads((tmp_path / NOTE).read_text())
    (tmp_path / NOTE).write_text(json.dumps(note | {"layout": 3}))
    with pytest.raises(ModelRefused, match="written by another version of Postroom"):
        LinearModel.load(tmp_path, KEY)


def test_kinds_that_are_alike_are_told_apart_by_the_probability_of_the_right_answer():
    labels = np.arange(300) % 2

    def answers(wrong: int, sure: float, place: int = 0) -> np.ndarray:
        said = np.where((np.arange(300) - place) % 300 < wrong, 1 - labels, labels)
        return np.log(np.where(np.arange(2)[None] == said[:, None], sure, 1 - sure)).astype(np.float32)

    sharp, timid, poor = Kind("logistic", 10.0), Kind("svm", 0.3), Kind("svm", 2.0)
    found = {poor: answers(90, 0.7), timid: answers(30, 0.6), sharp: answers(31, 0.9, place=200)}
    assert best_kind(found, labels) == sharp
    assert best_kind(found | {sharp: answers(60, 0.8, place=200)}, labels) == timid
    assert best_kind({timid: np.full((300, 2), np.nan, np.float32)}, labels) == timid


def test_texts_that_repeat_each_other_are_learnt_like_others(fitted):
    """No text of a pair has a column of its own, and a hundred copies have none either."""
    once = lessons_of(office_rows(60))
    rows = office_rows(60)
    copies = [{**rows[0], "id": 1000 + number} for number in range(100)]
    linear = fit_linear(lessons_of([*rows, *copies, *rows]), KEY, Recipe())
    answers = linear.model.logprobs([example.text for example in once.examples])
    assert np.isfinite(answers).all()
    assert (answers.argmax(axis=1) == once.labels).mean() > 0.95


def test_inner_products_are_those_of_all_columns_common_and_rare():
    random = np.random.default_rng(2)
    counts = random.random((70, 3 * AT_ONCE)) * (random.random((70, 3 * AT_ONCE)) < np.linspace(0, 1, 3 * AT_ONCE))
    rows = sparse.csr_matrix(counts.astype(np.float32))
    others = rows[::3]
    assert np.allclose(inner_products(rows, others), (rows @ others.T).toarray(), rtol=1e-4)
    assert np.allclose(inner_products(rows[:, :1], others[:, :1]), 0)


def test_the_root_of_a_matrix_that_rounding_spoilt_is_near_it():
    random = np.random.default_rng(3)
    half = np.repeat(random.random((20, 200)), 3, axis=0)
    products = (half @ half.T + random.normal(size=(60, 60)) * 1e-3).astype(np.float32)
    root = square_root(products)
    assert np.abs(root @ root.T - np.tril(products) - np.tril(products, -1).T).max() < 0.01 * products.max()
