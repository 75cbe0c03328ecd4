"""When Postroom stops by itself, and when it must not: values in, a verdict out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from daemon.rules.breakers import (
    Share,
    are_gone,
    got_worse,
    is_another,
    overridden_unusually,
    unusual_silence,
    vanished_altogether,
    was_emptied,
)
from daemon.store.records import Filed

NOW = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)


def filed(count: int, overridden: int, *, days_ago: float, model: str = "m2") -> list[Filed]:
    at = NOW - timedelta(days=days_ago)
    return [Filed(at + timedelta(seconds=n), model, n < overridden) for n in range(count)]


@pytest.mark.parametrize(
    ("recent", "usual", "trips"),
    [
        ((40, 16), (400, 20), True),
        ((40, 4), (400, 20), False),  # 10 % after 5 %: four messages prove nothing
        ((19, 19), (400, 20), False),  # too few
        ((40, 16), (400, 160), False),  # an office that always moves on what was filed
        ((20, 8), (0, 0), True),  # no history: the promise of 5 % counts
        ((20, 3), (0, 0), False),
        ((300, 30), (3000, 60), True),
    ],
)
def test_people_who_override_unusually_often_pause_us(
    recent: tuple[int, int], usual: tuple[int, int], trips: bool
) -> None:
    history = [*filed(*usual, days_ago=20), *filed(*recent, days_ago=1)]
    found = overridden_unusually(history, NOW, 0.05, None)
    assert (found is not None) is trips
    if found:
        assert (str(found[0]), str(found[1])) == tuple(f"{k} of {n}" for n, k in (recent, usual))


def test_what_was_filed_before_a_person_resumed_does_not_count_again() -> None:
    history = [*filed(400, 20, days_ago=20), *filed(40, 16, days_ago=1)]
    resumed = NOW - timedelta(hours=1)
    assert overridden_unusually(history, NOW, 0.05, resumed) is None
    worse = [*history, *filed(40, 16, days_ago=0.02)]
    assert overridden_unusually(worse, NOW, 0.05, resumed) is not None


def test_steady_offices_are_never_paused_by_luck() -> None:
    rng = Random(7)
    history: list[Filed] = []
    tripped = 0
    for minute in range(0, 40 * 24 * 60, 20):
        at = NOW + timedelta(minutes=minute)
        history.append(Filed(at, "m", rng.random() < 0.05))
        if history[-1].overridden:
            history = [each for each in history if each.at > at - timedelta(days=34)]
            tripped += overridden_unusually(history, at, 0.05, None) is not None
    assert tripped == 0


@pytest.mark.parametrize(
    ("now", "before", "worse"),
    [
        ((40, 12), (400, 12), True),
        ((40, 3), (400, 12), False),  # too few overrides to say
        ((20, 5), (400, 12), True),
        ((100, 7), (400, 16), False),  # not twice as many
        ((40, 12), (10, 0), False),  # the model before hardly filed anything
        ((20, 5), (30, 0), True),
        ((19, 10), (400, 12), False),
    ],
)
def test_new_model_that_is_overridden_far_more_is_found_out(
    now: tuple[int, int], before: tuple[int, int], worse: bool
) -> None:
    promoted = NOW - timedelta(days=2)
    history = [*filed(*before, days_ago=12, model="m1"), *filed(*now, days_ago=1)]
    assert (got_worse(history, "m2", promoted, NOW, None) is not None) is worse


def test_only_the_last_three_days_count_against_a_model() -> None:
    promoted = NOW - timedelta(days=9)
    history = [*filed(400, 12, days_ago=20, model="m1"), *filed(40, 20, days_ago=8), *filed(40, 1, days_ago=1)]
    assert got_worse(history, "m2", promoted, NOW, None) is None


def test_share_of_nothing_is_nothing() -> None:
    assert Share(0, 0).rate == 0.0


FULL = {"INBOX": 1500, "Invoices": 3000, "Archive": 9000, "Trash": 20000}
WATCHED = {"INBOX", "Invoices"}


@pytest.mark.parametrize(
    ("now", "wrong"),
    [
        ({"INBOX": 0, "Invoices": 0, "Archive": 0, "Trash": 0}, True),
        ({"INBOX": 2}, True),
        ({**FULL, "INBOX": 0}, False),
        ({**FULL, "INBOX": 0, "Archive": 10500}, False),  # every evening
        ({**FULL, "INBOX": 0, "Invoices": 0, "Archive": 13500}, False),  # moved, not lost
        ({**FULL, "Trash": 0}, False),  # the trash was emptied
        ({**FULL, "INBOX": 0, "Invoices": 10, "Trash": 24490}, False),
        ({"INBOX": 0, "Invoices": 0, "Archive": 9000, "Trash": 20000}, True),
    ],
)
def test_mailbox_that_lost_thousands_of_messages_looks_wrong(now: dict[str, int], wrong: bool) -> None:
    assert was_emptied(FULL, now, WATCHED) is wrong


def test_small_inbox_that_is_emptied_every_evening_is_no_alarm() -> None:
    assert not was_emptied({"INBOX": 900}, {"INBOX": 0}, {"INBOX"})


def test_most_folders_gone_looks_wrong_and_a_rename_does_not() -> None:
    watched = {name: (None, epoch) for epoch, name in enumerate(("INBOX", "A", "B", "C", "D"), 1)}
    assert are_gone(watched, {"INBOX": (None, 1)}) == ["A", "B", "C", "D"]
    assert are_gone(watched, {"INBOX": (None, 1), "D": (None, 5), "B": (None, 3)}) == []
    moved = {"INBOX": (None, 1), **{f"Old/{name}": mark for name, mark in watched.items() if name != "INBOX"}}
    assert are_gone(watched, moved) == []
    by_id: dict[str, tuple[str | None, int]] = {name: (f"id:{name}", 1) for name in watched}
    again: dict[str, tuple[str | None, int]] = {f"New {name}": (f"id:{name}", 9) for name in watched}
    assert are_gone(by_id, again) == []


def test_without_counts_it_takes_several_folders_and_nearly_all() -> None:
    known = {"General": 800, "Billing": 700}
    assert vanished_altogether(known, {"General": 800, "Billing": 699}, 0)
    assert not vanished_altogether(known, {"General": 800}, 0)
    assert not vanished_altogether(known, {"General": 800, "Billing": 700}, 1400)
    assert not vanished_altogether({"General": 2000, "Billing": 0}, {"General": 2000}, 0)


@pytest.mark.parametrize(
    ("known", "looked_at", "again", "another"),
    [(500, 500, 0, True), (500, 500, 480, False), (500, 0, 0, True), (10, 10, 0, False), (2000, 500, 60, False)],
)
def test_restarted_uids_with_other_contents_are_another_mailbox(
    known: int, looked_at: int, again: int, another: bool
) -> None:
    assert is_another(known, looked_at, again) is another


def office_hours(weeks: int, *, skip: frozenset[int] = frozenset(), seed: int = 1) -> list[datetime]:
    """Mail from Monday to Friday, eight to six, some sixty a day, until NOW, a Monday at noon."""
    rng = Random(seed)
    found = []
    for day in range(weeks * 7, -1, -1):
        at = (NOW - timedelta(days=day)).replace(hour=8, minute=0)
        if at.weekday() < 5 and day not in skip:
            found += [at + timedelta(minutes=rng.uniform(0, 600)) for _ in range(60)]
    return sorted(each for each in found if each <= NOW)


def until(arrivals: list[datetime], last: datetime) -> list[datetime]:
    return [each for each in arrivals if each <= last]


def test_weekend_is_no_silence_and_a_dead_monday_morning_is() -> None:
    arrivals = office_hours(6)
    monday = NOW.replace(hour=8, minute=30)
    friday = monday - timedelta(days=2, hours=12)
    quiet = until(arrivals, friday)
    assert unusual_silence(quiet, NOW.replace(hour=8), UTC) is None
    found = unusual_silence(quiet, NOW.replace(hour=11), UTC)
    assert found is not None
    assert found > timedelta(days=2)


def test_silence_of_a_working_day_is_noticed_within_hours() -> None:
    arrivals = office_hours(6)
    last = NOW - timedelta(days=4)
    assert unusual_silence(until(arrivals, last), last + timedelta(minutes=20), UTC) is None
    assert unusual_silence(until(arrivals, last), last + timedelta(hours=5), UTC) is not None


def test_holiday_like_the_one_last_month_is_no_alarm() -> None:
    arrivals = office_hours(7, skip=frozenset({24}))
    holiday = until(arrivals, NOW - timedelta(days=3, hours=18))
    assert unusual_silence(holiday, NOW - timedelta(days=3), UTC) is None


def test_too_little_history_is_no_reason_to_be_alarmed() -> None:
    assert unusual_silence(office_hours(1), NOW + timedelta(days=30), UTC) is None
    assert unusual_silence([], NOW, UTC) is None
    slow = [NOW - timedelta(days=day) for day in range(40, 0, -1)]
    assert unusual_silence(slow, NOW + timedelta(days=9), UTC) is None, "40 mails are too few to know a rhythm"
