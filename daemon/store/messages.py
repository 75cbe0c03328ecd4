"""Messages, and where they were seen.

A message is found again by a ladder: the server's own id, Message-ID, digest. Every rung may be ambiguous (copies of
one mail share all three), so the join prefers the one message that has just left another folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from connectors.base import Identity, MessageRef, Sighting
from daemon.store import tables as t
from daemon.store.database import Tx, new_id
from daemon.store.records import KnownMessage, KnownSighting, MessageState

_CHUNK = 500  # SQLite allows some 32,000 variables a statement; stay far below


def add(tx: Tx, mailbox: int, sighting: Sighting, state: MessageState, now: datetime, due: datetime | None) -> int:
    """Remember a message that was not known. Returns its id."""
    result = tx.execute(
        insert(t.messages).values(
            mailbox_id=mailbox,
            **_identity(sighting.identity),
            thread=sighting.references[0] if sighting.references else sighting.identity.message_id,
            arrived=sighting.arrived,
            first_seen=now,
            state=state,
            due=due,
        )
    )
    return new_id(result)


def _identity(identity: Identity) -> dict[str, str | None]:
    return {
        "object_id": identity.object_id,
        "rfc_id": identity.message_id,
        "digest": identity.digest,
        "origin": identity.origin or None,
    }


def get(tx: Tx, message: int) -> KnownMessage:
    """The message with this id."""
    return _known(tx.execute(select(t.messages).where(t.messages.c.id == message)).mappings().one())


def _known(row: RowMapping) -> KnownMessage:
    return KnownMessage(
        row["id"],
        Identity(row["object_id"], row["rfc_id"], row["digest"], row["origin"] or ""),
        row["thread"],
        row["arrived"],
        row["first_seen"],
        row["state"],
    )


def candidates(tx: Tx, mailbox: int, identity: Identity, arrived: datetime | None = None) -> list[KnownMessage]:
    """Known messages that may be this one: all that match the strongest rung of the ladder that matches at all.

    The server's own id, then Message-ID with the digest, then Message-ID with the date of arrival (servers that only
    estimate sizes change the digest). A Message-ID alone is never enough.
    """
    m = t.messages
    rungs = []
    same: ColumnElement[bool] = true()
    if identity.object_id is not None:
        rungs.append(m.c.object_id == identity.object_id)
        # Another id of the same kind is another message (a second copy), whatever its Message-ID says. Of another kind:
        # the server was replaced or learnt a better one.
        kind = identity.object_id.partition(":")[0]
        same = or_(m.c.object_id.is_(None), ~m.c.object_id.startswith(f"{kind}:", autoescape=True))
    if identity.message_id is not None:
        rungs.append(and_(m.c.rfc_id == identity.message_id, m.c.digest == identity.digest, same))
        if arrived is not None:
            rungs.append(and_(m.c.rfc_id == identity.message_id, m.c.arrived == arrived, same))
    else:
        rungs.append(and_(m.c.digest == identity.digest, same))
    for rung in rungs:
        rows = tx.execute(select(m).where(m.c.mailbox_id == mailbox, rung).order_by(m.c.id)).mappings().all()
        if rows:
            return [_known(row) for row in rows]
    return []


def of_origin(tx: Tx, mailbox: int, origin: str) -> list[KnownMessage]:
    """All copies of the mail of this `origin`, however they came."""
    m = t.messages
    rows = tx.execute(select(m).where(m.c.mailbox_id == mailbox, m.c.origin == origin).order_by(m.c.id)).mappings()
    return [_known(row) for row in rows]


def copies(tx: Tx, mailbox: int, identity: Identity, arrived: datetime | None = None) -> list[KnownMessage]:
    """Known messages that may be this one, by all but the server's own id if by that none is: this may lie on another
    server."""
    own = candidates(tx, mailbox, identity, arrived)
    return own or candidates(tx, mailbox, replace(identity, object_id=None), arrived)


def set_object_id(tx: Tx, message: int, object_id: str | None) -> None:
    """Note the server's new id of the message."""
    tx.execute(update(t.messages).where(t.messages.c.id == message).values(object_id=object_id))


