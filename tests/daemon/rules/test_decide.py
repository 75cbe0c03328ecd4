"""Decisions, roles, corrections, memory and schedule: the pure parts, value in and value out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.base import Folder, Identity, MailText, Message, MessageRef, Role, Sighting
from connectors.own_domains import own_domain
from daemon.model.near_duplicates import NearDuplicates
from daemon.model.prediction import Prediction
from daemon.rules.addresses import fits_one, shown_in
from daemon.rules.decision import Policy, decide, hands_off
from daemon.rules.hints import Hint
from daemon.rules.roles import guess_roles
from daemon.rules.schedule import (
    RELOADS_HEEDED,
    back_off,
    first_look,
    last_attempt,
    latest_window,
    longest_waiting,
    may_begin,
    next_night,
    night_is_due,
    owed,
    trainings_at_once,
)
from daemon.settings import SortingSettings
from daemon.settings.windows import Window
from daemon.store.records import Category, HintKind
from tests.fakes import good_hints

INVOICES, ORDERS = Category("c1", "Invoices", "Invoices"), Category("c2", "Orders", "Orders")
POLICY = Policy({"c1": INVOICES, "c2": ORDERS}, {"c1": 0.8, "c2": None}, "m7")


def test_sure_message_is_filed_and_says_how_sure_and_by_which_model() -> None:
    decision = decide(Prediction((("c1", 0.93), ("c2", 0.05))), None, POLICY)
    assert decision.category == "c1"
    assert decision.reason == "Invoices 0.93, next Orders 0.05; needs 0.80; model m7"


def test_unsure_message_is_left() -> None:
    decision = decide(Prediction((("c1", 0.6), ("c2", 0.4))), None, POLICY)
    assert decision.category is None
    assert decision.best == "c1"


def test_what_falls_short_by_little_is_told_with_as_many_digits_as_it_takes() -> None:
    policy = Policy({"c1": INVOICES, "c2": ORDERS}, {"c1": 0.9984}, "m7")
    for chance, said in (
        (0.9961, "Invoices 0.996, next Orders 0.00; Invoices needs 0.998"),
        (0.9983, "Invoices 0.9983"),
    ):
        decision = decide(Prediction((("c1", chance), ("c2", 0.001))), None, policy)
        assert decision.category is None
        assert decision.reason.startswith(f"left: {said}")


def test_where_a_model_states_how_sure_it_is_that_is_what_counts_and_is_told() -> None:
    likely = Prediction((("c1", 0.99), ("c2", 0.01)), sureness=0.7)
    decision = decide(likely, None, POLICY)
    assert decision.category is None
    assert decision.reason == "left: Invoices 0.99, next Orders 0.01; sure 0.70, Invoices needs 0.80"
    assert (decision.probability, decision.sureness) == (0.99, 0.7)
    sure = Prediction((("c1", 0.6), ("c2", 0.4)), sureness=0.9)
    decision = decide(sure, None, POLICY)
    assert decision.category == "c1"
    assert decision.reason == "Invoices 0.60, next Orders 0.40; sure 0.90, needs 0.80; model m7"
    assert decide(Prediction((("c1", 0.6),), sureness=0.79996), None, POLICY).reason == (
        "left: Invoices 0.60; sure 0.79996, Invoices needs 0.80000"
    )


def test_category_without_evidence_is_left_however_sure_the_model_is() -> None:
    decision = decide(Prediction((("c2", 0.999), ("c1", 0.001))), None, POLICY)
    assert decision.category is None
    assert "too little evidence" in decision.reason


def test_hint_to_a_paused_category_is_no_hint() -> None:
    paused = Category("c2", "Orders", "Orders", paused="there is no folder")
    known = {"c1": INVOICES, "c2": paused}
    policy = Policy(known, {"c1": 0.8, "c2": 0.8}, "m7", wanted={"c2": 0.9}, tried=good_hints())
    kind = HintKind("thread", "a thread in one folder", "within a day")
    decision = decide(Prediction((("c2", 0.99), ("c1", 0.01))), Hint("c2", kind, "same thread"), policy)
    assert decision.category is None
    assert "paused" in decision.reason


def test_without_a_model_everything_is_left() -> None:
    assert decide(None, None, POLICY).reason == "left: there is no trained model yet"
    refused = decide(None, None, Policy({}, {}, refused="m7")).reason
    assert refused == "left: the model in use, m7, cannot be used (`postroom status` says why)"


@pytest.mark.parametrize(
    ("flags", "marks", "reason"),
    [
        ({"\\Flagged"}, set(), "somebody flagged it"),
        ({"\\ANSWERED"}, set(), "somebody answered it"),
        (set(), {"encrypted"}, "it is encrypted"),
        (set(), {"calendar"}, "it is a calendar message"),
        (set(), {"bounce"}, "it is a delivery report"),
        ({"\\Seen"}, {"automatic"}, None),
    ],
)
def test_hands_off_what_people_or_programs_wait_for(flags: set[str], marks: set[str], reason: str | None) -> None:
    sighting = Sighting(MessageRef("INBOX", 1, 1), Identity(None, None, "d"), frozenset(flags))
    message = Message(sighting, MailText(), frozenset(marks))  # type: ignore[arg-type]
    assert hands_off(message, SortingSettings()) == reason


@pytest.mark.parametrize(
    ("sender", "listed"),
    [
        ("lawyer@example.com", True),
        ("other.lawyer@example.com", False),
        ("chair@union.org", True),
        ("chair@mail.union.org", True),
        ("chair@reunion.org", False),
    ],
)
def test_never_senders_are_whole_addresses_or_whole_domains(sender: str, listed: bool) -> None:
    assert fits_one([sender], ["lawyer@example.com", "@union.org"]) is listed


def test_lessons_show_whose_mail_they_were() -> None:
    assert shown_in('"Lee, Ann" <Ann@example.org>, bob@example.org') == ["ann@example.org", "bob@example.org"]


@pytest.mark.parametrize(
    ("user", "own"),
    [("office@firm.example", ("firm.example",)), ("firm.office@gmail.com", ()), ("office", ()), ("FIRM\\office", ())],
)
def test_own_domain_is_that_of_the_user_unless_anybody_can_have_one(user: str, own: tuple[str, ...]) -> None:
    assert own_domain(user) == own


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Invoices", "category"),
        ("Rechnungen", "category"),
        ("Gelöschte Objekte", "never"),
        ("Éléments envoyés", "never"),
        ("Prullenbak", "never"),
        ("Wysłane", "never"),
        ("Papelera", "never"),
        ("Cestino", "never"),
        ("Archive/2019/Invoices", "neutral"),
        ("2024", "neutral"),
        ("Kunden/Meier", "neutral"),
        ("Erledigt", "neutral"),
        ("INBOX", "inbox"),
    ],
)
def test_roles_are_guessed_from_names_in_seven_languages(name: str, role: Role) -> None:
    assert guess_roles([Folder(name)], "INBOX", {})[name].role == role


def test_special_use_beats_the_name_and_the_owner_beats_both() -> None:
    folders = [Folder("Invoices", special_use="junk"), Folder("Spam")]
    guessed = guess_roles(folders, "INBOX", {})
    assert {name: guess.role for name, guess in guessed.items()} == {"Invoices": "never", "Spam": "never"}
    assert guess_roles(folders, "INBOX", {"Spam": "category"})["Spam"].role == "category"


def test_listed_categories_are_the_only_ones() -> None:
    folders = [Folder("Invoices"), Folder("Orders"), Folder("Trash")]
    guessed = guess_roles(folders, "INBOX", {}, categories=["Invoices"])
    roles = {name: guess.role for name, guess in guessed.items()}
    assert roles == {"Invoices": "category", "Orders": "neutral", "Trash": "never"}


LONG = "the boiler of house seven was serviced on monday by two of our people and all the valves are tight again now"


def test_memory_finds_a_near_duplicate_and_not_a_stranger() -> None:
    memory = NearDuplicates()
    memory.add(1, MailText(body=LONG), "c1", at(1, 1))
    [found] = memory.near(MailText(body=LONG + " indeed"))
    assert (found.lesson, found.category, found.at) == (1, "c1", at(1, 1))
    assert not memory.near(MailText(body="an entirely different mail about new chairs for the meeting room upstairs"))


def test_memory_tells_all_copies_the_latest_last_and_is_silent_on_short_mails() -> None:
    memory = NearDuplicates()
    memory.add(1, MailText(body=LONG), "c1", at(2, 1))
    memory.add(2, MailText(body=LONG), "c2", at(1, 1))
    assert [copy.category for copy in memory.near(MailText(body=LONG))] == ["c2", "c1"]
    memory.add(3, MailText(body="Thanks a lot"), "c1", at(3, 1))
    assert not memory.near(MailText(body="Thanks a lot"))


def test_memory_stays_within_its_capacity() -> None:
    memory = NearDuplicates(capacity=3)
    for number in range(10):
        memory.add(number, MailText(body=f"{LONG} number {number} of our long list of mails"), "c1", at(1, 1))
    assert len(memory) == 3


NIGHT = Window.parse("01:00-05:00")


def at(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_training_is_due_once_in_its_window() -> None:
    assert night_is_due(at(2, 1, 1), NIGHT, at(1, 1, 1), up_since=at(1, 0))
    assert not night_is_due(at(2, 4), NIGHT, at(2, 1, 1), up_since=at(1, 0))
    assert not night_is_due(at(2, 12), NIGHT, at(1, 1, 1), up_since=at(1, 0))


def test_training_is_caught_up_after_the_machine_slept_through_its_window() -> None:
    assert night_is_due(at(2, 8), NIGHT, at(1, 1), up_since=at(2, 7, 59))
    assert not night_is_due(at(2, 8), NIGHT, at(2, 1), up_since=at(2, 7, 59))


def test_window_across_midnight_belongs_to_the_day_it_opened() -> None:
    late = Window.parse("22:00-04:00")
    assert latest_window(at(2, 3), late) == (at(1, 22), at(2, 4))
    assert latest_window(at(2, 3), late, ended=True) == (at(28, 22, month=2), at(1, 4))
    assert night_is_due(at(2, 3), late, at(1, 3), up_since=at(1, 0))
    assert not night_is_due(at(2, 3), late, at(1, 22, 5), up_since=at(1, 0))


@pytest.mark.parametrize(
    "window", ["01:00-05:00", "02:00-03:00", "02:15-02:45", "02:30-04:00", "22:00-04:00", "03:00-03:30"]
)
@pytest.mark.parametrize("changes", [(3, 29), (10, 25)])
def test_every_night_has_one_window_also_when_the_clock_is_put_forward_or_back(
    window: str, changes: tuple[int, int]
) -> None:
    here, night = ZoneInfo("Europe/Berlin"), Window.parse(window)
    now = datetime(2026, *changes, 12, tzinfo=here).astimezone(UTC) - timedelta(days=2)
    last, trained, up = now, 0, now - timedelta(days=9)
    for _ in range(3 * 24 * 12):
        now += timedelta(minutes=5)
        if night_is_due(now.astimezone(here), night, last, up):
            last, trained = now, trained + 1
    assert trained == 3
    assert next_night(now.astimezone(here), night, last, up) > now


def test_a_training_that_was_broken_off_is_made_up_for_once() -> None:
    first, second = at(2, 1, 1), at(2, 1, 30)
    assert last_attempt([]) is None
    assert last_attempt([(first, "promoted")]) == first
    assert last_attempt([(first, None)]) == first, "it works now"
    for outcome in ("stopped", "interrupted"):
        assert last_attempt([(first, outcome)]) is None
        assert last_attempt([(first, outcome), (at(1, 1), "kept")]) == at(1, 1)
        assert last_attempt([(second, outcome), (first, outcome)]) == second, "it may bring the machine down"
    assert last_attempt([(second, "promoted"), (first, "stopped")]) == second


def test_a_training_that_a_reload_put_off_counts_for_nothing_and_is_owed() -> None:
    put_off = [(at(2, 3 - number), "reloaded") for number in range(2)]
    assert last_attempt(put_off) is None
    assert last_attempt([*put_off, (at(1, 1), "kept")]) == at(1, 1)
    assert last_attempt([*put_off, (at(2, 0), "stopped"), (at(1, 1), "kept")]) == at(1, 1)
    assert owed([*put_off, (at(1, 1), "kept")])
    assert not owed([(at(2, 4), "promoted"), *put_off])
    assert not owed([])
    again_and_again = [(at(2, 20 - number), "reloaded") for number in range(RELOADS_HEEDED)]
    assert owed([*again_and_again[1:], (at(1, 1), "kept")])
    assert not owed([*again_and_again, (at(1, 1), "kept")]), "a program reloads: it would train all day"
    assert last_attempt([*again_and_again, (at(1, 1), "kept")]) == at(2, 20)


def test_first_looks_fill_one_interval_and_a_few_mailboxes_never_wait() -> None:
    minute = timedelta(minutes=1)
    assert [first_look(position, 3, 8, minute) for position in range(3)] == [timedelta()] * 3
    waits = [first_look(position, 50, 8, minute) for position in range(50)]
    assert waits[:8] == [timedelta()] * 8
    assert waits[8:] == sorted(waits[8:])
    assert max(waits) < minute
    assert len(set(waits[8:])) == 42


def test_who_was_never_trained_comes_before_who_was_trained_long_ago() -> None:
    assert longest_waiting({"a": at(3, 1), "b": None, "c": at(1, 1), "d": None}) == ["b", "d", "c", "a"]


@pytest.mark.parametrize(
    ("wanted", "threads", "cores", "expected"),
    [(4, 2, 16, 4), (4, 2, 6, 3), (4, 2, 5, 2), (4, 2, 1, 1), (1, 2, 64, 1), (4, 16, 8, 1), (256, 1, 64, 64)],
)
def test_trainings_side_by_side_take_no_more_threads_than_there_are_cores(
    wanted: int, threads: int, cores: int, expected: int
) -> None:
    assert trainings_at_once(wanted, threads, cores) == expected


@pytest.mark.parametrize(
    ("working", "free_mb", "expected"),
    [
        (0, (0, 0), True),  # one always may: it is the kernel that judges whether it can
        (1, (None, None), True),
        (1, (4000, 3000), True),
        (1, (1999, 1999), False),
        (2, (2500, 2500), False),  # the two that work have not taken yet what they need
        (2, (4000, 999), False),  # somebody else took it meanwhile
        (3, (9000, 9000), False),  # no more are wanted
    ],
)
def test_one_more_training_begins_where_there_is_memory_for_all(
    working: int, free_mb: tuple[int | None, int | None], expected: bool
) -> None:
    assert may_begin(working, 3, 1000, free_mb) is expected


def test_back_off_grows_and_is_bounded() -> None:
    minute = timedelta(minutes=1)
    waits = [back_off(n, minute, 0.5) for n in range(1, 12)]
    assert waits[0] == minute
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=30)
    assert back_off(10_000, minute, 1.0) <= timedelta(minutes=38)
