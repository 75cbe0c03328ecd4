"""What became of decisions: evidence for thresholds, and never a lesson.

A filing is confirmed when somebody has read the message since and left it there, or left its tag on, or carried it on
to the archive.
Decisions with a known outcome (confirmed, corrected, filed by hand) are points beside those of the exam.

Lessons come from mail that was left or filed wrongly, so held-out lessons are harder than the mail that arrives, and
thresholds from them alone grow too careful from night to night. What people read where we had put it, and left
there, is a weak "yes": not enough to learn from, since nobody chose that folder, but it counts as often as a "no" does.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import structlog

from connectors.base import MessageRef
from connectors.errors import ActionRefused, FolderMissing
from daemon.passes.desk import Desk
from daemon.store import mailboxes, outcomes
from daemon.training.policy import WITHIN

log = structlog.get_logger()

# How deep a folder is looked into for what was read.
DEPTH = 500
EVERY = timedelta(hours=6)
READ = frozenset({"\\seen", "\\answered", "\\flagged"})


def confirm_now_and_then(desk: Desk) -> None:
    """`confirm`, a few times a day: it reads the flags of whole folders. Raises ConnectorError."""
    every = min(EVERY, desk.sorting.confirm_after)
    if desk.confirmed is None or abs(desk.clock() - desk.confirmed) >= every:
        confirm(desk)
        desk.confirmed = desk.clock()


def confirm(desk: Desk) -> int:
    """Note which filings people have read and left in place. Looks at flags, never at mail. Raises ConnectorError."""
    now = desk.clock()
    with desk.database.read() as tx:
        present = {folder.name for folder in mailboxes.folders(tx, desk.mailbox_id) if folder.missing_since is None}
        until = now - desk.sorting.confirm_after
        filings = [
            filing
            for filing in outcomes.unconfirmed(tx, desk.mailbox_id, now - WITHIN, until)
            if filing.folder in present  # mail vanishes with a folder, which says nothing about the mail
        ]
    confirmed = [filing.decision for filing in filings if filing.place is None]  # carried on from there: dealt with
    for folder in sorted({filing.folder for filing in filings if filing.place is not None}):
        flags: dict[MessageRef, frozenset[str]] = {}
        with suppress(FolderMissing, ActionRefused):  # gone since, or not to be looked into: the next time
            for sighting in desk.connector.newest(folder, DEPTH):
                flags[sighting.ref] = frozenset(flag.lower() for flag in sighting.flags)
        read = {ref: carried for ref, carried in flags.items() if READ & carried}
        confirmed += [
            filing.decision for filing in filings if filing.place in read and filing.tags <= read[filing.place]
        ]
    if confirmed:
        with desk.database.begin() as tx:
            outcomes.confirm(tx, confirmed, now)
        log.info("confirmed", mailbox=desk.settings.name, count=len(confirmed))
    return len(confirmed)