def named(tx: Tx, mailbox: int, name: str) -> list[KnownMessage]:
    """All messages with this Message-ID, with or without angle brackets."""
    wanted = {name, f"<{name.strip('<>')}>", name.strip("<>")}
    same = t.messages.c.rfc_id.in_(wanted)
    rows = tx.execute(select(t.messages).where(t.messages.c.mailbox_id == mailbox, same)).mappings()
    return [_known(row) for row in rows]


def set_state(tx: Tx, message: int, state: MessageState, due: datetime | None = None) -> None:
    """Move a message through its life."""
    tx.execute(update(t.messages).where(t.messages.c.id == message).values(state=state, due=due))


def due(tx: Tx, mailbox: int, inbox: str, now: datetime, limit: int) -> list[tuple[KnownMessage, KnownSighting]]:
    """New messages that still lie in the inbox and whose time has come, oldest first.

    Not those that somebody has copied to another watched folder since: perhaps that is half a move. Nor those of which
    nobody knows yet how our own move ended.
    """
    found = {"mailbox": mailbox, "inbox": inbox, "now": now, "limit": limit}
    return [(get(tx, row[0]), sighting(tx, row[1])) for row in tx.execute(_due(), found)]


@cache
def _due() -> Select[Any]:
    joined = t.messages.join(t.sightings, t.sightings.c.message_id == t.messages.c.id)
    other = t.sightings.alias()
    copied = exists().where(
        other.c.message_id == t.messages.c.id,
        other.c.folder != bindparam("inbox"),
        other.c.gone.is_(None),
        other.c.seen != t.messages.c.first_seen,  # not what came with it; and clocks are put back
        func.coalesce(t.messages.c.object_id, "").not_like("gmmsgid:%"),  # lies once, under several labels
    )
    unfinished = exists().where(t.actions.c.message_id == t.messages.c.id, t.actions.c.state.in_(("planned", "sent")))
    return (
        select(t.messages.c.id, t.sightings.c.id)
        .select_from(joined)
        .where(
            t.messages.c.mailbox_id == bindparam("mailbox"),
            t.messages.c.state == "new",
            t.messages.c.due <= bindparam("now"),
            t.sightings.c.folder == bindparam("inbox"),
            t.sightings.c.gone.is_(None),
            ~copied,
            ~unfinished,
        )
        .order_by(t.messages.c.due, t.messages.c.id)
        .limit(bindparam("limit"))
    )


def there_before(
    tx: Tx, mailbox: int, inbox: str, came: datetime, state: MessageState
) -> list[tuple[KnownMessage, KnownSighting]]:
    """Messages in this state that arrived in the inbox before we `came` and have lain in this one place ever since, the
    newest first. What a later look met there is somebody's copy, or older than we ever looked at."""
    m, s, other = t.messages.c, t.sightings.c, t.sightings.alias()
    elsewhere = exists().where(other.c.message_id == m.id, other.c.id != s.id)
    rows = tx.execute(
        select(m.id, s.id)
        .select_from(t.messages.join(t.sightings, s.message_id == m.id))
        .where(
            m.mailbox_id == mailbox,
            m.state == state,
            m.arrived < came,
            s.folder == inbox,
            s.gone.is_(None),
            s.since.is_(None),
            ~elsewhere,
        )
        .order_by(m.arrived.desc(), m.id.desc())
    )
    return [(get(tx, row[0]), sighting(tx, row[1])) for row in rows]


def leave_there_before(tx: Tx, mailbox: int, inbox: str, came: datetime) -> int:
    """Those of them that wait to be sorted are to stay where they are after all. Returns how many."""
    waiting = there_before(tx, mailbox, inbox, came, "new")
    for known, _ in waiting:
        set_state(tx, known.id, "existing")
    return len(waiting)


def counts(tx: Tx, mailbox: int) -> dict[str, int]:
    """How many messages are in each state."""
    rows = tx.execute(
        select(t.messages.c.state, func.count()).where(t.messages.c.mailbox_id == mailbox).group_by(t.messages.c.state)
    )
    return {row[0]: row[1] for row in rows}


def arrivals_since(tx: Tx, mailbox: int, moment: datetime) -> list[datetime]:
    """When messages were first seen, in order; without those that had been there before."""
    m = t.messages
    came = and_(m.c.mailbox_id == mailbox, m.c.first_seen >= moment, m.c.state.not_in(("existing", "placed")))
    rows = tx.execute(select(m.c.first_seen).where(came).order_by(m.c.first_seen))
    return [row.first_seen for row in rows]


