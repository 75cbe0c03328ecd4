"""When to do what: times in, a yes or no out.

first look                  the first few mailboxes at once, the others spread over one interval
back-off after trouble      1, 2, 4, ... minutes, with jitter, at most half an hour
whose training first?       who has waited longest
how many side by side?      as many as there are cores and memory for
is a training due?          once a window; later in the day only if the machine slept through it; once more if it was
                            broken off, and at once if a reload did that
when is the next one?       now, or when the window opens again
are we late?                no look for some polls, though the service runs
are we stuck?               no sign of life from any mailbox that should be looked at
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.settings.windows import Window

LEAST_PATIENCE = timedelta(minutes=5)
POLLS_MISSED = 5
POLLED_SLACK = timedelta(minutes=5)
"""How long the time of the last look may lag behind: a pass in which nothing changed need not write it down."""
PASS_GRACE = timedelta(minutes=10)
"""A pass that handles no message for longer than this hangs."""
LONGEST_BACK_OFF = timedelta(minutes=30)
FIRST_HANG_UP, LONGEST_HANG_UP = timedelta(seconds=5), timedelta(minutes=10)
# Outcomes of a training that did not come to its end: the service was stopped, or died.
BROKEN_OFF = ("stopped", "interrupted")
RELOADED = "reloaded"
RELOADS_HEEDED = 10
"""So many trainings in a row that reloads put off are told and no longer made up for at once."""
"""Outcome of a training that was put off because the settings were read again: it begins anew under the new ones."""


def first_look(position: int, mailboxes: int, at_once: int, poll: timedelta) -> timedelta:
    """How long after the start the mailbox at this position, from 0, is first looked at. Those that can be worked on at
    once begin at once. The others follow at even distances, so that the polls of hundreds don't meet in one second."""
    return timedelta() if position < at_once else poll * position / mailboxes


def longest_waiting(attempts: Mapping[str, datetime | None]) -> list[str]:
    """The names by their latest training, the oldest first and those without one before all: where a night is too
    short for everybody, the last of one night are the first of the next."""
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(attempts, key=lambda name: attempts[name] or never)


def trainings_at_once(wanted: int, threads: int, cores: int) -> int:
    """How many trainings may work side by side: no more than wanted, nor than have a core for each of their threads;
    one in any case."""
    return max(1, min(wanted, cores // threads))


def may_begin(working: int, most: int, need_mb: int, free_mb: tuple[int | None, int | None]) -> bool:
    """May one more training begin beside those `working`? `need_mb`: what one takes of memory at most. `free_mb`: what
    was free when none worked, and what is now, for the youngest have not taken yet what they need; None: unknown."""
    at_first, now = free_mb
    enough = (at_first is None or (working + 1) * need_mb <= at_first) and (now is None or need_mb <= now)
    return working == 0 or (working < most and enough)


def back_off(failures: int, first: timedelta, jitter: float, longest: timedelta = LONGEST_BACK_OFF) -> timedelta:
    """How long to wait after the nth failure in a row. `jitter`: a random number from 0 to 1."""
    wait = min(first * int(2 ** min(failures - 1, 16)), longest)
    return wait * (0.75 + 0.5 * jitter)


def after_hang_up(times: int, jitter: float) -> timedelta:
    """How long to wait where the server hung up `times` in a row while we listened. `jitter`: from 0 to 1."""
    return back_off(times, FIRST_HANG_UP, jitter, LONGEST_HANG_UP)


def latest_window(now: datetime, window: Window, *, ended: bool = False) -> tuple[datetime, datetime]:
    """When the latest window opened and closes, in UTC; `ended`: the latest that has closed. `now` in local time."""
    windows = (window_of(now.date() - timedelta(days=back), now.tzinfo, window) for back in range(4))
    return next(span for span in windows if span[ended] <= now)


def window_of(day: date, zone: tzinfo | None, window: Window) -> tuple[datetime, datetime]:
    """When the window of this day opens and closes, in UTC. Of an hour that the clock shows twice the first counts; a
    window in the hour that it leaves out comes right after it, as long as ever."""
    opened = datetime.combine(day, window.start)
    closed = datetime.combine(day if window.end > window.start else day + timedelta(days=1), window.end)
    first, last = (moment.replace(tzinfo=zone).astimezone(UTC) for moment in (opened, closed))
    return first, last if last > first else first + (closed - opened)


def owed(runs: Sequence[tuple[datetime, str | None]]) -> bool:
    """Was the latest training, of (started, outcome), the newest first, put off by a reload? Then it begins at once,
    wherever its window has got to meanwhile; what it comes to ends that."""
    return 0 < _reloaded_in_a_row(runs) < RELOADS_HEEDED


def _reloaded_in_a_row(runs: Sequence[tuple[datetime, str | None]]) -> int:
    return len(list(takewhile(lambda run: run[1] == RELOADED, runs)))


def last_attempt(runs: Sequence[tuple[datetime, str | None]]) -> datetime | None:
    """When the latest training began that counts, of (started, outcome), the newest first, none later than now: a
    clock that was wrong once must not end the training of models (`daemon.store.training.runs` leaves such runs out).

    One that a restart or a power cut broke off is made up for. The second in a row counts: it may be the training
    itself that brings the machine down. One that a reload put off does not count: a person did that. `RELOADS_HEEDED`
    in a row do: then a program reloads again and again, and the training waits for the next window.
    """
    if _reloaded_in_a_row(runs) < RELOADS_HEEDED:
        runs = [run for run in runs if run[1] != RELOADED]
    broken = [outcome in BROKEN_OFF for _, outcome in runs[:2]]
    counting = runs[1:] if broken[:1] == [True] and True not in broken[1:] else runs
    return counting[0][0] if counting else None


def night_is_due(now: datetime, window: Window, last_started: datetime | None, up_since: datetime) -> bool:
    """Is it time to train? `now` in local time. One attempt a window, also if that one was skipped.

    Outside the window only to catch up: when the service was not running at any moment of the last window.
    """
    opened, closed = latest_window(now, window)
    if last_started is not None and last_started >= opened:
        return False
    return now < closed or up_since > closed


def next_night(now: datetime, window: Window, last_started: datetime | None, up_since: datetime) -> datetime:
    """When the service looks next whether there is enough to train on; `now` if it is due. `now` in local time."""
    if night_is_due(now, window, last_started, up_since):
        return now
    return next_opening(now, window)


def next_opening(now: datetime, window: Window) -> datetime:
    """When the window opens next, in UTC; later than `now`, which is in local time."""
    days = (window_of(now.date() + timedelta(days=ahead), now.tzinfo, window)[0] for ahead in range(3))
    return next(opened for opened in days if opened > now)


def patience(poll: timedelta, *, in_trouble: bool) -> timedelta:
    """For how long a mailbox may give no sign of life: `POLLS_MISSED` polls, or as long as a pass may take over one
    message, whichever is longer; and where it is in trouble, the back-off as well."""
    longest = max(PASS_GRACE, POLLS_MISSED * poll)
    return longest + 1.25 * LONGEST_BACK_OFF if in_trouble else longest


def late_by(now: datetime, polled: datetime | None, running_since: datetime, poll: timedelta) -> timedelta | None:
    """How long ago the last look was, if that is too long for a service that runs; None while all is well.

    A service that has just started has as long as one that has just looked.
    """
    # What lies further ahead was written by a clock that was wrong.
    known = [moment for moment in (polled, running_since) if moment is not None and moment <= now + LEAST_PATIENCE]
    if not known:
        return None
    since = now - max(known)
    return since if since > max(LEAST_PATIENCE, POLLS_MISSED * poll) + POLLED_SLACK else None
