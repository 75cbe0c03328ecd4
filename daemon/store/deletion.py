"""Messages that are forgotten, with all that was recorded of them: by age, or because somebody asked for it.

The lessons they taught are lessons without a message then, and go by themselves (`daemon.store.learning`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, delete, func, select, update

from daemon.store import tables as t
from daemon.store.database import Tx, scrub_after

_CHUNK = 500  # SQLite allows some 32,000 variables a statement; stay far below


def forget_older_than(tx: Tx, mailbox: int, moment: datetime) -> int:
    """Drop messages last seen before `moment`; what they taught stays, without them. Returns how many."""
    last_seen = (
        select(func.max(t.sightings.c.seen)).where(t.sightings.c.message_id == t.messages.c.id).scalar_subquery()
    )
    return _delete(tx, (t.messages.c.mailbox_id == mailbox) & (last_seen < moment))


def names(tx: Tx, mailbox: int) -> list[tuple[int, str]]:
    """(message, Message-ID) of all that have one."""
    m = t.messages.c
    rows = tx.execute(select(m.id, m.rfc_id).where(m.mailbox_id == mailbox, m.rfc_id.is_not(None)))
    return [(row.id, row.rfc_id) for row in rows]


def with_copies(tx: Tx, mailbox: int, ids: Iterable[int]) -> set[int]:
    """These messages and every other copy of the same mails."""
    m, wanted = t.messages.c, sorted(set(ids))
    found = set(wanted)
    for start in range(0, len(wanted), _CHUNK):
        origins = select(m.origin).where(m.id.in_(wanted[start : start + _CHUNK]), m.origin.is_not(None))
        found.update(tx.execute(select(m.id).where(m.mailbox_id == mailbox, m.origin.in_(origins))).scalars())
    return found


def forget(tx: Tx, mailbox: int, ids: Sequence[int], holds: Callable[[str | None], bool]) -> int:
    """Delete these messages with all that was recorded of them, and whatever else names them or somebody whom `holds`
    knows: as the beginning of a thread, as who moved something. Returns how many stay, in the middle of a move."""
    m, lesson = t.messages.c, t.lessons.c
    gone: set[str | None] = set()
    stay = 0
    for start in range(0, len(ids), _CHUNK):
        chunk = m.id.in_(ids[start : start + _CHUNK])
        gone.update(tx.execute(select(m.rfc_id).where(chunk)).scalars())
        stay += int(tx.execute(select(func.count()).select_from(t.messages).where(chunk, _unfinished())).scalar_one())
        _delete(tx, chunk)
    theirs = select(m.id).where(m.mailbox_id == mailbox)
    references: Sequence[tuple[Column[Any], ColumnElement[bool]]] = (
        (t.messages.c.thread, m.mailbox_id == mailbox),
        (t.lessons.c.thread, lesson.mailbox_id == mailbox),
        (t.sightings.c.who, t.sightings.c.mailbox_id == mailbox),
        (t.taggings.c.who, t.taggings.c.mailbox_id == mailbox),
        (t.corrections.c.who, t.corrections.c.message_id.in_(theirs)),
        (t.batches.c.who, t.batches.c.mailbox_id == mailbox),
    )
    for column, here in references:
        said = tx.execute(select(column).where(here, column.is_not(None)).distinct()).scalars()
        named = [value for value in said if value in gone or holds(value)]
        for start in range(0, len(named), _CHUNK):
            blank = update(column.table).where(here, column.in_(named[start : start + _CHUNK]))
            tx.execute(blank.values({column.name: None}))
    scrub_after(tx)
    return stay


def _delete(tx: Tx, which: ColumnElement[bool]) -> int:
    """But for those in the middle of a move, which a crash may have left half done."""
    number = int(tx.execute(delete(t.messages).where(which, ~_unfinished())).rowcount)
    if number:
        scrub_after(tx)
    return number


def _unfinished() -> ColumnElement[bool]:
    return (
        select(t.actions.c.id)
        .where(t.actions.c.message_id == t.messages.c.id, t.actions.c.state.in_(("planned", "sent")))
        .exists()
    )
