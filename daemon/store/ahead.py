"""What a clock wrote that was ahead, and is right again: it would wait for as long as the clock was ahead."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, or_, select, update

from daemon.store import tables as t
from daemon.store.database import Tx

AHEAD = timedelta(minutes=1)
"""By less than this clocks are put right every day."""


def written_ahead(tx: Tx, mailbox: int, due: datetime, seen: datetime) -> bool:
    """Does new mail wait for a moment later than `due`, the latest that a right clock names now, or a moved message
    since one later than `seen`, which is now?"""
    found = {"mailbox": mailbox, "later_due": due + AHEAD, "later_seen": seen + AHEAD}
    return bool(tx.execute(_is_ahead(), found).scalar())


@cache
def _is_ahead() -> Select[Any]:
    mail, places = _ahead()
    return select(or_(exists().where(mail), exists().where(places)))


def put_right(tx: Tx, mailbox: int, due: datetime, seen: datetime) -> None:
    """Let all of it wait from now on."""
    mail, places = _ahead()
    found = {"mailbox": mailbox}
    tx.execute(update(t.messages).where(mail).values(due=due), {**found, "later_due": due + AHEAD})
    tx.execute(update(t.sightings).where(places).values(seen=seen), {**found, "later_seen": seen + AHEAD})


def _ahead() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    m, s = t.messages.c, t.sightings.c
    mail = and_(m.mailbox_id == bindparam("mailbox"), m.state == "new", m.due > bindparam("later_due"))
    unjudged = and_(s.mailbox_id == bindparam("mailbox"), s.judged.is_(False), s.gone.is_(None))
    return mail, and_(unjudged, s.seen > bindparam("later_seen"))
