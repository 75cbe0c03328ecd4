"""Request Tracker's history, read as moves. Pure: no server, no clock.

queue changes | ours left out | one move a ticket | sightings and vanished refs
ids listed so far | high water | where the next look begins
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.base import MessageRef, Watch

# A database hands out ids before it commits: id 10 may become visible after 11. So each look begins a little below the
# highest id seen, and the mark remembers which ids there were seen.
TICKETS_BACK = 50
CHANGES_BACK = 500

AUTOMATION = frozenset({"rt_system"})
"""Who runs RT's own scrips."""


@dataclass(frozen=True)
class HighWater:
    """How far a growing list of ids was read: the highest, and which of those just below it were seen."""

    last: int = 0
    recent: frozenset[int] = frozenset()

    def start(self, back: int) -> int:
        """Look at ids above this one."""
        return max(0, self.last - back)

    def advance(self, listed: Iterable[int], back: int, also: Iterable[int] = ()) -> HighWater:
        """The mark after `listed` was read. `also` were met elsewhere: remembered, but they don't raise the mark."""
        listed = frozenset(listed)
        last = max(self.last, *listed, 0)
        return HighWater(last, frozenset(one for one in self.recent.union(listed, also) if one > last - back))


@dataclass(frozen=True)
class Cursor:
    """Where the last look ended: tickets of the inbox, and changes of queue anywhere."""

    tickets: HighWater
    changes: HighWater

    def dump(self) -> str:
        """The cursor as text: the same for the same marks."""
        marks = {"tickets": self.tickets, "changes": self.changes}
        return json.dumps({name: [mark.last, *sorted(mark.recent)] for name, mark in marks.items()})

    @staticmethod
    def load(text: str | None) -> Cursor | None:
        """What `dump` wrote; None for anything else."""
        try:
            saved = json.loads(text or "null")
            marks = [saved["tickets"], saved["changes"]]
            if not all(type(number) is int for mark in marks for number in mark):
                return None
            tickets, changes = (HighWater(mark[0], frozenset(mark[1:])) for mark in marks)
        except (ValueError, TypeError, LookupError, RecursionError):
            return None
        return Cursor(tickets, changes)


@dataclass(frozen=True)
class QueueChange:
    """One line of RT's history: a ticket went to another queue (both by id), or out of sight if `new` is None."""

    id: int
    ticket: int
    old: int | None
    new: int | None
    by: str
    at: datetime


@dataclass(frozen=True)
class FieldChange:
    """One line of RT's history: a custom field of a ticket got or lost a value."""

    id: int
    ticket: int
    field: int
    by: str


@dataclass(frozen=True)
class TicketMove:
    """What others did to the place of one ticket since the last look. `by` is None if automation had the last word."""

    ticket: int
    queue: int | None
    by: str | None
    at: datetime


def others_moves(changes: Iterable[QueueChange], own: str, automation: Collection[str] = ()) -> list[TicketMove]:
    """What people and automation did, one move a ticket: from its first queue to its last.

    Our own changes are left out: the journal knows them. A ticket that was moved and moved back has not moved. RT does
    not distinguish users by case.
    """
    ours, machines = own.casefold(), AUTOMATION | {name.casefold() for name in automation}
    steps: dict[int, list[QueueChange]] = {}
    for change in sorted(changes, key=lambda change: change.id):
        if change.by.casefold() != ours:
            steps.setdefault(change.ticket, []).append(change)
    moves = []
    for ticket, (first, *more) in steps.items():
        last = more[-1] if more else first
        if last.new is None or last.new != first.old:
            person = None if last.by.casefold() in machines else last.by
            moves.append(TicketMove(ticket, last.new, person, last.at))
    return moves


def last_taggers(changes: Iterable[FieldChange], field: Mapping[int, int]) -> dict[int, str]:
    """Who changed the field of each ticket last. `field`: the field's number, by ticket; others mean nothing."""
    ordered = sorted(changes, key=lambda change: change.id)
    return {one.ticket: one.by for one in ordered if field.get(one.ticket) == one.field}


def last_changes(changes: Iterable[QueueChange]) -> dict[int, QueueChange]:
    """The newest of these changes for each ticket."""
    return {change.ticket: change for change in sorted(changes, key=lambda change: change.id)}


def is_person(name: str, own: str, automation: Collection[str] = ()) -> bool:
    """Neither our own user, nor RT itself, nor the office's automation."""
    return name.casefold() not in {own.casefold(), *AUTOMATION, *(user.casefold() for user in automation)}


def vanished_refs(moves: Iterable[TicketMove], queue_names: Mapping[int, str], watch: Watch) -> tuple[MessageRef, ...]:
    """The places where we know a ticket that lies elsewhere now."""
    return tuple(
        sorted(
            MessageRef(folder, 0, move.ticket)
            for move in moves
            for folder, known in watch.known.items()
            if move.ticket in known and folder != queue_names.get(move.queue or 0)
        )
    )
