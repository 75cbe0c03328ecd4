"""Which folders mean the same: by figures alone, each sign by itself and none by a name; and what their mail does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from daemon.model.prediction import Point, Prediction, TriedHint
from daemon.rules.decision import DecidedCopy, Decision, Policy, decide
from daemon.rules.hints import Hint
from daemon.rules.twins import (
    Answers,
    Between,
    Lately,
    Side,
    Twinned,
    answers_about,
    follows,
    held_out,
    in_words,
    is_told_apart,
    lately,
    mistaken,
    name_sign,
    reasons,
    shared_senders,
    twinned,
)
from daemon.store.records import Category, HintKind, TwinPair
from tests.fakes import good_hints

FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
WANTED = 0.95


def days(*numbers: float) -> list[datetime]:
    return [FIRST + timedelta(days=number) for number in numbers]


EVEN, ODD = days(*range(0, 60, 2)), days(*range(1, 60, 2))
OLD, NEW = days(*range(40)), days(*range(41, 60))


@dataclass(frozen=True)
class Case:
    """Two folders' names and dates, what they share, and a word of each reason that is to be told; none: no twins."""

    what: str
    between: Between
    told: Sequence[str]
    names: tuple[str, str] = ("Gardens", "Boilers")
    times: tuple[Sequence[datetime], Sequence[datetime]] = (EVEN, ODD)


RIGHT = Answers(40, 0, 40, 0)
TOSSED = Answers(10, 10, 10, 10)
SOME = Answers(30, 8, 30, 8)
CASES = [
    Case("nothing in common", Between(), []),
    Case("a name alone", Between(), [], ("Acme", "Plant North (Acme)")),
    Case("a name and dates alone", Between(), [], ("Acme", "Plant North (Acme)"), (OLD, NEW)),
    Case("taken for each other", Between(answers=TOSSED), ["20 took one for the other"]),
    Case("too few answers", Between(answers=Answers(1, 2, 2, 1)), []),
    Case("now and then taken for each other", Between(answers=SOME), []),
    Case("the same, and one name in the other", Between(answers=SOME), ["16", "part"], ("Acme", "Office (Acme)")),
    Case("one swallows the other", Between(answers=Answers(60, 0, 0, 12)), ["12 took"]),
    Case("a small one is lost now and then", Between(answers=Answers(100, 1, 10, 3)), []),
    Case("both are taken for any other", Between(answers=Answers(10, 6, 10, 6, 30)), []),
    Case("small and hardly asked", Between(answers=Answers(160, 0, 1, 3)), []),
    Case("copies in both", Between(4), ["4 mails"]),
    Case("one stray copy", Between(1), []),
    Case("few copies of much", Between(3), [], times=(EVEN * 4, ODD * 4)),
    Case(
        "few copies of much, and the same name",
        Between(8),
        ["8 mails", "same name"],
        ("Ann", "Ann"),
        (EVEN * 4, ODD * 4),
    ),
    Case("copies, but told apart", Between(9, answers=RIGHT), [], ("Acme", "Acme")),
    Case("the same people, side by side", Between(senders=(30, 30)), []),
    Case("the same people, one after the other", Between(senders=(30, 15)), ["same people", "ended"], times=(OLD, NEW)),
    Case("other people, one after the other", Between(senders=(6, 2)), [], times=(OLD, NEW)),
    Case(
        "one ended, and the new one's mail is taken for it",
        Between(answers=Answers(0, 0, 6, 8)),
        ["8", "ended"],
        times=(OLD, NEW),
    ),
    Case("a new one, and the model knows it", Between(answers=Answers(0, 0, 14, 2)), [], times=(OLD, NEW)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_it_takes_evidence_of_content(case: Case) -> None:
    one, other = (Side(uid, name, times) for uid, name, times in zip("ab", case.names, case.times, strict=True))
    found = reasons(one, other, case.between, WANTED)
    assert bool(found) == bool(case.told), found
    assert all(any(word in sentence for sentence in found) for word in case.told), found
    turned = Between(
        case.between.copies,
        (case.between.senders[1], case.between.senders[0]),
        Answers(
            case.between.answers.other_right,
            case.between.answers.other_wrong,
            case.between.answers.one_right,
            case.between.answers.one_wrong,
            case.between.answers.elsewhere,
        ),
    )
    assert reasons(other, one, turned, WANTED) == found  # whichever is called the first


@pytest.mark.parametrize(
    ("answers", "apart"),
    [
        (Answers(), False),
        (RIGHT, True),
        (Answers(80, 0, 0, 0), False),  # nothing was asked of the other
        (Answers(4, 0, 4, 0), False),  # right, but too few to be so sure
        (Answers(200, 0, 5, 3), False),  # a large folder must not hide a small one
        (Answers(60, 1, 20, 1), True),
        (TOSSED, False),
    ],
)
def test_apart_is_what_answers_tell_at_the_wanted_precision(answers: Answers, apart: bool) -> None:
    assert is_told_apart(answers, WANTED) is apart


@pytest.mark.parametrize(
    ("one", "other", "sign"),
    [
        ("Acme", "Plant North (Acme)", "part"),
        ("Ann", "ann", "same name"),
        ("Invoices 2025", "Invoices 2026", "year"),
        ("Invoices", "Invoices 2026", "year"),
        ("IT", "Bills IT", None),  # two letters say nothing
        ("Bills", "Billing", None),
        ("2025", "2026", None),
        ("", "Bills", None),
        ("Größe", "GRÖSSE", "same name"),
    ],
)
def test_what_two_names_say(one: str, other: str, sign: str | None) -> None:
    found = name_sign(one, other)
    assert found is None if sign is None else sign in (found or "")
    assert name_sign(other, one) == found


def test_one_follows_the_other_only_where_one_ends_and_the_other_begins() -> None:
    assert follows(OLD, NEW) is not None
    assert follows(NEW, OLD) == follows(OLD, NEW)
    assert follows(EVEN, ODD) is None
    assert follows(OLD, days(400, 401, 402, 403, 404, 405)) is None  # a year later is another matter
    assert follows(OLD, days(41, 42)) is None
    assert follows([FIRST] * 9, [FIRST] * 9) is None  # a file read in one go has no dates


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (OLD, NEW, Lately("b", NEW[0], True)),
        (NEW, OLD, Lately("a", NEW[0], True)),
        (OLD, NEW[:4], None),  # four may be chance
        (OLD, NEW[:5], Lately("b", NEW[0], True)),
        (EVEN, ODD, None),
        (EVEN, [*ODD, *days(60, 61, 62, 63)], None),
        # A small folder beside a large one: so long a run is nothing new, yet says where the next mail goes.
        (
            days(1, 22),
            [moment for moment in days(*range(45)) if moment not in days(1, 22)],
            Lately("b", *days(23), False),
        ),
        # Used side by side; one is silent for a few days as it often is, or for longer than ever.
        (days(0, 1, 2, 20, 21), days(*(number + 0.5 for number in range(3, 40))), None),
        (days(0, 3, 6, 9), days(*(number + 0.5 for number in range(30))), Lately("b", *days(9.5), True)),
        ([], OLD, None),
        ([FIRST], [FIRST], None),
    ],
)
def test_which_is_used_lately(one: list[datetime], other: list[datetime], found: Lately | None) -> None:
    assert lately(Side("a", "A", one), Side("b", "B", other), WANTED) == found


