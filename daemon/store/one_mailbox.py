"""All rows of one mailbox: how many there are, and their end."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, delete, func, select

from daemon.store import tables as t
from daemon.store.database import Tx, scrub_after


def rows_of(tx: Tx, mailbox: int) -> dict[str, int]:
    """How many rows every table has of the mailbox, by the table's name; those that have some."""
    counted = {
        table.name: int(tx.execute(select(func.count()).select_from(table).where(which)).scalar_one())
        for table, which in _tables(mailbox)
    }
    return {name: count for name, count in counted.items() if count}


def delete_mailbox(tx: Tx, mailbox: int) -> None:
    """Delete every row of the mailbox, and the mailbox: the next look meets it for the first time."""
    for table, which in _tables(mailbox):
        tx.execute(delete(table).where(which))
    tx.execute(delete(t.mailboxes).where(t.mailboxes.c.id == mailbox))
    scrub_after(tx)


def _tables(mailbox: int) -> list[tuple[Table, ColumnElement[bool]]]:
    """Every table with rows of a mailbox, what refers to another before that, and which rows are the mailbox's."""
    theirs = select(t.messages.c.id).where(t.messages.c.mailbox_id == mailbox)
    found = []
    for table in reversed(t.metadata.sorted_tables):
        if "mailbox_id" in table.c:
            found.append((table, table.c.mailbox_id == mailbox))
        elif "message_id" in table.c:
            found.append((table, table.c.message_id.in_(theirs)))
    return found
