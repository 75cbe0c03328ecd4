"""When to stop by ourselves: counts and times in, a sentence for people or None out.

    people override unusually often        recent against usual, with enough evidence      -> pause
    the new model is overridden more       its days against the model's before it          -> roll back
    the mailbox looks wrong                emptied, its folders gone, another one behind the same login   -> stop
    no mail for unusually long             against the office's own weekly rhythm          -> alarm

A false alarm costs a person's time, a missed one costs mail. So each wants enough evidence, and none is about a single
folder or a single day.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from math import comb

from daemon.store.records import Filed

RECENT = timedelta(days=3)
USUAL = timedelta(days=30)
LEAST_FILED = 20
LEAST_OVERRIDDEN = 5
TIMES_WORSE = 2.0
LUCK_TO_PAUSE = 0.001
"""Sorting pauses when chance alone gives so many overrides with less than this probability. Low, because it is asked
after every correction."""
LUCK_TO_ROLL_BACK = 0.01
BELIEVED = 20
"""So many messages are taken to have gone as promised before anything has been seen."""

THOUSANDS = 1000
EMPTIED = 0.1
"""What is left of a mailbox that was emptied, at most."""
LEAST_FOLDERS = 3
LEAST_KNOWN = 20
SAME = 0.1
"""The share of known messages that must be found again when all UIDs restarted."""

RHYTHM = timedelta(weeks=8)
LEAST_RHYTHM = timedelta(weeks=2)
LEAST_ARRIVALS = 50
LEAST_MISSED = 8.0
LONGER = 1.5


@dataclass(frozen=True)
class Share:
    """So many of so many filed messages were overridden."""

    overridden: int
    filed: int

    @property
    def rate(self) -> float:
        """The share, from 0 to 1; 0 without any messages."""
        return self.overridden / self.filed if self.filed else 0.0

    def __str__(self) -> str:
        return f"{self.overridden} of {self.filed}"


def share(filed: Sequence[Filed]) -> Share:
    """How many of these filed messages were overridden."""
    return Share(sum(filing.overridden for filing in filed), len(filed))


def by_luck(overridden: int, filed: int, rate: float) -> float:
    """The probability of at least so many overrides by chance, each message at this rate (binomial distribution)."""
    return sum(comb(filed, k) * rate**k * (1 - rate) ** (filed - k) for k in range(overridden, filed + 1))


def overridden_unusually(
    filed: Sequence[Filed], now: datetime, promised: float, since: datetime | None
) -> tuple[Share, Share] | None:
    """(recent, usual) if people override clearly more often than they use to. None: they do not, or who knows.

    `promised`: the share of wrong ones that the owner accepted; it counts until there is a history. `since`: what was
    filed before has been looked at by a person.
    """
    began = now - RECENT
    recent = share([filing for filing in filed if filing.at >= began and (since is None or filing.at >= since)])
    usual = share([filing for filing in filed if began - USUAL <= filing.at < began])
    expected = (usual.overridden + BELIEVED * promised) / (usual.filed + BELIEVED)
    return (recent, usual) if _clearly_more(recent, expected, LUCK_TO_PAUSE) else None


def got_worse(
    filed: Sequence[Filed], current: str, promoted: datetime, now: datetime, since: datetime | None
) -> tuple[Share, Share] | None:
    """(with this model, before it) if people override the current model clearly more often than those before it."""
    began = max(promoted, now - RECENT, since or promoted)
    mine = share([filing for filing in filed if filing.model == current and filing.at >= began])
    before = share([filing for filing in filed if filing.model != current and promoted - USUAL <= filing.at < promoted])
    if before.filed < LEAST_FILED:
        return None
    # Half a message more than were seen, so that a spotless past does not make a single slip unheard of.
    expected = (before.overridden + 0.5) / (before.filed + 1)
    return (mine, before) if _clearly_more(mine, expected, LUCK_TO_ROLL_BACK) else None


def _clearly_more(found: Share, expected: float, luck: float) -> bool:
    return (
        found.filed >= LEAST_FILED
        and found.overridden >= LEAST_OVERRIDDEN
        and found.rate > TIMES_WORSE * expected
        and by_luck(found.overridden, found.filed, expected) < luck
    )


# --- the mailbox


def was_emptied(before: Mapping[str, int], now: Mapping[str, int], watched: Collection[str]) -> bool:
    """Did thousands of messages leave the watched folders, and reach no other folder of the mailbox?

    So neither emptying the trash nor an inbox that goes to the archive every evening counts. Counts of messages by
    folder.
    """
    had, has = (sum(count for folder, count in counts.items() if folder in watched) for counts in (before, now))
    lost = sum(before.values()) - sum(now.values())
    return had >= THOUSANDS and has <= had * EMPTIED and lost >= (had - has) * (1 - EMPTIED)


def are_gone(watched: Mapping[str, tuple[str | None, int]], listed: Mapping[str, tuple[str | None, int]]) -> list[str]:
    """The watched folders that are gone if that is most of them, else nothing. (object id, epoch) by name.

    A folder that was renamed comes back under another name with the same object id or, without one, the same epoch.
    """
    fresh = {mark for name, mark in listed.items() if name not in watched}
    ids, epochs = {object_id for object_id, _ in fresh if object_id}, {epoch for _, epoch in fresh if epoch}
    gone = [
        name
        for name, (object_id, epoch) in watched.items()
        if name not in listed and object_id not in ids and epoch not in epochs
    ]
    return gone if len(gone) >= LEAST_FOLDERS and len(gone) * 2 > len(watched) else []


def vanished_altogether(known: Mapping[str, int], vanished: Mapping[str, int], arrived: int) -> bool:
    """Was the mailbox emptied, where the server counts nothing: did nearly all known messages leave several folders at
    one look?"""
    total, left = sum(known.values()), sum(vanished.values())
    emptied = [folder for folder, count in known.items() if count and vanished.get(folder, 0) >= count * (1 - EMPTIED)]
    return total >= THOUSANDS and left - arrived >= total * (1 - EMPTIED) and len(emptied) > 1


def is_another(known: int, looked_at: int, found_again: int) -> bool:
    """All UIDs restarted: is this another mailbox? `found_again` of the `looked_at` newest messages were known."""
    return known >= LEAST_KNOWN and found_again < SAME * max(min(known, looked_at), LEAST_KNOWN)


# --- silence


def unusual_silence(arrivals: Sequence[datetime], now: datetime, zone: tzinfo | None = None) -> timedelta | None:
    """How long no mail has come, if the office has never waited so long in the last weeks. None: nothing unusual.

    Waiting is measured in mails that usually come by then, by hour and day of the week: a night or a weekend counts
    little, a Monday morning much, and last month's holiday shows how long it can take. `arrivals`: aware, in order.
    """
    known = [arrival for arrival in arrivals if now - RHYTHM <= arrival <= now]
    if len(known) < LEAST_ARRIVALS or known[-1] - known[0] < LEAST_RHYTHM:
        return None
    usual = _Rhythm(known, zone)
    waits = [usual.expected(earlier, later) for earlier, later in pairwise(known)]
    missed = usual.expected(known[-1], now)
    if missed < LEAST_MISSED or missed <= LONGER * max(waits):
        return None
    return now - known[-1]


class _Rhythm:
    """How many mails come in each hour of the week."""

    def __init__(self, known: Sequence[datetime], zone: tzinfo | None) -> None:
        hours = [arrival.astimezone(zone) for arrival in known]
        weeks = (known[-1] - known[0]) / timedelta(weeks=1)
        count = Counter((moment.weekday(), moment.hour) for moment in hours)
        self._zone = zone
        self._rate = {hour: number / weeks for hour, number in count.items()}
        self._marks: list[datetime] = []
        self._sums: list[float] = []
        self._extend(known[0], known[-1] + RHYTHM)

    def _extend(self, start: datetime, end: datetime) -> None:
        """Running sums, hour by hour."""
        at, total = start.replace(minute=0, second=0, microsecond=0), 0.0
        while at <= end:
            self._marks.append(at)
            self._sums.append(total)
            local = at.astimezone(self._zone)
            total += self._rate.get((local.weekday(), local.hour), 0.0)
            at += timedelta(hours=1)

    def expected(self, start: datetime, end: datetime) -> float:
        """How many mails usually come between these two moments."""
        return self._until(end) - self._until(start)

    def _until(self, moment: datetime) -> float:
        index = bisect_right(self._marks, moment) - 1
        if index + 1 >= len(self._marks):
            return self._sums[-1]
        part = (moment - self._marks[index]) / timedelta(hours=1)
        return self._sums[index] + part * (self._sums[index + 1] - self._sums[index])
