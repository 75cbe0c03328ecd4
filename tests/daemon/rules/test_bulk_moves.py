"""What is a bulk move and what is a day's work; and when one is believed without a word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.rules.bulk_moves import A_WEEK, MOST_SINGLE, Moved, Standing, bulk_moves, is_believed, usual
from tests.fakes import START

MINUTE = timedelta(minutes=1)


def moves(count: int, every: timedelta = timedelta(), at: timedelta = timedelta(), gap: timedelta = MINUTE):  # type: ignore[no-untyped-def]
    moments = [START + at + number * every for number in range(count)]
    return [Moved(moment, moment - gap) for moment in moments]


def test_forty_at_once_are_one_bulk_move_and_twenty_five_are_none() -> None:
    assert bulk_moves(moves(40), []) == [list(range(40))]
    assert bulk_moves(moves(MOST_SINGLE), []) == []


def test_a_slow_client_is_one_bulk_move_and_a_careful_person_is_none() -> None:
    slow = moves(60, every=timedelta(seconds=20))
    assert bulk_moves(slow, []) == [list(range(60))]
    assert bulk_moves(moves(60, every=MINUTE), []) == []


def test_only_what_was_moved_within_minutes_of_the_many_belongs_to_them() -> None:
    morning = moves(20, every=3 * MINUTE)
    drag = moves(40, at=2 * 60 * MINUTE)
    evening = moves(30, at=9 * 60 * MINUTE)
    found = bulk_moves([*evening, *morning, *drag], [])
    assert found == [list(range(50, 90)), list(range(30))]


def test_a_look_after_a_night_goes_by_what_people_usually_do_in_such_a_time() -> None:
    night = 14 * 60 * MINUTE
    seen = moves(40, gap=night)
    diligent = [START - timedelta(days=day) + number * 15 * MINUTE for day in range(1, 20) for number in range(24)]
    assert usual(diligent, night) == 24
    assert bulk_moves(seen, diligent) == [], "a day's ordinary work"
    assert bulk_moves(seen, diligent[:24:2]) == [list(range(40))], "never so many"
    assert bulk_moves(seen, []) == [list(range(40))], "nobody knows: it is asked"
    assert bulk_moves(moves(MOST_SINGLE, gap=night), []) == []


def test_what_the_server_tells_needs_no_history() -> None:
    told = [Moved(START + number * 15 * MINUTE, START + number * 15 * MINUTE) for number in range(40)]
    assert bulk_moves(told, []) == []
    assert bulk_moves([Moved(START, START)] * 40, [START - number * MINUTE for number in range(5000)])
    assert bulk_moves([Moved(START, None)] * 40, [])


STOOD = Standing(START, members=40, lying=36, agree=3, contradict=0)


@pytest.mark.parametrize(
    "other",
    [
        replace(STOOD, lying=31),
        replace(STOOD, agree=2),
        replace(STOOD, contradict=1),
        replace(STOOD, opened=START + MINUTE),
    ],
)
def test_a_bulk_move_is_believed_only_if_it_stands_and_new_mail_agrees(other: Standing) -> None:
    assert is_believed(STOOD, START + A_WEEK)
    assert not is_believed(other, START + A_WEEK)
