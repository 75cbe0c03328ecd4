"""When a person has to hear of the nights: failed, in vain, missed. And when the service is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from daemon.rules.night_trouble import NightTrouble, night_trouble
from daemon.rules.schedule import POLLED_SLACK, RELOADS_HEEDED, late_by, next_night
from daemon.settings.windows import Window
from daemon.store.records import TrainingRun

NIGHT = Window.parse("01:00-05:00")
OUTCOMES = ("promoted", "kept", "nothing", "skipped", "failed", "stopped", "interrupted", None)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


NOON, LONG_AGO = at(9, 12), at(1, 12)


def run(day: int, outcome: str | None, verdict: str | None = None, hour: int = 1) -> TrainingRun:
    ended = None if outcome is None else at(day, hour, 20)
    return TrainingRun(day, at(day, hour), ended, outcome, verdict, 100, 100)


def judged(
    *runs: TrainingRun,
    now: datetime = NOON,
    known_since: datetime = LONG_AGO,
    fresh: int = 0,
    at_work: bool = False,
    window: Window = NIGHT,
) -> NightTrouble | None:
    """Runs in the order in which they were; the rule wants the newest first."""
    return night_trouble(runs[::-1], window, now, known_since=known_since, fresh=fresh, wanted=5, at_work=at_work)


def kind(trouble: NightTrouble | None) -> str | None:
    return None if trouble is None else trouble.kind


def test_a_training_that_came_to_its_end_is_no_trouble() -> None:
    for outcome in ("promoted", "kept", "nothing"):
        assert judged(run(8, "failed", "why"), run(9, outcome)) is None
    assert judged() is None


def test_a_failed_training_is_told_with_its_reason_until_one_comes_to_its_end() -> None:
    told = judged(run(8, "promoted"), run(9, "failed", "The disk is full. Make room there."))
    assert told == NightTrouble(
        "failed", at(9, 1), "the training of 2026-03-09 01:00 failed. The disk is full. Make room there."
    )
    skipped = judged(run(8, "failed", "The disk is full."), run(9, "skipped"), fresh=5)
    assert skipped is not None
    assert "2026-03-08" in skipped.words
    assert "disk" in skipped.words


def test_a_failure_is_no_longer_told_when_a_later_night_found_too_little_to_learn() -> None:
    two = run(7, "failed", "The disk is full."), run(8, "failed", "The disk is full.")
    assert kind(judged(*two)) == "in vain"
    assert judged(*two, run(9, "skipped"), fresh=4) is None
    assert kind(judged(two[0], run(8, "skipped"), run(9, "failed", "why"))) == "failed", "one since then"


def test_a_training_that_a_reload_put_off_is_nobodys_trouble() -> None:
    reloads = [run(9, "reloaded", "Put off.", hour=hour) for hour in range(RELOADS_HEEDED)]
    assert judged(*reloads[1:]) is None
    again_and_again = judged(*reloads)
    assert again_and_again is not None, "no person does that"
    assert "Reload it less often than a training takes" in again_and_again.words
    told = judged(run(8, "failed", "why"), run(9, "reloaded", "Put off."), run(9, "failed", "why", hour=2))
    assert told is not None
    assert "2 trainings in a row" in told.words


def test_no_window_is_missed_that_was_moved_after_the_nights_training() -> None:
    for moved in ("02:00-03:00", "10:00-11:00"):
        assert judged(run(9, "promoted"), fresh=5, now=at(9, 12), window=Window.parse(moved)) is None
        assert kind(judged(run(8, "promoted"), fresh=5, now=at(9, 12), window=Window.parse(moved))) == "missed"


def test_one_broken_off_is_made_up_for_and_the_second_in_a_row_is_told() -> None:
    for outcome in ("stopped", "interrupted"):
        assert judged(run(9, outcome, "Broken off.")) is None
        told = judged(run(8, "kept"), run(9, outcome, "Broken off."), run(9, outcome, "Broken off.", hour=2))
        assert told == NightTrouble(
            "in vain", at(9, 1), "2 trainings in a row have come to nothing, since 2026-03-09 01:00. Broken off."
        )


def test_nights_in_vain_are_counted_and_say_why_they_failed() -> None:
    told = judged(
        run(6, "promoted"), *(run(day, "failed", f"why {day}") for day in (7, 8)), run(9, "interrupted", "cut")
    )
    assert told == NightTrouble(
        "in vain", at(7, 1), "3 trainings in a row have come to nothing, since 2026-03-07 01:00. why 8"
    )


def test_a_run_without_an_end_was_interrupted_unless_it_works_now() -> None:
    two = (run(9, None), run(9, None, hour=2))
    assert kind(judged(*two)) == "in vain"
    assert judged(*two, at_work=True) is None
    assert kind(judged(run(8, "failed", "why"), run(9, None), at_work=True)) == "failed", "it is not better yet"


def test_a_window_without_a_training_is_missed_if_there_was_enough_to_learn() -> None:
    last = run(8, "promoted")
    told = judged(last, fresh=5)
    assert kind(told) == "missed"
    assert told is not None
    assert told.since == at(9, 5)
    assert "2026-03-09 05:00, though 5 lessons are new" in told.words
    assert judged(last, fresh=4) is None, "nothing worth a training"
    assert judged(last, run(9, "skipped"), fresh=5) is None, "there was nothing to learn then"
    assert judged(last, fresh=5, at_work=True) is None, "it is being made up for"
    assert judged(fresh=5, known_since=at(9, 6)) is None, "the mailbox is newer than that night"
    assert kind(judged(fresh=5)) == "missed"


def test_a_window_is_missed_only_when_it_has_closed() -> None:
    assert judged(run(8, "promoted"), fresh=5, now=at(9, 4, 59)) is None
    assert kind(judged(run(8, "promoted"), fresh=5, now=at(9, 5))) == "missed"
    late = Window.parse("22:00-04:00")
    assert judged(run(8, "promoted", hour=22), fresh=5, now=at(9, 12), window=late) is None
    assert kind(judged(run(7, "promoted", hour=22), fresh=5, now=at(9, 12), window=late)) == "missed"


def test_times_are_told_by_the_clock_of_the_office() -> None:
    here = at(9, 12).astimezone(datetime.fromisoformat("2026-03-09T12:00+01:00").tzinfo)
    told = judged(run(9, "failed", "why"), now=here)
    assert told is not None
    assert "2026-03-09 02:00" in told.words


@given(st.lists(st.sampled_from(OUTCOMES), max_size=6), st.integers(0, 9), st.booleans())
def test_whatever_happened_it_is_judged_and_a_good_end_silences(
    outcomes: list[str | None], fresh: int, at_work: bool
) -> None:
    runs = [run(3 + number, outcome, "why") for number, outcome in enumerate(outcomes)]
    told = judged(*runs, fresh=fresh, at_work=at_work)
    if told is not None:
        assert told.words[-1] in ".y"
        assert told.since <= at(9, 12)
    assert kind(judged(*runs, run(9, "promoted", hour=2), fresh=fresh, at_work=at_work)) is None


def test_the_next_training_is_now_or_when_the_window_opens_again() -> None:
    up = at(1, 0)
    assert next_night(at(2, 2), NIGHT, at(1, 1), up) == at(2, 2)
    assert next_night(at(2, 2), NIGHT, at(2, 1), up) == at(3, 1)
    assert next_night(at(2, 12), NIGHT, None, up) == at(3, 1)
    assert next_night(at(2, 0, 30), NIGHT, None, up) == at(2, 1)
    assert next_night(at(2, 12), NIGHT, None, up_since=at(2, 11)) == at(2, 12), "made up for"


def test_a_service_is_late_when_its_last_look_is_some_polls_ago() -> None:
    minute, now, up = timedelta(minutes=1), at(2, 12), at(1, 12)
    allowed = timedelta(minutes=5) + POLLED_SLACK
    assert late_by(now, now - allowed, up, minute) is None
    assert late_by(now, now - allowed - minute, up, minute) == allowed + minute
    assert late_by(now, now - allowed - minute, now - minute, minute) is None, "it has just been started"
    assert late_by(now, None, up, minute) == timedelta(days=1)
    assert late_by(now, now - timedelta(hours=3), up, timedelta(hours=1)) is None, "it looks once an hour"
    assert late_by(now, now + minute, up, minute) is None, "clocks are put right by a little every day"
    assert late_by(now, now + timedelta(days=1), up, minute) == timedelta(days=1), "that look was never, by this clock"
    assert late_by(now, now + timedelta(days=1), now + timedelta(days=1), minute) is None
