"""How much is held of one mailbox, kind by kind, and since when: for the record of processing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, func, select

from daemon.store import tables as t
from daemon.store.database import Tx


@dataclass(frozen=True)
class Held:
    """So many of a kind; `oldest`: None where there is none."""

    count: int
    oldest: datetime | None


def held(tx: Tx, mailbox: int) -> dict[str, Held]:
    """By kind: lessons, waiting (texts in bulk moves), identities, decisions, files (decisions with names of files),
    actions, corrections."""
    waits, lesson = t.corrections.c.text.is_not(None), t.lessons.c
    counted = {
        "lessons": _counted(lesson.at, lesson.mailbox_id == mailbox, lesson.voided.is_(None)),
        "waiting": _of_messages(t.corrections.c.at, mailbox, waits),
        "identities": _counted(t.messages.c.first_seen, t.messages.c.mailbox_id == mailbox),
        "decisions": _of_messages(t.decisions.c.at, mailbox),
        "files": _of_messages(t.decisions.c.at, mailbox, t.decisions.c.files.is_not(None)),
        "actions": _of_messages(t.actions.c.planned, mailbox),
        "corrections": _of_messages(t.corrections.c.at, mailbox),
    }
    found = {}
    for kind, question in counted.items():
        count, oldest = tx.execute(question).one()
        found[kind] = Held(count, oldest)
    return found


def _counted(moment: Column[Any], *where: ColumnElement[bool]) -> Select[int, Any]:
    return select(func.count(), func.min(moment)).select_from(moment.table).where(*where)


def _of_messages(moment: Column[Any], mailbox: int, *where: ColumnElement[bool]) -> Select[int, Any]:
    message = moment.table.c.message_id
    joined = moment.table.join(t.messages, t.messages.c.id == message)
    return select(func.count(), func.min(moment)).select_from(joined).where(t.messages.c.mailbox_id == mailbox, *where)
