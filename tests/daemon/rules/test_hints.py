"""Hints: who may inherit a thread, where near copies say nothing, and how often such hints must have been right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import MailText
from daemon.model.near_duplicates import NearCopy
from daemon.model.prediction import Prediction, TriedHint
from daemon.rules.addresses import shown_in
from daemon.rules.decision import Policy, decide
from daemon.rules.hints import Filed, Hint, by_kind, correspondents, grounds, of_copies, of_thread
from daemon.store.records import Category, HintKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN, BOB = "Ann Lee <ann@supplier.example>", "bob@office.example"
THREAD = HintKind("thread", "a thread in one folder", "within a day")
COPY = HintKind("memory", "the same text", "within a day")


def filed(category: str, hours: float = 2, sender: str = ANN, to: str = BOB) -> Filed:
    return Filed(category, NOW - timedelta(hours=hours), correspondents(MailText(sender=sender, to=to)))


def copy(category: str, hours: float, overlap: float = 1.0) -> NearCopy:
    return NearCopy(1, category, NOW - timedelta(hours=hours), overlap)


def tried(right: int, wrong: int, kind: HintKind = THREAD, predicted: str = "c1") -> list[TriedHint]:
    return [TriedHint(kind, predicted if place < right else "other", predicted) for place in range(right + wrong)]


def test_a_correspondent_of_the_thread_inherits_its_place() -> None:
    for sender in (ANN, BOB, "ANN@Supplier.Example"):
        hint = of_thread(MailText(sender=sender), NOW, [filed("c1")], ())
        assert hint is not None
        assert (hint.category, hint.kind) == ("c1", THREAD)


@pytest.mark.parametrize(
    "sender",
    [
        "Mallory <mallory@evil.example>",
        '"ann@supplier.example" <mallory@evil.example>',
        "ann@supplier.example, mallory@evil.example",
        "ann@supplier.example.evil.example",
        "Ann Lee",
        "",
    ],
)
def test_a_stranger_who_names_a_thread_inherits_nothing(sender: str) -> None:
    assert of_thread(MailText(sender=sender), NOW, [filed("c1")], ("office.example",)) is None


def test_the_office_takes_part_in_every_thread() -> None:
    colleague = MailText(sender="Carl <carl@eu.office.example>")
    assert of_thread(colleague, NOW, [filed("c1")], ()) is None
    assert of_thread(colleague, NOW, [filed("c1")], ("office.example",)) is not None


def test_whoever_writes_by_the_list_takes_part_in_its_threads() -> None:
    """But in no other's, whatever a stranger's mail calls itself."""
    of_list = Filed("c1", NOW, correspondents(MailText(sender=ANN, list_id="Users <users.lists.example>")))
    newcomer = MailText(sender="dan@far.example", list_id="Users <users.lists.example>")
    assert of_thread(newcomer, NOW, [of_list], ()) is not None
    assert of_thread(newcomer, NOW, [filed("c1")], ()) is None
    assert of_thread(MailText(sender="dan@far.example"), NOW, [of_list], ()) is None


def test_a_thread_in_four_folders_is_a_kind_of_its_own_and_nothing_files_by_the_others_evidence() -> None:
    lessons = [filed(category, hours) for category, hours in (("c1", 40), ("c2", 30), ("c3", 20), ("c4", 2))]
    hint = of_thread(MailText(sender=ANN), NOW, lessons, ())
    assert hint is not None
    assert (hint.category, hint.kind.shape) == ("c4", "a thread in several folders")
    assert not grounds(hint, tried(500, 0), 0.95).enough


def test_near_copies_in_two_folders_are_no_hint() -> None:
    assert of_copies(NOW, [copy("c1", 30), copy("c2", 2)]) is None
    for overlap, shape in ((1.0, "the same text"), (0.93, "nearly the same text")):
        hint = of_copies(NOW, [copy("c1", 30, overlap), copy("c1", 2, overlap)])
        assert hint is not None
        assert hint.kind == HintKind("memory", shape, "within a day")


@pytest.mark.parametrize(("hours", "age"), [(2, "within a day"), (50, "within two weeks"), (24 * 30, "later")])
def test_how_long_ago_it_was_is_told_apart(hours: float, age: str) -> None:
    hint = of_copies(NOW, [copy("c1", hours)])
    assert hint is not None
    assert hint.kind.age == age


@pytest.mark.parametrize(
    ("right", "wrong", "wanted", "enough"),
    [
        (0, 0, 0.5, False),
        (8, 0, 0.95, False),
        (9, 0, 0.95, True),
        (25, 9, 0.95, False),
        (25, 9, 0.6, True),
        (99, 1, 0.95, True),
        (99, 1, 0.99, False),
    ],
)
def test_such_hints_must_have_been_right_as_often_as_is_wanted(
    right: int, wrong: int, wanted: float, enough: bool
) -> None:
    assert grounds(Hint("c1", THREAD, ""), tried(right, wrong), wanted).enough is enough


def test_what_copies_are_worth_says_nothing_of_threads() -> None:
    assert not grounds(Hint("c1", THREAD, ""), tried(100, 0, COPY), 0.95).enough


def test_old_hints_must_not_be_worse_than_young_ones() -> None:
    old = THREAD._replace(age="later")
    known = [*tried(100, 0), *tried(4, 3, old)]
    assert grounds(Hint("c1", THREAD, ""), known, 0.95).enough
    assert not grounds(Hint("c1", old, ""), known, 0.95).enough
    assert grounds(Hint("c1", old, ""), tried(100, 0), 0.95).enough


def test_one_folder_that_is_often_wrong_is_not_carried_by_the_others() -> None:
    known = [*tried(200, 0), *tried(4, 3, predicted="c2")]
    assert grounds(Hint("c1", THREAD, ""), known, 0.95).enough
    assert not grounds(Hint("c2", THREAD, ""), known, 0.95).enough


# --- decisions

CATEGORIES = {uid: Category(uid, name, name) for uid, name in (("c1", "Invoices"), ("c2", "Orders"))}
SURE = Prediction((("c1", 0.99), ("c2", 0.01)))
UNSURE = Prediction((("c1", 0.6), ("c2", 0.4)))


def policy(known: list[TriedHint], wanted: float | None = 0.95) -> Policy:
    wants = {} if wanted is None else dict.fromkeys(CATEGORIES, wanted)
    return Policy(CATEGORIES, dict.fromkeys(CATEGORIES, 0.8), "m7", wanted=wants, tried=tuple(known))


def test_a_hint_that_has_proved_good_comes_before_the_model_and_says_why() -> None:
    decision = decide(SURE, Hint("c2", THREAD, "same thread"), policy(tried(57, 1)))
    assert (decision.category, decision.source, decision.hint) == ("c2", "thread", THREAD)
    assert decision.reason == "Orders: same thread; this was right 57 of 58 times, 95% wanted"


def test_a_hint_that_has_not_files_nothing_and_the_model_decides() -> None:
    decision = decide(UNSURE, Hint("c2", COPY, "the same words"), policy(tried(25, 9, COPY)))
    assert (decision.category, decision.source) == (None, "model")
    assert "the same words, in Orders; that is not enough to file by (this was right 25 of 34 times" in decision.reason
    assert decide(SURE, Hint("c1", COPY, "the same words"), policy(tried(25, 9, COPY))).category == "c1"


def test_nothing_is_filed_against_what_people_did_with_its_like() -> None:
    decision = decide(SURE, Hint("c2", COPY, "the same words"), policy([]))
    assert (decision.category, decision.source, decision.best, decision.probability) == (None, "model", "c1", 0.99)
    assert decision.reason.startswith("left, because two folders are possible: Invoices 0.99")
    assert "this has not been tried on this mailbox yet" in decision.reason


def test_a_hint_to_a_folder_with_too_few_lessons_files_nothing() -> None:
    decision = decide(UNSURE, Hint("c2", THREAD, "same thread"), policy(tried(100, 0), None))
    assert decision.category is None
    assert "too few lessons" in decision.reason


def test_without_a_model_no_hint_files() -> None:
    without = Policy(CATEGORIES, {}, newcomers=frozenset(CATEGORIES))
    decision = decide(None, Hint("c2", THREAD, "same thread"), without)
    assert decision.category is None
    assert "there is no trained model yet" in decision.reason


def test_every_kind_is_told_with_the_precision_up_to_which_it_files() -> None:
    told = by_kind([*tried(8, 1, COPY), *tried(99, 1)])
    assert [(kind.shape, kind.tried, kind.right) for kind in told] == [
        ("a thread in one folder", 100, 99),
        ("the same text", 9, 8),
    ]
    assert told[0].files_up_to >= 0.97
    assert 0.5 < told[1].files_up_to < 0.9


def test_an_endless_word_costs_as_much_as_it_is_long() -> None:
    """It took minutes: the square of its length."""
    assert shown_in("a" * 1_000_000) == []
    assert shown_in('Ann "ann@a.example" <Ann@Far.example>, @b, c@, <d@e>;f@g') == [
        '"ann@a.example"',
        "ann@far.example",
        "d@e",
        "f@g",
    ]
