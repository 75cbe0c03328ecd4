"""Nothing is kept longer than the settings say: held every night, before the training, and by `postroom train`.

    identities   not seen to move for identity_keep                                       -> deleted
    lessons      older than max_age, or beyond the newest max_per_folder of a category    -> deleted, for good
    lessons      from a sender that never_senders lists                                   -> taken back, without text

What SQLite deletes it overwrites, in its log as well (`daemon.store.database`). What earlier models learnt from it goes
with these models.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from daemon.decide import is_from, shown_in
from daemon.lessons import each_lesson
from daemon.settings import Settings
from daemon.store import deletion, learning, mailboxes
from daemon.store.database import Database


@dataclass(frozen=True)
class Deleted:
    """How much went."""

    lessons: int
    identities: int


def hold(database: Database, mailbox: int, settings: Settings, now: datetime) -> Deleted:
    """Delete what the settings no longer want kept of one mailbox. Raises StoreError."""
    void_never_senders(database, mailbox, settings, now)
    with database.begin() as tx:
        limits = settings.training
        lessons = learning.expire(tx, mailbox, now - limits.max_age, limits.max_per_folder)
        identities = deletion.forget_older_than(tx, mailbox, now - settings.sorting.identity_keep)
    database.scrub()  # also what could not be scrubbed at once
    return Deleted(lessons, identities)


def hold_others(database: Database, at_work: Collection[int], settings: Settings, now: datetime) -> None:
    """The same for the mailboxes that the settings name no more: theirs grows old, too. Raises StoreError."""
    with database.read() as tx:
        known = [mailbox.id for mailbox in mailboxes.everyone(tx)]
    for mailbox in known:
        if mailbox not in at_work:
            hold(database, mailbox, settings, now)


def void_never_senders(database: Database, mailbox: int, settings: Settings, now: datetime) -> None:
    """What was learnt from senders before they were listed teaches nothing any more. Raises StoreError."""
    rules = settings.sorting.never_senders
    if rules:
        theirs = [each.id for each in each_lesson(database, mailbox) if is_from(shown_in(each.text.sender), rules)]
        with database.begin() as tx:
            learning.void_lessons(tx, theirs, now)
