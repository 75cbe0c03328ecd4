"""The journal of actions: the intent is written before the first command, the outcome after the last.

planned -> sent -> done | failed | explained.  What is planned or sent at start-up was cut short and goes to `recover`.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, delete, func, insert, select, update

from connectors.base import Action, MessageRef, Move, Progress, Tag
from daemon.store import tables as t
from daemon.store.database import Tx, new_id
from daemon.store.records import ActionState, JournalEntry


def plan(
    tx: Tx, message: int, ref: MessageRef, action: Action, now: datetime, *, decision: int | None, kind: str
) -> int:
    """Write down what is about to be done. Returns the entry's id."""
    result = tx.execute(
        insert(t.actions).values(
            message_id=message,
            decision_id=decision,
            kind=kind,
            from_folder=ref.folder,
            from_epoch=ref.epoch,
            from_uid=ref.uid,
            target=_action_to_json(action),
            state="planned",
            progress=_progress_to_json(Progress("planned")),
            planned=now,
            unclear=0,
        )
    )
    return new_id(result)


def note(tx: Tx, entry: int, progress: Progress) -> None:
    """Note that the next command is about to be sent."""
    tx.execute(
        update(t.actions).where(t.actions.c.id == entry).values(state="sent", progress=_progress_to_json(progress))
    )


def unclear(tx: Tx, entry: int) -> None:
    """Note that nobody could tell what has become of it."""
    tx.execute(update(t.actions).where(t.actions.c.id == entry).values(unclear=t.actions.c.unclear + 1))


def end(
    tx: Tx, entry: int, state: ActionState, now: datetime, *, landed: MessageRef | None = None, explanation: str | None
) -> None:
    """Write down how it ended and where the message is now."""
    tx.execute(
        update(t.actions)
        .where(t.actions.c.id == entry)
        .values(
            state=state,
            ended=now,
            explanation=explanation,
            to_folder=landed.folder if landed else None,
            to_epoch=landed.epoch if landed else None,
            to_uid=landed.uid if landed else None,
        )
    )


def unfinished(tx: Tx, mailbox: int) -> list[JournalEntry]:
    """Entries that have no end yet, oldest first."""
    return [_entry(row) for row in tx.execute(_unfinished(), {"mailbox": mailbox}).mappings()]


@cache
def _unfinished() -> Select[Any]:
    return (
        select(t.actions)
        .join(t.messages, t.messages.c.id == t.actions.c.message_id)
        .where(t.messages.c.mailbox_id == bindparam("mailbox"), t.actions.c.state.in_(("planned", "sent")))
        .order_by(t.actions.c.id)
    )


def drop_unfinished(tx: Tx, mailbox: int) -> None:
    """Forget what is unfinished. Only for a copy of the database that is thrown away."""
    ours = select(t.messages.c.id).where(t.messages.c.mailbox_id == mailbox)
    tx.execute(delete(t.actions).where(t.actions.c.state.in_(("planned", "sent")), t.actions.c.message_id.in_(ours)))


def of_message(tx: Tx, message: int) -> list[JournalEntry]:
    """Everything ever done to one message, oldest first."""
    rows = tx.execute(select(t.actions).where(t.actions.c.message_id == message).order_by(t.actions.c.id))
    return [_entry(row) for row in rows.mappings()]


def ended_since(tx: Tx, mailbox: int, moment: datetime) -> list[JournalEntry]:
    """What was done since `moment`, newest first: the order in which to take it back."""
    rows = tx.execute(
        select(t.actions)
        .join(t.messages, t.messages.c.id == t.actions.c.message_id)
        .where(t.messages.c.mailbox_id == mailbox, t.actions.c.state == "done", t.actions.c.ended >= moment)
        .order_by(t.actions.c.id.desc())
    )
    return [_entry(row) for row in rows.mappings()]


def done_between(tx: Tx, mailbox: int, moment: datetime, now: datetime) -> int:
    """How many actions were planned between these: what the breaker counts. What a clock that was ahead wrote is
    later than now, and would hold up all moves until then."""
    return int(
        tx.execute(
            select(func.count())
            .select_from(t.actions.join(t.messages, t.messages.c.id == t.actions.c.message_id))
            .where(t.messages.c.mailbox_id == mailbox, t.actions.c.planned > moment, t.actions.c.planned <= now)
        ).scalar_one()
    )


def _entry(row: RowMapping) -> JournalEntry:
    landed = None if row["to_folder"] is None else MessageRef(row["to_folder"], row["to_epoch"], row["to_uid"])
    return JournalEntry(
        row["id"],
        row["message_id"],
        row["decision_id"],
        row["kind"],
        MessageRef(row["from_folder"], row["from_epoch"], row["from_uid"]),
        _action_from_json(row["target"]),
        row["state"],
        _progress_from_json(row["progress"]),
        landed,
        row["planned"],
        row["ended"],
        row["explanation"],
        row["unclear"],
    )


def _action_to_json(action: Action) -> dict[str, Any]:
    if isinstance(action, Move):
        return {"move": action.folder}
    return {"add": sorted(action.add), "remove": sorted(action.remove)}


def _action_from_json(value: dict[str, Any]) -> Action:
    if "move" in value:
        return Move(value["move"])
    return Tag(frozenset(value["add"]), frozenset(value["remove"]))


def _progress_to_json(progress: Progress) -> dict[str, Any]:
    return asdict(progress)


def _progress_from_json(value: dict[str, Any]) -> Progress:
    copy = None if value["copy"] is None else MessageRef(**value["copy"])
    return Progress(value["step"], value["target_epoch"], value["uidnext"], copy)
