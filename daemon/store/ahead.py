"""What a clock wrote that was ahead, and is right again: it would wait for as long as the clock was ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from daemon.store import tables as t
from daemon.store.database import Tx

AHEAD = timedelta(minutes=1)
"""By less than this clocks are put right every day."""


def written_ahead(tx: Tx, mailbox: int, due: datetime, seen: datetime) -> bool:
    """Does new mail wait for a moment later than `due`, the latest that a right clock names now, or a moved message
    since one later than `seen`, which is now?"""
    mail, places = _ahead(mailbox, due, seen)
    return bool(tx.execute(select(or_(exists().where(mail), exists().where(places)))).scalar())


def put_right(tx: Tx, mailbox: int, due: datetime, seen: datetime) -> None:
    """Let all of it wait from now on."""
    mail, places = _ahead(mailbox, due, seen)
    tx.execute(update(t.messages).where(mail).values(due=due))
    tx.execute(update(t.sightings).where(places).values(seen=seen))


def _ahead(mailbox: int, due: datetime, seen: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    m, s = t.messages.c, t.sightings.c
    mail = and_(m.mailbox_id == mailbox, m.state == "new", m.due > due + AHEAD)
    return mail, and_(s.mailbox_id == mailbox, s.judged.is_(False), s.gone.is_(None), s.seen > seen + AHEAD)