def test_what_was_taught_at_one_moment_tells_nothing_of_what_follows() -> None:
    """Rows of a file have no date but that of the import, and mail that is dragged in one go is one act."""
    older, newer = Side("a", "A", days(*[1] * 30)), Side("b", "B", days(*[2] * 30))
    assert lately(older, newer, 0.9) is None
    assert follows(older.times, newer.times) is None


def test_held_out_answers_are_counted_for_every_two_that_were_mistaken() -> None:
    said = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("c", "a"), ("d", "d")]
    counts = held_out(Point(asked, best, 0.9, asked == best) for asked, best in said)
    assert mistaken(counts) == {("a", "b"), ("a", "c")}
    assert answers_about(counts, "a", "b") == Answers(1, 1, 2, 0)
    assert answers_about(counts, "b", "c") == Answers(2, 0, 0, 0, 1)
    assert answers_about(counts, "b", "a") == Answers(2, 0, 1, 1)


def test_senders_count_who_write_to_both_and_hardly_elsewhere() -> None:
    lessons = [("a", "ann")] * 6 + [("b", "ann")] * 3 + [("a", "bo")] * 2 + [("b", "bo")] * 2 + [("c", "bo")] * 2
    assert shared_senders([*lessons, ("a", ""), ("b", ""), ("a", "cy")]) == {("a", "b"): (6, 3)}


# --- what becomes of mail

ACME, PLANT, BILLS = (Category(uid, name, name) for uid, name in (("a", "Acme"), ("p", "Plant"), ("b", "Bills")))
THREAD = HintKind("thread", "a thread in one folder", "within a day")
KNOWN = {category.uid: category for category in (ACME, PLANT, BILLS)}
SPLIT = Prediction((("a", 0.55), ("p", 0.42), ("b", 0.03)))


def policy(twins: Twinned) -> Policy:
    sure = dict.fromkeys(KNOWN, 0.95)
    return Policy(KNOWN, dict.fromkeys(KNOWN, 0.9), "m1", wanted=sure, tried=good_hints(), twins=twins)


OPEN = Twinned(open={"a": "p", "p": "a"})
OVER = Twinned({"a": "p"})
SEVERAL = Twinned({"a": None})


def test_mail_of_an_open_pair_is_left_and_the_reason_names_both() -> None:
    sure = Prediction((("a", 0.99), ("p", 0.01)))
    decision = decide(sure, None, policy(OPEN))
    assert decision.category is None
    assert (decision.best, decision.source) == ("a", "none")  # no evidence of how sure the model may be
    assert (
        "Acme and Plant may mean the same, and nobody has decided yet (`postroom folders --twins`)" in decision.reason
    )
    assert decide(Prediction((("b", 0.99), ("a", 0.01))), None, policy(OPEN)).category == "b"


