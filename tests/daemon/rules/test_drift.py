"""A category whose mail suddenly goes elsewhere rests, and files again when its answers are right again."""

from __future__ import annotations

import pytest

from daemon.model.prediction import Point, Prediction
from daemon.rules.decision import Policy, decide
from daemon.rules.drift import Rest, resting
from daemon.rules.hints import Hint
from daemon.store.records import Category, HintKind
from tests.fakes import good_hints

THRESHOLDS = {"c1": 0.8, "c2": 0.8, "c3": None}


def answers(said: str, probability: float = 0.95) -> list[Point]:
    """Answers of "c1": "+" right, "-" wrong, "n" to a folder that is new."""
    truth = {"+": "c1", "-": "c2", "n": "new"}
    return [Point(truth[sign], "c1", probability, sign == "+") for sign in said]


@pytest.mark.parametrize(
    ("said", "rests"),
    [
        ("", False),
        ("-", False),
        ("--", True),
        ("-+-", True),
        ("-++-", False),
        ("++++++++--", True),
        ("--+", True),
        ("--++", False),
        ("------------+", True),
        ("------------++", False),
        ("n", True),
        ("n+", True),
        ("n++", False),
        ("++-+++++++++++++++++++++-++++++++++++", False),
    ],
)
def test_two_wrong_answers_close_together_or_one_to_a_new_folder_are_enough(said: str, rests: bool) -> None:
    assert ("c1" in resting(answers(said), THRESHOLDS, {"new"})) is rests


def test_an_answer_that_was_too_unsure_to_be_filed_counts_only_where_its_mail_went_to_a_new_folder() -> None:
    assert resting(answers("-----", 0.7), THRESHOLDS, {"new"}) == {}
    assert resting(answers("n", 0.7), THRESHOLDS, {"new"}) == {"c1": Rest(1, 1, "new")}
    assert resting(answers("n", 0.2), THRESHOLDS, {"new"}) == {}
    assert resting(answers("n--", 0.9), THRESHOLDS, ()) == {"c1": Rest(3, 3, None)}


def test_every_category_has_a_sum_of_its_own() -> None:
    others = [Point("c2", "c2", 0.9, True)] * 20
    assert list(resting([*answers("-"), *others, *answers("-")], THRESHOLDS, ())) == ["c1"]


CATEGORIES = {uid: Category(uid, name, name) for uid, name in (("c1", "Invoices"), ("c2", "Orders"), ("new", "Bills"))}
SURE = Prediction((("c1", 0.99), ("c2", 0.01)))


def at_rest(rest: Rest) -> Policy:
    wanted = dict.fromkeys(CATEGORIES, 0.9)
    return Policy(CATEGORIES, {"c1": 0.8, "c2": 0.8}, "m7", wanted=wanted, tried=good_hints(), resting={"c1": rest})


def test_what_rests_files_nothing_and_says_where_its_mail_goes() -> None:
    decision = decide(SURE, None, at_rest(Rest(2, 3, None)))
    assert (decision.category, decision.source, decision.best) == (None, "model", "c1")
    assert (
        "Invoices rests, so nothing is filed there for now: people put 2 of the last 3 such mails elsewhere"
        in decision.reason
    )
    assert (
        "people put the last such mail into Bills, which this model does not know yet; two in a row"
        in decide(SURE, None, at_rest(Rest(1, 1, "new"))).reason
    )
    assert decide(Prediction((("c2", 0.99), ("c1", 0.01))), None, at_rest(Rest(2, 2, None))).category == "c2"


def test_no_hint_files_where_a_category_rests() -> None:
    hint = Hint("c1", HintKind("thread", "a thread in one folder", "within a day"), "same thread")
    decision = decide(SURE, hint, at_rest(Rest(2, 2, None)))
    assert decision.category is None
    assert "Invoices rests" in decision.reason
