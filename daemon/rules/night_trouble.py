"""What is wrong with the nightly trainings of a mailbox: the runs, the window and the time in, a sentence out.

    failed      the last training failed: its reason
    in vain     the last trainings were broken off or failed, one after the other: how many, and the reason
    missed      a window has gone by in which no training began, though there was enough to learn

A night that kept its model because the new one was no better was a good one: the exam did its work. One training that
was broken off is no trouble yet, because it is made up for; after the second in a row the night is given up
(`daemon.rules.schedule`). One that a reload put off is nobody's trouble. What failed is told until a training comes to
its end, or until a night finds too little to learn: then nothing waits for it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from daemon.rules.schedule import BROKEN_OFF, RELOADED, RELOADS_HEEDED, latest_window
from daemon.store.records import INTERRUPTED, TrainingRun

if TYPE_CHECKING:
    from daemon.settings.windows import Window

IN_VAIN = 2


@dataclass(frozen=True)
class NightTrouble:
    """What is wrong with the trainings of one mailbox, since when, and in words for people."""

    kind: Literal["failed", "in vain", "missed"]
    since: datetime
    words: str


def night_trouble(
    runs: Sequence[TrainingRun],
    window: Window,
    now: datetime,
    *,
    known_since: datetime,
    fresh: int,
    wanted: int,
    at_work: bool,
) -> NightTrouble | None:
    """None while all is well. `now`: in local time.

    `runs`: the newest first, none later than now. `known_since`: when the mailbox was met first.
    `fresh`, `wanted`: how many lessons are new, and how many it takes.
    `at_work`: does a training work now? It may be the one that is missed.
    """
    ended = runs[1:] if at_work and runs and runs[0].outcome is None else runs
    if fresh < wanted:
        ended = list(takewhile(lambda run: run.outcome != "skipped", ended))
    reloaded = len(list(takewhile(lambda run: run.outcome == RELOADED, ended)))
    if reloaded >= RELOADS_HEEDED:
        words = (
            f"{reloaded} trainings in a row were put off because the service was told to reload, since "
            f"{_local(ended[reloaded - 1].started, now)}. Reload it less often than a training takes."
        )
        return NightTrouble("in vain", ended[reloaded - 1].started, words)
    tried = [run for run in ended if run.outcome not in ("skipped", RELOADED)]
    fruitless = list(takewhile(lambda run: run.outcome in (None, "failed", *BROKEN_OFF), tried))
    why = next((run.verdict for run in fruitless if run.outcome == "failed"), None)
    if len(fruitless) >= IN_VAIN:
        since = fruitless[-1].started
        last = why or fruitless[0].verdict or INTERRUPTED
        words = f"{len(fruitless)} trainings in a row have come to nothing, since {_local(since, now)}. {last}"
        return NightTrouble("in vain", since, words)
    if fruitless and why:
        since = fruitless[0].started
        return NightTrouble("failed", since, f"the training of {_local(since, now)} failed. {why}")
    return None if at_work else _missed(runs, window, now, known_since, fresh, wanted)


def _missed(
    runs: Sequence[TrainingRun], window: Window, now: datetime, known_since: datetime, fresh: int, wanted: int
) -> NightTrouble | None:
    opened, closed = latest_window(now, window, ended=True)
    # Since the day before, not since it opened: the window may have been moved meanwhile.
    if fresh < wanted or known_since >= opened or any(run.started > closed - timedelta(days=1) for run in runs):
        return None
    words = (
        f"no training began in the window that closed {_local(closed, now)}, though {fresh} lessons are new. Postroom "
        "did not run, the machine slept, or the trainings of other mailboxes took all of it: then a longer "
        "`[training] window` helps. `postroom train` trains now."
    )
    return NightTrouble("missed", closed, words)


def _local(moment: datetime, now: datetime) -> str:
    return f"{moment.astimezone(now.tzinfo):%Y-%m-%d %H:%M}"
