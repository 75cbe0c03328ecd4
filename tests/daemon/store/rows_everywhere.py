"""A database in which no table is empty."""

from __future__ import annotations

import contextlib
from pathlib import Path

from connectors.base import Identity, MailText, MessageRef, Move, Sighting
from daemon.store import decisions, journal, learning, mailboxes, messages
from daemon.store.database import Database, Tx
from daemon.store.one_mailbox import rows_of
from daemon.store.tables import metadata
from tests.fakes import START


def fill(path: Path, name: str) -> None:
    """A mailbox with a row in every table that has rows of mailboxes."""
    with contextlib.closing(Database.open(path)) as database, database.begin() as tx:
        box = mailboxes.ensure(tx, name, "imap", "live", START).id
        seen = Sighting(MessageRef("INBOX", 1, 1), Identity(None, f"<1@{name}>", "d", "o"))
        message = messages.add(tx, box, seen, "new", START, None)
        fields = dict.fromkeys(("category", "best", "probability", "runner_up", "runner_up_probability", "model"))
        made = decisions.add(tx, message, START, **fields, source="none", reason="left", mode="live")
        journal.plan(tx, message, seen.ref, Move("Orders"), START, decision=made, kind="sort")
        learning.teach(tx, box, "c1", MailText(body=f"a mail of {name}"), START, source="csv", message=message)
        for table in metadata.sorted_tables:  # whatever is not filled yet, by its foreign keys alone
            put_row(tx, table.name, box, message)


def put_row(tx: Tx, table: str, box: int, message: int) -> None:
    columns = {column.name: column for column in metadata.tables[table].c}
    if not {"mailbox_id", "message_id"} & set(columns) or rows_of(tx, box).get(table):
        return
    values: dict[str, object] = {}
    for column in columns.values():
        if column.name in ("mailbox_id", "message_id"):
            values[column.name] = box if column.name == "mailbox_id" else message
        elif not column.nullable and column.name != "id":
            values[column.name] = "2026-03-02 09:00:00.000000" if "DATE" in str(column.type) else "[]"
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    tx.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
