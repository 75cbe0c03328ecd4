"""Nothing is kept longer than the settings say: held every night, before the training, and by `postroom train`.

    identities   not seen to move for identity_keep                                       -> deleted
    lessons      older than max_age, or beyond the newest max_per_folder of a category    -> deleted, for good
    files        named with decisions older than FILES_NAMED, or than max_age              -> their names are deleted
    lessons      from a sender that never_senders lists                                   -> taken back, without text
    bulk moves   that nobody has answered for PATIENCE                                    -> void, without text

What SQLite deletes it overwrites, in its log as well (`daemon.store.database`). What earlier models learnt from it goes
with these models.

What is too old is judged by a clock, and clocks go wrong. So by age nothing is deleted, and each night tells it,

    when the clock stands more than CLOCK_LEAP from the last night that deleted
    when more than half of the lessons would go at once

until NIGHTS_TOLD nights have told it, or a person is sure (`postroom train --delete-old`): what is old goes in the end.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from daemon.privacy.waiting import NIGHTS_TOLD, waiting_words
from daemon.rules.bulk_moves import PATIENCE
from daemon.settings import Settings
from daemon.store import batches, decisions, deletion, learning, mailboxes
from daemon.store import clocks as store
from daemon.store.clocks import Waiting
from daemon.store.database import Database
from daemon.training.never_senders import void_never_senders

log = structlog.get_logger()

CLOCK_LEAP = timedelta(days=60)
"""A machine that was off for longer is looked at like one whose clock is wrong."""
FILES_NAMED = timedelta(days=30)
"""As long as somebody may ask why: these are words of the mail."""
SAME_NIGHT = timedelta(hours=12)
UNANSWERED = f"nobody said for {PATIENCE.days} days that it was meant"
MANY = 20
"""Fewer lessons than these may all go at once: so many are soon taught again."""


@dataclass(frozen=True)
class Deleted:
    """How much went. `waits`: why nothing goes by its age yet, in a sentence for people."""

    lessons: int
    identities: int
    waits: str | None = None


def hold(database: Database, mailbox: int, settings: Settings, now: datetime, *, sure: bool = False) -> Deleted:
    """Delete what the settings no longer want kept of one mailbox. Raises StoreError.

    `sure`: a person says that the clock and the settings are right.
    """
    with database.read() as tx:
        name = mailboxes.name_of(tx, mailbox)
    sorting = settings.sorting_of(name)
    void_never_senders(database, mailbox, sorting, now)
    limits = settings.training
    oldest = now - limits.max_age
    with database.begin() as tx:
        before = store.waiting(tx, mailbox)
        found = waiting_after(before, now, learning.older_than(tx, mailbox, oldest), sure=sure)
        if found != before:
            store.note(tx, mailbox, found)
        believed = found.why is None
        if believed:
            decisions.forget_files_before(tx, mailbox, now - min(limits.max_age, FILES_NAMED))
        lessons = learning.expire(tx, mailbox, oldest if believed else None, limits.max_per_folder)
        identities = deletion.forget_older_than(tx, mailbox, now - sorting.identity_keep) if believed else 0
        unanswered = batches.void_older(tx, mailbox, now - PATIENCE, now, UNANSWERED) if believed else []
    database.scrub()  # also what could not be scrubbed at once
    for batch in unanswered:
        log.warning("bulk-move-void", mailbox=name, batch=batch, status="by itself")
    waits = waiting_words(found)
    if waits is not None and found.told != before.told:  # once a night
        log.warning("old-mail-kept", mailbox=name, problem=waits)
    return Deleted(lessons, identities, waits)


def waiting_after(before: Waiting, now: datetime, lessons: tuple[int, int], *, sure: bool = False) -> Waiting:
    """What waits after this night. If what has grown old may go, nothing does, and the clock is believed.

    `before`: what the night before left. `lessons`: how many are too old by this clock, and how many there are.
    """
    why = None if sure else _doubt(before.believed, now, lessons)
    if why is None:
        return Waiting(now)
    since_told = None if before.told is None else now - before.told
    if since_told is None or since_told < -SAME_NIGHT:
        return Waiting(before.believed, 1, now, why)  # the first night, or the clock was set back meanwhile
    if since_told < SAME_NIGHT:
        return Waiting(before.believed, before.nights, before.told, why)
    return Waiting(now) if before.nights >= NIGHTS_TOLD else Waiting(before.believed, before.nights + 1, now, why)


def _doubt(believed: datetime, now: datetime, lessons: tuple[int, int]) -> str | None:
    leap, (old, all_of_them) = now - believed, lessons
    if abs(leap) > CLOCK_LEAP:
        way = "later" if leap > timedelta() else "earlier"
        return f"the clock says {now:%Y-%m-%d}, {abs(leap).days} days {way} than when old mail was last deleted"
    if old >= MANY and 2 * old > all_of_them:
        return f"{old} of {all_of_them} lessons are older than `max_age` and would go in one night"
    return None


def hold_others(
    database: Database, at_work: Collection[int], settings: Settings, now: datetime, *, sure: bool = False
) -> None:
    """Delete it of the mailboxes that the settings name no more: theirs grows old, too. Raises StoreError."""
    with database.read() as tx:
        known = [mailbox.id for mailbox in mailboxes.everyone(tx)]
    for mailbox in known:
        if mailbox not in at_work:
            hold(database, mailbox, settings, now, sure=sure)
