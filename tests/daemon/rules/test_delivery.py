"""What was delivered and what was put there: clocks that differ, and people who fetch old mail back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daemon.rules.delivery import LATELY, TOLD, ServerClock, was_delivered

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POLL = timedelta(minutes=3)


def learnt(behind: timedelta, looks: int, poll: timedelta = POLL) -> ServerClock:
    """What so many looks say of a server whose clock is behind by so much, with mail that comes soon after each."""
    clock = ServerClock()
    for look in range(looks):
        since = NOON + poll * (look - looks)
        clock = clock.looked(since + timedelta(seconds=20) - behind, since, since + poll)
    return clock


def fetched_back(ages: list[timedelta], every: timedelta) -> ServerClock:
    """Mail of these ages is put into the inbox, one by one."""
    clock = ServerClock()
    for number, age in enumerate(ages):
        now = NOON + every * number
        clock = clock.arrived(NOON - age).looked(NOON - age, now - every, now)
    return clock


@pytest.mark.parametrize("age", [timedelta(0), timedelta(seconds=-40), timedelta(minutes=1)])
def test_what_came_since_the_last_look_was_delivered(age: timedelta) -> None:
    assert was_delivered(NOON - age, since=NOON)


@pytest.mark.parametrize("age", [timedelta(minutes=3), timedelta(hours=1), timedelta(days=400)])
def test_what_is_older_than_the_last_look_was_put_there(age: timedelta) -> None:
    assert not was_delivered(NOON - age, since=NOON)


def test_mail_of_a_night_in_which_nobody_looked_was_delivered() -> None:
    since = NOON - timedelta(hours=9)
    assert all(was_delivered(since + timedelta(hours=hour), since) for hour in range(9))


def test_who_cannot_tell_takes_it_for_delivered() -> None:
    assert was_delivered(None, NOON)
    assert was_delivered(NOON, None)


@pytest.mark.parametrize("behind", [timedelta(minutes=7), timedelta(hours=1), timedelta(days=1), timedelta(hours=-1)])
def test_a_clock_of_the_server_that_is_off_is_believed_once_enough_looks_agree(behind: timedelta) -> None:
    assert learnt(behind, TOLD - 1).behind == timedelta()
    clock = learnt(behind, TOLD)
    late = NOON - behind + timedelta(seconds=10)
    assert was_delivered(late, NOON, clock)
    assert not was_delivered(late - timedelta(minutes=10), NOON, clock)


@pytest.mark.parametrize("every", [timedelta(seconds=0.8), timedelta(seconds=3), timedelta(minutes=5)])
@pytest.mark.parametrize("apart", [timedelta(0), timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)])
def test_mail_of_about_one_age_that_is_fetched_back_is_not_taken_for_a_slow_clock(
    every: timedelta, apart: timedelta
) -> None:
    """A flushed queue, an import, the mails of one morning: dragged one by one, or all at once."""
    clock = fetched_back([timedelta(hours=5) - apart * number for number in range(20)], every)
    assert clock.behind == timedelta()


def test_one_mail_that_is_dated_by_mistake_hides_no_delivery() -> None:
    clock = learnt(timedelta(0), TOLD).arrived(NOON - POLL).arrived(NOON + timedelta(days=300))
    clock = clock.looked(NOON + timedelta(days=300), NOON, NOON + POLL)
    assert was_delivered(NOON + POLL, NOON + POLL, clock)


def test_mails_that_are_dated_by_mistake_are_forgotten_by_and_by() -> None:
    clock = ServerClock()
    for _ in range(LATELY):
        clock = clock.arrived(NOON + timedelta(days=300))
    assert not was_delivered(NOON, NOON, clock)
    for _ in range(LATELY):
        clock = clock.arrived(NOON)
    assert was_delivered(NOON, NOON, clock)


def test_what_is_older_than_mail_that_came_before_it_was_put_there_whatever_our_clock_says() -> None:
    clock = ServerClock().arrived(NOON - timedelta(hours=1)).arrived(NOON)
    yesterday, since = NOON - timedelta(days=1), NOON - timedelta(days=3)  # our clock has lost three days
    assert not was_delivered(yesterday, since, clock)
    assert was_delivered(NOON + POLL, since, clock)


def test_a_clock_that_was_put_right_is_soon_believed_again() -> None:
    clock = learnt(timedelta(hours=1), TOLD).looked(NOON + POLL, NOON, NOON + POLL)
    assert clock.behind == timedelta()


def test_a_server_that_says_when_a_mail_came_into_the_inbox_is_asked_alone() -> None:
    slow = timedelta(hours=1)
    assert was_delivered(NOON - slow, NOON, saved=NOON - slow + timedelta(seconds=3))
    assert not was_delivered(NOON - timedelta(minutes=1), NOON, saved=NOON)
    assert not was_delivered(NOON - slow, NOON, saved=NOON)
    assert not was_delivered(NOON, NOON, saved=NOON - slow), "its clock was put back since it arrived"


def test_what_is_stored_is_read_again() -> None:
    clock = learnt(timedelta(hours=1), TOLD).arrived(NOON)
    assert ServerClock.load(clock.dump()) == clock
    assert ServerClock.load(None) == ServerClock()
