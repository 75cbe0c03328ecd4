"""The gate: better or equal is promoted, clearly worse anywhere is not, and every verdict is a sentence."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import MailText
from daemon.cli import postroom
from daemon.model import model_folder
from daemon.model.classifier import Classifier
from daemon.model.codebook import Codebook
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.model.model_folder import ModelMeta
from daemon.rules.thresholds import interval
from daemon.settings import Settings
from daemon.store import mailboxes, training
from daemon.store.database import Database
from daemon.store.records import Category
from daemon.training.hand_over import _take_over
from daemon.training.order import CodebookRow, Exam, Lesson, Order, Result
from daemon.training.registry import Registry
from tests.lessons import KEY, START, office_rows
from trainer import exam, gate
from trainer.candidates.tfidf import fit_linear
from trainer.context import Night
from trainer.dataset import Example, build
from trainer.evaluate import figures, paired_chance
from trainer.exam import earlier, newly_frozen
from trainer.folds import Asked, Lessons
from trainer.gate import ExamAnswer, Verdict, beat_the_withdrawn
from trainer.job import Clock
from trainer.recipe import Cleaning, Gate, Recipe

NAMES = {"a": "Invoices", "b": "Orders"}


def judge(answers, categories, names):
    return gate.judge(answers, categories, names, Gate())


def answers(category, candidate, current, frozen=False, unknown=False):
    return [
        ExamAnswer(category, frozen, new == "1", None if old == "-" else old == "1", unknown)
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


# Edges


@pytest.mark.parametrize(("candidate", "current"), [("0", "1"), ("0", "0"), ("00", "11"), ("000000", "000000")])
def test_a_model_that_got_nothing_right_never_replaces_one(candidate, current):
    verdict = judge(answers("a", candidate, current), 2, NAMES)
    assert not verdict.promote
    assert "nothing right" in verdict.sentence


@pytest.mark.parametrize(("candidate", "current"), [("1", "1"), ("10", "01"), ("1", "0")])
def test_a_tiny_exam_lets_an_equal_or_better_model_pass(candidate, current):
    assert judge(answers("a", candidate, current), 2, NAMES).promote


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_an_equal_candidate_passes_any_exam_in_which_it_got_something_right(rows):
    exam = [ExamAnswer(category, frozen, right, right) for category, frozen, right in rows]
    verdict = judge(exam, 3, NAMES)
    assert verdict.promote == any(answer.candidate for answer in exam)
    assert ("as good on all" in verdict.sentence) == verdict.promote


def test_an_exam_of_one_category_says_so():
    verdict = judge(answers("a", "1111", "----"), 2, NAMES)
    assert verdict.promote
    assert "which held only Invoices" in verdict.sentence
    assert judge(answers("a", "1111", "1111"), 2, NAMES).promote
    assert not judge(answers("a", "0000", "1111"), 2, NAMES).promote


def test_what_a_new_category_gains_does_not_hide_what_the_known_ones_lose():
    losses = [each for name in "abcdef" for each in answers(name, "0" + "1" * 9, "1" * 10)]
    new = answers("n", "1" * 30, "0" * 30, unknown=True)
    verdict = judge([*losses, *new], 7, NAMES)
    assert not verdict.promote
    assert "worse on those that both know (54 of 60 right there, the model in use 60)" in verdict.sentence


def test_a_new_category_is_learnt_when_the_known_ones_hold():
    known = answers("a", "1111110", "1111111") + answers("b", "1111111", "1111110")
    assert judge(known + answers("n", "1110", "0000", unknown=True), 3, NAMES).promote


# The model in use takes the exam


def night_with(rows, names, book, folder):
    """A night whose model in use lies in `folder`, with `rows` as its exam."""
    job = Order.model_validate(
        {
            "version": "v",
            "cache": "c",
            "term_key": "k",
            "categories": [{"id": name, "name": name} for name in names],
            "current": folder,
        }
    )
    data = build(job, [Lesson.model_validate(row) for row in rows], KEY, Cleaning())
    lessons = Lessons.of(data, tuple(names), 1, Cleaning())
    asked = Asked(data.exam, tuple(names))
    return Night(job, Recipe(), lambda *_: None, Clock(None), KEY, data, (), book, None, lessons, asked)


def undated(rows):
    """So that the exam holds its share of every category."""
    return [row | {"at": None} for row in rows]


@pytest.fixture(scope="module")
def in_use(tmp_path_factory):
    """A linear model of three categories, as a folder, and its codebook."""
    folder = tmp_path_factory.mktemp("in-use")
    book = Codebook.from_json([{"code": f"A{name[0].upper()}", "category": name} for name in KNOWN])
    rows = [row for row in office_rows(120) if row["category"] in KNOWN]
    fit_linear(night_with(rows, KNOWN, book, None).lessons, KEY, Recipe()).model.save(folder / "linear")
    model_folder.save(
        folder,
        ModelMeta(
            version="1", created=START, kind="linear", codebook=book.to_json(), categories=KNOWN, term_key=KEY.check
        ),
    )
    return folder, book


KNOWN = ("complaints", "invoices", "jobs")


def test_a_new_category_is_known_as_new_and_never_counted_as_answered(in_use):
    folder, book = in_use
    night = night_with(undated(office_rows(160)), (*KNOWN, "orders"), book, folder)
    found = earlier(night, folder)
    right = found.right
    assert found.trouble is None
    assert found.known == set(KNOWN)
    asked = [example.category for example in night.data.exam]
    assert "orders" in asked
    assert not any(flag for flag, category in zip(right, asked, strict=True) if category == "orders")
    assert any(right)


def test_a_removed_category_is_masked_as_in_service(in_use):
    folder, book = in_use
    rows = [row for row in office_rows(240) if row["category"] != "jobs"]
    for row in rows:  # mails that the removed category would have taken
        if row["category"] == "invoices":
            row["text"]["body"] += " I apply for the position as a clerk, my curriculum vitae for the vacancy."
    night = night_with(undated(rows), ("complaints", "invoices"), book, folder)
    with Classifier.load(folder, KEY) as unmasked:
        assert any(each.best == "jobs" for each in unmasked.classify([example.text for example in night.data.exam]))
    found = earlier(night, folder)
    right = found.right
    assert found.trouble is None
    invoices = [flag for flag, e in zip(right, night.data.exam, strict=True) if e.category == "invoices"]
    assert invoices
    assert sum(invoices) > len(invoices) / 2


def test_an_old_codebook_is_refused_in_words(in_use):
    folder, _ = in_use
    other = Codebook.from_json([{"code": "ZZ", "category": name} for name in ("invoices",)])
    found = earlier(night_with(office_rows(80), KNOWN, other, folder), folder)
    trouble = found.trouble
    assert found.right is None
    assert "could not take the exam" in trouble
    assert "another codebook" in trouble
    assert "postroom rollback" in trouble


def test_the_frozen_part_only_grows_and_is_never_learnt():
    frozen = set()
    for count in (200, 400, 700):
        rows = office_rows(count)
        for row in rows:
            row["frozen"] = row["id"] in frozen
        data = night_with(rows, (*KNOWN, "orders"), None, None).data
        assert not frozen & {example.id for example in data.train}
        assert frozen <= {example.id for example in data.exam}
        assert not {example.group for example in data.exam} & {example.group for example in data.train}
        fresh = set(newly_frozen(data, Gate()))
        assert fresh <= {example.id for example in data.exam}
        assert not fresh & frozen
        assert fresh
        frozen |= fresh


# What people see of it


def test_a_refused_candidate_keeps_its_reason_and_models_shows_it(tmp_path):
    configured = Settings(state_dir=tmp_path, engine=EmbeddedSettings())
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        mailbox = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        uid = mailboxes.add_category(tx, mailbox, Category("", "Invoices", "Invoices"), START).uid
        run = training.start_run(tx, mailbox, START, 0, 0)
    registry = Registry(database, configured.engine, tmp_path / "models")
    verdict = judge(answers("a", "1" * 30 + "0" * 10, "1" * 40), 2, NAMES)
    job = tmp_path / "job"
    (job / "candidate").mkdir(parents=True)
    result = Result(
        outcome="candidate",
        promote=verdict.promote,
        verdict=verdict.sentence,
        exam=Exam(n=40),
        codebook=(CodebookRow(code="AA", category=uid),),
    )
    now = datetime.now(UTC) - timedelta(hours=1)
    outcome = _take_over(database, registry, configured, mailbox, "2026-03-01a", job, result, lambda: now, run)
    with database.begin() as tx:
        assert [model.run for model in training.models(tx, mailbox)] == [run]
    registry.close()
    database.close()
    assert outcome.outcome == "kept"
    config = tmp_path / "postroom.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\n[[mailbox]]\nname = "office"\nhost = "localhost"\nuser = "u"\ncredential = "c"\n'
    )
    shown = CliRunner().invoke(postroom, ["--config", str(config), "models"])
    assert "rejected" in shown.stdout
    assert "Kept the model in use" in " ".join(shown.stdout.split())
    (told,) = json.loads(CliRunner().invoke(postroom, ["--config", str(config), "models", "--json"]).stdout)
    assert (told["state"], told["verdict"]) == ("rejected", verdict.sentence)


def test_no_held_out_answer_is_noted_as_surer_than_it_was():
    """A threshold may be any of them, and 0.999999 in service never reaches 1.0."""
    [example] = [Example(1, "c1", MailText(body="x"), 1, 0.0, 1.0, False)]
    served = np.log(np.array([[0.999999, 0.000001]]))
    [point] = exam._points(("c1", "c2"), [example], served, np.array([0.999999]), False)
    assert point.probability == 0.99999


def test_without_dates_a_held_out_answer_is_noted_with_its_own_probability():
    """All of them were noted as certain, and a mailbox learnt in one go filed nothing at all."""
    served = np.log(np.array([[0.9, 0.1], [0.3, 0.7]]))
    assert exam._probabilities(served) == pytest.approx([0.9, 0.7])
    assert len(exam._probabilities(np.empty((0, 2)))) == 0
