"""What was learnt from a sender before `never_senders` named it."""

from __future__ import annotations

from datetime import datetime

from daemon.rules.addresses import fits_one, shown_in
from daemon.settings import SortingSettings
from daemon.store import batches, learning
from daemon.store.database import Database


def void_never_senders(database: Database, mailbox: int, sorting: SortingSettings, now: datetime) -> None:
    """What was learnt from senders before they were listed teaches nothing any more. Raises StoreError."""
    rules = sorting.never_senders
    if rules:
        theirs = [
            lesson.id
            for lesson in learning.every_lesson(database, mailbox, as_filed=True)
            if fits_one(shown_in(lesson.text.sender), rules)
        ]
        with database.begin() as tx:
            learning.void_lessons(tx, theirs, now)
            for member in batches.members(tx, mailbox):
                if member.text is not None and fits_one(shown_in(member.text.sender), rules):
                    learning.withdraw(tx, member.correction, now)