# --- sightings


def _seen(row: RowMapping) -> KnownSighting:
    ref = MessageRef(row["folder"], row["epoch"], row["uid"])
    return KnownSighting(
        row["id"],
        row["message_id"],
        ref,
        row["seen"],
        row["gone"],
        row["ours"],
        row["who"],
        row["judged"],
        row["since"],
        row["put"],
    )


def sighting(tx: Tx, sighting_id: int) -> KnownSighting:
    """The sighting with this id."""
    return _seen(tx.execute(select(t.sightings).where(t.sightings.c.id == sighting_id)).mappings().one())


def sightings(tx: Tx, message: int) -> list[KnownSighting]:
    """Everywhere this message was seen, oldest first."""
    rows = tx.execute(select(t.sightings).where(t.sightings.c.message_id == message).order_by(t.sightings.c.id))
    return [_seen(row) for row in rows.mappings()]


def sighting_at(tx: Tx, mailbox: int, ref: MessageRef) -> KnownSighting | None:
    """The sighting of the message that is known to lie there now."""
    row = tx.execute(
        select(t.sightings)
        .where(
            t.sightings.c.mailbox_id == mailbox,
            t.sightings.c.folder == ref.folder,
            t.sightings.c.epoch == ref.epoch,
            t.sightings.c.uid == ref.uid,
            t.sightings.c.gone.is_(None),
        )
        .order_by(t.sightings.c.id.desc())
    ).mappings()
    return next((_seen(found) for found in row), None)


def left_early(tx: Tx, mailbox: int, inbox: str) -> list[int]:
    """The ids of new messages that left the inbox before their time came."""
    return list(tx.execute(_left_early(), {"mailbox": mailbox, "inbox": inbox}).scalars())


@cache
def _left_early() -> Select[Any]:
    there = (
        select(t.sightings.c.id)
        .where(
            t.sightings.c.message_id == t.messages.c.id,
            t.sightings.c.folder == bindparam("inbox"),
            t.sightings.c.gone.is_(None),
        )
        .exists()
    )
    where = and_(t.messages.c.mailbox_id == bindparam("mailbox"), t.messages.c.state == "new", ~there)
    return select(t.messages.c.id).where(where)


def give_up_new(tx: Tx, mailbox: int, inbox: str) -> list[int]:
    """What left early is no longer ours to sort, even if it comes back. Returns the ids."""
    left = left_early(tx, mailbox, inbox)
    for message in left:
        set_state(tx, message, "gone")
    return left


def adopt(tx: Tx, sighting_id: int, message: int) -> None:
    """Give the sighting to another message, of which it turned out to be: a second copy."""
    tx.execute(update(t.sightings).where(t.sightings.c.id == sighting_id).values(message_id=message, judged=True))


def copy_of(tx: Tx, mailbox: int, message: int, identity: Identity, state: MessageState, now: datetime) -> int:
    """A new message of the same thread and arrival as this one: its second copy. Returns the new id."""
    row = tx.execute(select(t.messages).where(t.messages.c.id == message)).mappings().one()
    result = tx.execute(
        insert(t.messages).values(
            mailbox_id=mailbox,
            **_identity(identity),
            thread=row["thread"],
            arrived=row["arrived"],
            first_seen=now,
            state=state,
        )
    )
    return new_id(result)


def add_sighting(
    tx: Tx,
    mailbox: int,
    message: int,
    ref: MessageRef,
    now: datetime,
    *,
    ours: bool,
    who: str | None,
    judged: bool,
    since: datetime | None = None,
    put: datetime | None = None,
) -> int:
    """Record that the message was seen there. `since`: the look before. `put`: when it was put there, where the server
    tells. Returns the sighting's id."""
    result = tx.execute(
        insert(t.sightings).values(
            message_id=message,
            mailbox_id=mailbox,
            folder=ref.folder,
            epoch=ref.epoch,
            uid=ref.uid,
            seen=now,
            ours=ours,
            who=who,
            judged=judged,
            since=since,
            put=put,
        )
    )
    return new_id(result)


def rename_sighting(tx: Tx, sighting_id: int, ref: MessageRef) -> None:
    """Change what its place is called: the message lies where it lay, and its folder's UIDs restarted."""
    values = {"folder": ref.folder, "epoch": ref.epoch, "uid": ref.uid, "gone": None}
    tx.execute(update(t.sightings).where(t.sightings.c.id == sighting_id).values(**values))


