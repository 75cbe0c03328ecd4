"""What is old and has not been deleted, in words: what the nights found (`daemon.privacy.retention`)."""

from __future__ import annotations

from daemon.store.clocks import Waiting, waiting
from daemon.store.database import Tx

NIGHTS_TOLD = 14
"""For so many nights a person may put it right: a holiday."""


def waiting_words(found: Waiting) -> str | None:
    """What waits and what to do, for people; None: nothing waits."""
    if found.why is None:
        return None
    return (
        f"Nothing is deleted by its age: {found.why}. Correct the clock (`date`) or the settings. If both are right, "
        "`postroom train --delete-old` deletes it now (with several mailboxes, `--mailbox NAME`). Without that it goes "
        f"by itself once this has been told in {NIGHTS_TOLD} nights; it was in {found.nights}."
    )


def waiting_in(tx: Tx, mailbox: int) -> str | None:
    """What waits in one mailbox, as its last night left it, in words."""
    return waiting_words(waiting(tx, mailbox))
