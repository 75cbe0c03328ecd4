"""Which moves are parts of a bulk move, and when one that waits for a person's word is believed without it.

    more than MOST_SINGLE moves of one kind within WINDOW        a bulk move: it is asked about before it teaches
    as many, seen by the first look after a long time            one only if that is twice what people usually move then

The kind is the place where the mail was put, and who did it where the server tells. From where it came does not
matter: what a search has found is dragged from many folders at once. That a day's work is seen in one look says
nothing about how fast it was done. Where the server tells when mail was put somewhere, nothing has to be guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_SINGLE = 25
"""So many within WINDOW may be single moves: one every 24 seconds, each of them looked at."""
WINDOW = timedelta(minutes=10)
HISTORY = timedelta(days=30)
TIMES_USUAL = 2

A_WEEK = timedelta(days=7)
PATIENCE = timedelta(days=60)
"""What nobody has confirmed by then teaches nothing."""
STANDS = 0.8
"""The share that must still lie where it was put."""
LEAST_AGREEING = 3


@dataclass(frozen=True)
class Moved:
    """A person put one message somewhere: at `moment`, and after `since`. None: nobody had looked before."""

    moment: datetime
    since: datetime | None

    @property
    def late(self) -> bool:
        """Was it seen so late that the moment says little?"""
        return self.since is not None and self.moment - self.since > WINDOW


def bulk_moves(moves: Sequence[Moved], history: Sequence[datetime]) -> list[list[int]]:
    """The bulk moves among these moves of one kind, each as places in the row, the earliest first.

    `history`: when people made single moves of this kind in the time before.
    """
    found = _within_minutes(moves)
    looks: dict[Moved, list[int]] = defaultdict(list)
    for place, move in enumerate(moves):
        if move.late:
            looks[move].append(place)
    for move, places in looks.items():
        since = move.since or move.moment
        if len(places) > max(MOST_SINGLE, TIMES_USUAL * usual(history, move.moment - since)):
            found.append(places)
    return sorted(found, key=lambda places: moves[places[0]].moment)


def _within_minutes(moves: Sequence[Moved]) -> list[list[int]]:
    """Whatever lies within some WINDOW together with more than MOST_SINGLE, in runs without a longer lull."""
    order = sorted((place for place, move in enumerate(moves) if not move.late), key=lambda place: moves[place].moment)
    moments = [moves[place].moment for place in order]
    runs: list[list[int]] = []
    taken = 0
    for first, moment in enumerate(moments):
        beyond = bisect_right(moments, moment + WINDOW)
        if beyond - first <= MOST_SINGLE:
            continue
        if taken <= first:
            runs.append([])
            taken = first
        runs[-1] += order[taken:beyond]
        taken = beyond
    return runs


def usual(history: Sequence[datetime], span: timedelta) -> int:
    """The most moves that were made within any time so long."""
    moments = sorted(history)
    return max((bisect_right(moments, moment + span) - place for place, moment in enumerate(moments)), default=0)


@dataclass(frozen=True)
class Standing:
    """How a bulk move that waits has fared: so many `members`, of which so many still lie where they were put; so many
    later words of people about mail like it that `agree` or `contradict`."""

    opened: datetime
    members: int
    lying: int
    agree: int
    contradict: int


def is_believed(standing: Standing, now: datetime) -> bool:
    """Has it stood a week, with new mail agreeing?"""
    return (
        now - standing.opened >= A_WEEK
        and standing.lying >= STANDS * standing.members
        and standing.agree >= LEAST_AGREEING
        and not standing.contradict
    )