def test_where_one_is_used_lately_both_answers_count_together() -> None:
    assert decide(SPLIT, None, policy(Twinned())).category is None
    decision = decide(SPLIT, None, policy(OVER))
    assert decision.category == "p"
    assert decision.probability == pytest.approx(0.97)
    assert decision.runner_up == "b"
    assert decision.reason.endswith("; Acme counts as Plant (`postroom folders --twins`)")
    assert "counts as" not in decide(Prediction((("p", 0.99), ("b", 0.01))), None, policy(OVER)).reason


def test_sureness_of_one_answer_is_not_said_of_another() -> None:
    """Together the two outweigh what the model liked best, and was sure of: so sure it is that they are wrong."""
    split = Prediction((("b", 0.45), ("a", 0.3), ("p", 0.25)), sureness=0.96)
    assert decide(split, None, policy(Twinned())).category == "b"
    decision = decide(split, None, policy(OVER))
    assert (decision.best, decision.category) == ("p", None)
    assert decision.sureness == pytest.approx(0.04)
    assert decide(replace(SPLIT, sureness=0.96), None, policy(OVER)).sureness == 0.96  # at least so sure


def test_another_copy_is_not_filed_where_its_folder_was_merged_away() -> None:
    made = Decision("a", "model", "Acme 0.99")
    decision = decide(None, None, policy(OVER), copy=DecidedCopy(1, made, FIRST))
    assert (decision.category, decision.source) == ("p", "copy")
    assert decision.reason.startswith("Plant: as another copy")


def test_hints_do_the_same() -> None:
    hint = Hint("a", THREAD, "same thread as a mail")
    assert decide(None, hint, policy(Twinned())).category == "a"
    assert decide(None, hint, policy(OVER)).category == "p"
    assert decide(None, hint, policy(OVER)).reason.endswith("; Acme counts as Plant (`postroom folders --twins`)")
    of_place = decide(None, Hint("p", THREAD, "same thread as a mail"), policy(OVER))  # whichever folder that lies in
    assert of_place.reason.endswith("; Acme counts as Plant (`postroom folders --twins`)")
    left = decide(SPLIT, hint, policy(OPEN))
    assert left.category is None
    assert left.reason.startswith("left: same thread as a mail, but Acme and Plant")
    assert decide(SPLIT, hint, policy(SEVERAL)).category is None


def test_a_split_folder_gets_nothing() -> None:
    decision = decide(Prediction((("a", 0.99), ("p", 0.01))), None, policy(SEVERAL))
    assert decision.category is None
    assert "several other folders" in decision.reason


def test_held_out_answers_that_took_one_for_the_other_were_right() -> None:
    points = [Point("p", "a", 0.9, False), Point("b", "a", 0.8, False), Point("b", "b", 0.7, True)]
    assert OVER.points(points) == [Point("p", "p", 0.9, True), Point("b", "p", 0.8, False), Point("b", "b", 0.7, True)]
    assert Twinned().points(points) == points


def asked(one: str, other: str, used: str | None = None) -> TwinPair:
    return TwinPair(1, one, other, ("copies",), FIRST, used, None if used is None else FIRST)


@pytest.mark.parametrize(
    ("pairs", "counts_as", "stands", "waits"),
    [
        ([], {}, {}, set()),
        ([asked("a", "p")], {}, {}, {"a", "p"}),
        ([asked("a", "p", "p")], {}, {"a": "p"}, set()),
        ([asked("a", "p", "p"), asked("b", "p", "b")], {}, {"a": "b", "p": "b"}, set()),  # one after the other
        ([asked("a", "b", "b"), asked("a", "p", "p")], {}, {"a": None}, set()),  # to several
        (  # to one, by two ways
            [asked("a", "p", "p"), asked("b", "p", "b"), asked("a", "b", "b")],
            {},
            {"a": "b", "p": "b"},
            set(),
        ),
        ([asked("a", "p", "p"), asked("b", "p")], {}, {"a": "p"}, {"b", "p"}),
        ([asked("a", "p")], {"a": "b"}, {"a": "b"}, set()),  # it is no folder of its own any more
        (
            [asked("a", "p", "p"), asked("b", "p", "b"), asked("a", "b", "a")],
            {},
            {"a": None, "b": None, "p": None},
            set(),
        ),
    ],
)
def test_pairs_that_hang_together(
    pairs: list[TwinPair], counts_as: dict[str, str | None], stands: dict[str, str | None], waits: set[str]
) -> None:
    found = twinned(pairs, counts_as)
    assert found.counts_as == stands
    assert found.open.keys() == waits


def test_what_counts_elsewhere_is_said() -> None:
    said = in_words({"a": "p", "b": None}, {uid: category.name for uid, category in KNOWN.items()})
    assert said[0].startswith("Acme: Its lessons count as those of Plant")
    assert said[1].startswith("Bills: Its mail goes to several other folders now")


def test_hints_that_took_one_for_the_other_were_right_as_well() -> None:
    tried = [TriedHint(THREAD, "p", "a"), TriedHint(THREAD, None, "a"), TriedHint(THREAD, "b", "a")]
    assert [hint.right for hint in OVER.tried(tried)] == [True, False, False]
