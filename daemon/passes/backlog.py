"""Mail that lay in the inbox before Postroom came is sorted after all, a few messages a minute, beside what arrives.

    messages that were there and never moved, since a date | a moment for each  ->  the service's looks do the rest

Only what lay there when the mailbox was first met: mail that people put into the inbox later stays theirs. What is
asked for can be taken back as long as its moment has not come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from daemon.passes.decide import Asked, decisions_about
from daemon.passes.desk import Desk
from daemon.passes.read_papers import fetch_read
from daemon.store import mailboxes, messages
from daemon.store.database import Tx
from daemon.store.records import KnownMessage, KnownSighting

BATCH = 50
Show = Callable[[str, int, int], None]
"""(what, done, total): for a progress bar."""


@dataclass(frozen=True)
class Asking:
    """What was asked for: so many messages, the last of them at `until`; `more`: so many are left for another time."""

    messages: int
    more: int
    until: datetime | None


def ask(desk: Desk, since: datetime, limit: int) -> Asking:
    """Have the newest `limit` of those that arrived since then sorted. Raises StoreError."""
    now = desk.clock()
    apart = timedelta(minutes=1) / max(1, desk.sorting.max_moves_per_minute // 3)
    with desk.database.begin() as tx:
        found = _lying(tx, desk, since)
        for number, (known, _) in enumerate(found[:limit]):
            messages.set_state(tx, known.id, "new", due=now + number * apart)
    taken = len(found[:limit])
    return Asking(taken, len(found) - taken, now + (taken - 1) * apart if taken else None)


def take_back(desk: Desk) -> int:
    """Leave what was asked for and has not been sorted yet. Returns how many messages. Raises StoreError."""
    with desk.database.begin() as tx:
        return messages.leave_there_before(tx, desk.mailbox_id, desk.settings.inbox, _came(tx, desk))


def would(desk: Desk, since: datetime, limit: int, show: Show | None = None) -> tuple[Counter[str], int]:
    """What would become of them: by the category's name, "" for what stays; and how many are left for another time.

    Raises ConnectorError, EngineError, StoreError.
    """
    with desk.database.read() as tx:
        found = _lying(tx, desk, since)
    chosen = found[:limit]
    told: Counter[str] = Counter()
    for start in range(0, len(chosen), BATCH):
        told += _decided(desk, chosen[start : start + BATCH])
        if show is not None:
            show("messages", min(start + BATCH, len(chosen)), len(chosen))
    return told, len(found) - len(chosen)


def _decided(desk: Desk, some: Sequence[tuple[KnownMessage, KnownSighting]]) -> Counter[str]:
    places = {place.ref: known for known, place in some}
    asked = [
        Asked(read.message, replace(places[read.message.sighting.ref], state="new"))
        for read in fetch_read(desk, list(places))
    ]
    decided = decisions_about(desk, asked)
    names = {uid: category.name for uid, category in decided.policy.categories.items()}
    return Counter(names.get(decision.category or "", "") for decision in decided.made)


def _lying(tx: Tx, desk: Desk, since: datetime) -> list[tuple[KnownMessage, KnownSighting]]:
    """The newest first."""
    found = messages.there_before(tx, desk.mailbox_id, desk.settings.inbox, _came(tx, desk), "existing")
    return [(known, place) for known, place in found if known.arrived is not None and known.arrived >= since]


def _came(tx: Tx, desk: Desk) -> datetime:
    return mailboxes.get(tx, desk.mailbox_id).created