def mark_ours(tx: Tx, sighting_id: int) -> None:
    """Note that we put it there."""
    tx.execute(update(t.sightings).where(t.sightings.c.id == sighting_id).values(ours=True, judged=True))


def mark_gone(tx: Tx, mailbox: int, refs: Iterable[MessageRef], now: datetime) -> int:
    """Note that these places are empty now. Returns how many sightings that ended."""
    ended = 0
    for ref in refs:
        where = and_(
            t.sightings.c.mailbox_id == mailbox,
            t.sightings.c.folder == ref.folder,
            t.sightings.c.epoch == ref.epoch,
            t.sightings.c.uid == ref.uid,
            t.sightings.c.gone.is_(None),
        )
        ended += int(tx.execute(update(t.sightings).where(where).values(gone=now)).rowcount)
    return ended


def folder_restarted(tx: Tx, mailbox: int, folder: str, now: datetime) -> int:
    """Note that UIDs restarted there: no old ref in this folder means anything any more."""
    where = and_(t.sightings.c.mailbox_id == mailbox, t.sightings.c.folder == folder, t.sightings.c.gone.is_(None))
    return int(tx.execute(update(t.sightings).where(where).values(gone=now)).rowcount)


def folder_missing(tx: Tx, mailbox: int, folder: str, now: datetime) -> int:
    """Note that the folder is gone: nothing lies there any more."""
    return folder_restarted(tx, mailbox, folder, now)


def newest_in(tx: Tx, mailbox: int, folder: str, epoch: int, limit: int) -> dict[int, Identity]:
    """UID -> identity of the newest messages that are known to lie in a folder, or did when it was last there."""
    s, m = t.sightings, t.messages
    last = (
        select(func.max(s.c.gone)).where(s.c.mailbox_id == mailbox, s.c.folder == folder, s.c.epoch == epoch)
    ).scalar_subquery()
    missing = (
        select(t.folders.c.id)
        .where(t.folders.c.mailbox_id == mailbox, t.folders.c.name == folder, t.folders.c.missing_since == last)
        .exists()
    )
    rows = tx.execute(
        select(s.c.uid, m)
        .join(m, m.c.id == s.c.message_id)
        .where(
            s.c.mailbox_id == mailbox,
            s.c.folder == folder,
            s.c.epoch == epoch,
            or_(s.c.gone.is_(None), and_(missing, s.c.gone == last)),
        )
        .order_by(s.c.uid.desc())
        .limit(limit)
    ).mappings()
    return {row["uid"]: _known(row).identity for row in rows}


def known_uids(tx: Tx, mailbox: int, folders: Sequence[str]) -> dict[str, frozenset[int]]:
    """The UIDs of the messages we know to lie in each of these folders."""
    found: dict[str, set[int]] = {folder: set() for folder in folders}
    rows = tx.execute(
        select(t.sightings.c.folder, t.sightings.c.uid).where(
            t.sightings.c.mailbox_id == mailbox, t.sightings.c.gone.is_(None), t.sightings.c.folder.in_(folders)
        )
    )
    for row in rows:
        found[row.folder].add(row.uid)
    return {folder: frozenset(uids) for folder, uids in found.items()}


def unjudged(tx: Tx, mailbox: int, settled_before: datetime) -> list[KnownSighting]:
    """Places where messages have now stayed long enough to mean something, and that nobody has judged yet."""
    rows = tx.execute(_unjudged(), {"mailbox": mailbox, "before": settled_before}).mappings()
    return [_seen(row) for row in rows]


@cache
def _unjudged() -> Select[Any]:
    return (
        select(t.sightings)
        .where(
            t.sightings.c.mailbox_id == bindparam("mailbox"),
            t.sightings.c.judged.is_(False),
            t.sightings.c.gone.is_(None),
            t.sightings.c.seen <= bindparam("before"),
        )
        .order_by(t.sightings.c.id)
    )


def mark_judged(tx: Tx, sighting_ids: Sequence[int]) -> None:
    """Note that these places have been judged, so that they are not judged again."""
    for start in range(0, len(sighting_ids), _CHUNK):
        chunk = sighting_ids[start : start + _CHUNK]
        tx.execute(update(t.sightings).where(t.sightings.c.id.in_(chunk)).values(judged=True))
