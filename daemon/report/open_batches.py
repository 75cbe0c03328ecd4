"""The bulk moves that wait for a person's word: for `corrections --batches`, `status`, and the page.

from daemon.report.open_batches import open_batches, question
for found in open_batches(tx, mailbox): print(question(found))
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from daemon.rules.bulk_moves import PATIENCE
from daemon.store import batches, mailboxes
from daemon.store.database import Tx
from daemon.store.records import Batch

MOST_EXAMPLES = 3
ASK = "postroom corrections --batches"


@dataclass(frozen=True)
class OpenBatch:
    """A bulk move that waits. `category`: what it would teach, by name; None: it was put back into the inbox.

    `examples`: subjects of some of its mail. Not for logs, nor for anything that is sent around.
    """

    batch: Batch
    category: str | None
    examples: tuple[str, ...]

    @property
    def name(self) -> str:
        """As commands take it."""
        return f"B{self.batch.id}"

    @property
    def void_on(self) -> datetime:
        """When it is void by itself, if nobody says anything."""
        return self.batch.opened + PATIENCE


def open_batches(tx: Tx, mailbox: int) -> list[OpenBatch]:
    """What waits in one mailbox, the longest first."""
    names = mailboxes.category_names(tx, mailbox)
    return [
        OpenBatch(
            batch,
            None if batch.category is None else names.get(batch.category, "a removed category"),
            tuple(
                member.text.subject
                for member in batches.members(tx, mailbox, batch=batch.id)
                if member.text is not None and member.text.subject
            )[:MOST_EXAMPLES],
        )
        for batch in batches.batches(tx, mailbox)
    ]


def messages_moved(count: int) -> str:
    """So many messages, as the beginning of a sentence."""
    return "1 message was moved" if count == 1 else f"{count} messages were moved"


def question(found: OpenBatch) -> str:
    """One sentence for people, without a subject or an address."""
    batch = found.batch
    return (
        f"{found.name}: {messages_moved(batch.members)} to {batch.folder} within minutes on "
        f"{batch.opened.astimezone():%d %B}. Meant, or a slip? Nothing is learnt from it until you say so: "
        f"`postroom corrections --accept {found.name}` or `--void {found.name}`."
    )
