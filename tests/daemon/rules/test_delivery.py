"""What was delivered and what was put there: clocks that differ, and people who fetch old mail back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daemon.rules.delivery import TOLD, Bounds, bounds, server_behind, was_delivered

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POLL = timedelta(minutes=1)


def learnt(behind: timedelta, looks: int, after: timedelta = timedelta(seconds=20)) -> list[Bounds]:
    """What so many looks say of a server whose clock is behind by so much, with mail that comes `after` a look."""
    return [
        bounds(since + after - behind, since, since + POLL) for since in (NOON + POLL * look for look in range(looks))
    ]


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


@pytest.mark.parametrize("behind", [timedelta(minutes=7), timedelta(hours=1), timedelta(days=1)])
def test_a_slow_clock_of_the_server_is_believed_once_enough_looks_agree(behind: timedelta) -> None:
    late = NOON - behind + timedelta(seconds=10)
    assert not was_delivered(late, NOON, learnt(behind, TOLD - 1))
    assert was_delivered(late, NOON, learnt(behind, TOLD))
    assert not was_delivered(late - timedelta(minutes=10), NOON, learnt(behind, TOLD))


def test_a_fast_clock_of_the_server_hides_no_mail_that_was_put_there() -> None:
    ahead = timedelta(hours=1)
    put_back = NOON + ahead - timedelta(minutes=20)  # 20 minutes old, and dated in our future
    assert was_delivered(put_back, NOON)
    assert not was_delivered(put_back, NOON, learnt(-ahead, 1))
    assert was_delivered(NOON + ahead, NOON, learnt(-ahead, 1))


def test_old_mail_fetched_back_one_by_one_or_at_once_is_not_taken_for_a_slow_clock() -> None:
    same_age = [bounds(NOON - timedelta(hours=2), NOON + POLL * look, NOON + POLL * (look + 1)) for look in range(20)]
    assert server_behind(same_age) == 0
    mixed = [bounds(NOON - timedelta(days=day), NOON, NOON + POLL) for day in range(1, 20)]
    assert server_behind(mixed) == 0


def test_a_clock_that_was_put_right_is_soon_believed_again() -> None:
    known = [*learnt(timedelta(hours=1), TOLD), *learnt(timedelta(0), 1)]
    assert server_behind(known) == 0


def test_a_step_of_our_own_clock_is_not_taken_for_the_servers() -> None:
    before, after = NOON - timedelta(days=200), NOON - timedelta(days=200) + timedelta(minutes=11)
    known = [bounds(NOON, before, before), bounds(NOON + timedelta(seconds=1), after, after)]
    assert server_behind(known) == 0


def test_a_server_that_says_when_a_mail_came_into_the_inbox_is_asked_alone() -> None:
    slow = timedelta(hours=1)
    assert was_delivered(NOON - slow, NOON, saved=NOON - slow + timedelta(seconds=3))
    assert not was_delivered(NOON - timedelta(minutes=1), NOON, saved=NOON)
    assert not was_delivered(NOON, NOON, saved=NOON - slow), "its clock was put back since it arrived"
