"""What was decided about messages, and why; and what became of it.

A remark is a decision of nothing: it says why a message was left alone.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import RowMapping, and_, func, insert, select

from daemon.store import tables as t
from daemon.store.database import Tx, new_id
from daemon.store.records import NOTHING_TO_FOLLOW, Filed, HintKind, Mode, StoredDecision


def add(
    tx: Tx,
    message: int,
    now: datetime,
    *,
    category: str | None,
    best: str | None,
    probability: float | None,
    runner_up: str | None,
    runner_up_probability: float | None,
    source: str,
    reason: str,
    model: str | None,
    mode: str,
    hint: HintKind | None = None,
    sureness: float | None = None,
) -> int:
    """Record what we think of a message. Returns the decision's id."""
    result = tx.execute(
        insert(t.decisions).values(
            message_id=message,
            at=now,
            category=category,
            best=best,
            probability=probability,
            runner_up=runner_up,
            runner_up_probability=runner_up_probability,
            source=source,
            reason=reason,
            model=model,
            mode=mode,
            hint=None if hint is None else [*hint],
            sureness=sureness,
        )
    )
    return new_id(result)


def add_remark(tx: Tx, message: int, now: datetime, reason: str) -> None:
    """Say why nothing was decided about a message; `why` shows it beside the decisions."""
    mode = select(t.mailboxes.c.mode).join(t.messages, t.messages.c.mailbox_id == t.mailboxes.c.id)
    values = {"category": None, "source": "rule", "reason": reason, "model": None}
    tx.execute(
        insert(t.decisions).values(
            message_id=message, at=now, mode=mode.where(t.messages.c.id == message).scalar_subquery(), **values
        )
    )


def _decision(row: RowMapping) -> StoredDecision:
    values = {key: row[key] for key in row if key != "message_id"}
    values["hint"] = None if row["hint"] is None else HintKind(*row["hint"])
    return StoredDecision(message=row["message_id"], **values)


def of_message(tx: Tx, message: int) -> list[StoredDecision]:
    """All decisions about one message, oldest first."""
    rows = tx.execute(select(t.decisions).where(t.decisions.c.message_id == message).order_by(t.decisions.c.id))
    return [_decision(row) for row in rows.mappings()]


def filed_since(tx: Tx, mailbox: int, moment: datetime, mode: Mode) -> list[Filed]:
    """What was filed since (in shadow: would have been), oldest first, and whether people put it elsewhere later."""
    decision = t.decisions.c
    said = (
        select(t.corrections.c.message_id, func.max(t.corrections.c.id).label("last"))
        .where(t.corrections.c.voided.is_(None))
        .group_by(t.corrections.c.message_id)
        .subquery()
    )
    word = t.corrections.alias()
    rows = tx.execute(
        select(
            *(decision.at, decision.model, decision.source, decision.category, word.c.id, word.c.to_category),
            and_(t.batches.c.id.is_not(None), t.batches.c.closed.is_(None)).label("asked"),
        )
        .join(t.messages, t.messages.c.id == decision.message_id)
        .outerjoin(said, said.c.message_id == decision.message_id)
        .outerjoin(word, word.c.id == said.c.last)
        .outerjoin(t.batches, t.batches.c.id == word.c.batch_id)
        .where(t.messages.c.mailbox_id == mailbox, decision.at >= moment, decision.mode == mode)
        .where(decision.category.is_not(None))
        .order_by(decision.id)
    )
    return [
        Filed(
            row.at,
            row.model if row.source == "model" else None,
            row.id is not None and row.to_category != row.category,
            bool(row.asked),
        )
        for row in rows
    ]


def of_copy(tx: Tx, mailbox: int, origin: str, message: int | None) -> StoredDecision | None:
    """The last decision about another copy of the mail of this `origin`, if it was about what the mail says.

    `message`: the copy that is asked about; None: it is not known yet.
    """
    rows = tx.execute(
        select(t.decisions)
        .join(t.messages, t.messages.c.id == t.decisions.c.message_id)
        .where(
            t.messages.c.mailbox_id == mailbox,
            t.messages.c.origin == origin,
            t.messages.c.id != (message or 0),
            t.decisions.c.source.not_in(NOTHING_TO_FOLLOW),
        )
        .order_by(t.decisions.c.id.desc())
        .limit(1)
    )
    return next((_decision(row) for row in rows.mappings()), None)


def since(tx: Tx, mailbox: int, moment: datetime) -> list[StoredDecision]:
    """All decisions of a mailbox since `moment`, oldest first."""
    rows = tx.execute(
        select(t.decisions)
        .join(t.messages, t.messages.c.id == t.decisions.c.message_id)
        .where(t.messages.c.mailbox_id == mailbox, t.decisions.c.at >= moment)
        .order_by(t.decisions.c.id)
    )
    return [_decision(row) for row in rows.mappings()]
