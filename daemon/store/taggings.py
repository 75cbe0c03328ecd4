"""Which categories' tags messages carry: a row for every change, the newest is how it stands.

A message without a row never carried one. Tags are compared in small letters, for servers keep the case of whoever
wrote first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, func, insert, select, update

from connectors.base import MessageRef
from daemon.store import tables as t
from daemon.store.database import Tx, new_id
from daemon.store.records import Tagging

_CHUNK = 500  # SQLite allows some 32,000 variables a statement; stay far below


def _tagging(row: RowMapping) -> Tagging:
    tags = frozenset(row["tags"])
    return Tagging(
        row["id"], row["message_id"], tags, row["seen"], row["ours"], row["who"], row["judged"], row["since"]
    )


def of_message(tx: Tx, message: int) -> list[Tagging]:
    """Every change of this message's tags, oldest first."""
    rows = tx.execute(select(t.taggings).where(t.taggings.c.message_id == message).order_by(t.taggings.c.id))
    return [_tagging(row) for row in rows.mappings()]


def last(tx: Tx, message: int) -> Tagging | None:
    """How this message's tags stand; None: it never carried one."""
    query = select(t.taggings).where(t.taggings.c.message_id == message).order_by(t.taggings.c.id.desc()).limit(1)
    return next((_tagging(row) for row in tx.execute(query).mappings()), None)


def standing(tx: Tx, mailbox: int, refs: Sequence[MessageRef]) -> Mapping[MessageRef, tuple[int, Tagging | None]]:
    """For each place where a message of ours lies: the message, and how its tags stand."""
    found: dict[MessageRef, tuple[int, Tagging | None]] = {}
    for folder, epoch in sorted({(ref.folder, ref.epoch) for ref in refs}):
        uids = sorted(ref.uid for ref in refs if (ref.folder, ref.epoch) == (folder, epoch))
        for start in range(0, len(uids), _CHUNK):
            s = t.sightings.c
            one = t.taggings.alias()
            newest = select(func.max(one.c.id)).where(one.c.message_id == s.message_id).scalar_subquery()
            rows = tx.execute(
                select(s.uid, s.message_id.label("message"), t.taggings)
                .select_from(t.sightings.outerjoin(t.taggings, t.taggings.c.id == newest))
                .where(s.mailbox_id == mailbox, s.folder == folder, s.epoch == epoch, s.gone.is_(None))
                .where(s.uid.in_(uids[start : start + _CHUNK]))
                .order_by(s.id)
            ).mappings()
            for row in rows:
                before = None if row["id"] is None else _tagging(row)
                found[MessageRef(folder, epoch, row["uid"])] = row["message"], before
    return found


def add(
    tx: Tx,
    mailbox: int,
    message: int,
    tags: Iterable[str],
    now: datetime,
    *,
    ours: bool,
    who: str | None,
    judged: bool,
    since: datetime | None = None,
) -> int:
    """Record which categories' tags the message carries from now on. Returns the row's id."""
    values = {"message_id": message, "mailbox_id": mailbox, "tags": sorted(tag.lower() for tag in tags), "seen": now}
    return new_id(tx.execute(insert(t.taggings).values(**values, ours=ours, who=who, judged=judged, since=since)))


def unjudged(tx: Tx, mailbox: int, settled_before: datetime) -> list[Tagging]:
    """How tags stand that nobody has judged yet, where they have now stood long enough to mean something."""
    rows = tx.execute(_unjudged(), {"mailbox": mailbox, "before": settled_before}).mappings()
    return [_tagging(row) for row in rows]


@cache
def _unjudged() -> Select[Any]:
    later = t.taggings.alias()
    newer = select(later.c.id).where(later.c.message_id == t.taggings.c.message_id, later.c.id > t.taggings.c.id)
    return (
        select(t.taggings)
        .where(
            t.taggings.c.mailbox_id == bindparam("mailbox"),
            t.taggings.c.judged.is_(False),
            t.taggings.c.seen <= bindparam("before"),
            ~newer.exists(),
        )
        .order_by(t.taggings.c.id)
    )


def mark_judged(tx: Tx, message: int, up_to: int) -> None:
    """Note that this message's tags have been judged, with what came before."""
    where = (t.taggings.c.message_id == message) & (t.taggings.c.id <= up_to)
    tx.execute(update(t.taggings).where(where).values(judged=True))
