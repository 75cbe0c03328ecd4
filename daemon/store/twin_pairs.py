"""Pairs of folders that seem to mean the same, and what people said of them: the lender's, where mailboxes share. What
follows of it: `counting.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, insert, or_, select, update

from daemon.store import sharing
from daemon.store import tables as t
from daemon.store.database import Tx
from daemon.store.records import TwinChoice, TwinPair


def pairs(tx: Tx, mailbox: int) -> list[TwinPair]:
    """All that were found and stand, oldest first, decided ones included."""
    rows = tx.execute(_pairs(), {"mailbox": mailbox}).mappings()
    return [
        TwinPair(
            row["id"],
            row["one"],
            row["other"],
            tuple(row["why"]),
            row["since"],
            row["lately"],
            row["lately_since"],
            row["over"],
            row["choice"],
            row["into"],
            row["chosen"],
        )
        for row in rows
    ]


@cache
def _pairs() -> Select[Any]:
    return select(t.twins).where(t.twins.c.mailbox_id == sharing.teacher(bindparam("mailbox"))).order_by(t.twins.c.id)


def save(
    tx: Tx,
    mailbox: int,
    uids: tuple[str, str],
    why: Sequence[str],
    lately: tuple[str | None, datetime | None, bool],
    now: datetime,
) -> None:
    """What speaks for this pair now, and `lately` (which of the two people use, since when, has it taken over?).

    It is kept from `now` on if it is new, and left as it is if a person has decided it.
    """
    pair, (one, other) = t.twins.c, uids
    both = (pair.mailbox_id == mailbox) & (pair.one == one) & (pair.other == other)
    values = {"why": list(why), "lately": lately[0], "lately_since": lately[1], "over": lately[2]}
    if tx.execute(select(pair.id).where(both)).first() is None:
        tx.execute(insert(t.twins).values(mailbox_id=mailbox, one=one, other=other, since=now, **values))
    else:
        tx.execute(update(t.twins).where(both, pair.choice.is_(None)).values(**values))


def remove(tx: Tx, mailbox: int, number: int) -> None:
    """These two are no twins, unless a person has said something of them meanwhile."""
    tx.execute(delete(t.twins).where(_one(mailbox, number), t.twins.c.choice.is_(None)))


def used(tx: Tx, mailbox: int, category: str, at: datetime) -> None:
    """People have put mail into this category: no other has taken over from it since before then."""
    pair = t.twins.c
    mine = or_(pair.one == category, pair.other == category)
    otherwise = (
        (pair.mailbox_id == sharing.teacher(mailbox)) & mine & (pair.lately != category) & (pair.lately_since <= at)
    )
    tx.execute(update(t.twins).where(otherwise).values(lately=None, lately_since=None, over=False))


def choose(tx: Tx, mailbox: int, number: int, choice: TwinChoice, into: str | None, now: datetime) -> None:
    """A person has said what these two are."""
    tx.execute(update(t.twins).where(_one(mailbox, number)).values(choice=choice, into=into, chosen=now))


def _one(mailbox: int, number: int) -> ColumnElement[bool]:
    return (t.twins.c.mailbox_id == sharing.teacher(mailbox)) & (t.twins.c.id == number)
