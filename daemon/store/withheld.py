"""Messages that lie there and that the server does not give: tried again later, each time after a longer pause, and
then no more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, bindparam, delete, insert, select, update

from connectors.base import MessageRef
from daemon.store import tables as t
from daemon.store.database import Tx
from daemon.store.records import Withheld

FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(days=1)
MOST_TRIES = 12
"""Over some four days: a server's trouble may take a weekend."""
KEPT = timedelta(days=90)
"""So long `status` tells of one that is not tried any more, and that no look has met as gone."""


def note(
    tx: Tx,
    mailbox: int,
    ref: MessageRef,
    why: str,
    now: datetime,
    *,
    message: int | None = None,
    since: datetime | None = None,
) -> Withheld:
    """One more try failed. `message`: which it is; None: not even its header came. `since`: the look before."""
    known = at(tx, mailbox, ref)
    tries = 1 if known is None else known.tries + 1
    pause = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
    values = {"why": why, "tries": tries, "again": None if tries >= MOST_TRIES else now + pause}
    if known is None:
        place = {"folder": ref.folder, "epoch": ref.epoch, "uid": ref.uid}
        tx.execute(
            insert(t.withheld).values(mailbox_id=mailbox, message_id=message, **place, **values, first=now, since=since)
        )
    else:
        tx.execute(update(t.withheld).where(_at(mailbox, ref)).values(**values, message_id=message))
    found = at(tx, mailbox, ref)
    assert found is not None
    return found


def at(tx: Tx, mailbox: int, ref: MessageRef) -> Withheld | None:
    """What is known of the message at this place."""
    row = tx.execute(select(t.withheld).where(_at(mailbox, ref))).mappings().one_or_none()
    return None if row is None else _record(row)


def due(tx: Tx, mailbox: int, now: datetime, latest: datetime) -> tuple[MessageRef, ...]:
    """Whose header is to be asked for again. `latest`: no pause reaches beyond it, unless a clock was ahead."""
    rows = tx.execute(_due(), {"mailbox": mailbox, "now": now, "latest": latest}).mappings()
    return tuple(_record(row).ref for row in rows)


@cache
def _due() -> Select[Any]:
    w = t.withheld.c
    time = (w.again <= bindparam("now")) | (w.again > bindparam("latest"))
    return select(t.withheld).where(w.mailbox_id == bindparam("mailbox"), w.message_id.is_(None), time)


def of_message(tx: Tx, message: int) -> Withheld | None:
    """What is known of this message, if its text is withheld."""
    w = t.withheld.c
    row = tx.execute(select(t.withheld).where(w.message_id == message).order_by(w.id.desc())).mappings().first()
    return None if row is None else _record(row)


def all_of(tx: Tx, mailbox: int) -> list[Withheld]:
    """All of a mailbox, the latest last."""
    rows = tx.execute(select(t.withheld).where(t.withheld.c.mailbox_id == mailbox).order_by(t.withheld.c.id))
    return [_record(row) for row in rows.mappings()]


def given(tx: Tx, mailbox: int, refs: Iterable[MessageRef]) -> None:
    """Forget these: they came, or are gone."""
    for ref in refs:
        tx.execute(delete(t.withheld).where(_at(mailbox, ref)))


def of_message_given(tx: Tx, message: int) -> None:
    """Forget that this message was withheld."""
    tx.execute(delete(t.withheld).where(t.withheld.c.message_id == message))


def forget_old(tx: Tx, mailbox: int, now: datetime) -> None:
    """Drop what is not tried any more since long ago."""
    w = t.withheld.c
    tx.execute(delete(t.withheld).where(w.mailbox_id == mailbox, w.again.is_(None), w.first < now - KEPT))


def _at(mailbox: int, ref: MessageRef) -> ColumnElement[bool]:
    w = t.withheld.c
    return and_(w.mailbox_id == mailbox, w.folder == ref.folder, w.epoch == ref.epoch, w.uid == ref.uid)


def _record(row: RowMapping) -> Withheld:
    ref = MessageRef(row["folder"], row["epoch"], row["uid"])
    return Withheld(ref, row["message_id"], row["why"], row["first"], row["since"], row["tries"], row["again"])
