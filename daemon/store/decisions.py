"""What was decided about messages, and why; and what became of it.

A remark is a decision of nothing: it says why a message was left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, func, insert, select, update

from daemon.store import tables as t
from daemon.store.database import Tx, new_id, scrub_after
from daemon.store.records import NOTHING_TO_FOLLOW, Filed, HintKind, Mode, ReadFile, StoredDecision


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
    files: Sequence[ReadFile] = (),
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
            files=[asdict(file) for file in files] or None,
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
    values["files"] = _files(row["files"])
    return StoredDecision(message=row["message_id"], **values)


def _files(stored: Any) -> tuple[ReadFile, ...]:
    try:
        return tuple(ReadFile(**file) for file in stored or ())
    except TypeError:
        raise t.Unreadable("what is stored of files") from None


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
            row.category,
            row.id is not None and row.to_category == row.category,
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


def forget_files(tx: Tx, which: ColumnElement[bool]) -> None:
    """Delete what these decisions know of files, which is of the mail. That they were made, and why, stays."""
    if tx.execute(update(t.decisions).where(which, t.decisions.c.files.is_not(None)).values(files=None)).rowcount:
        scrub_after(tx)


def forget_files_of(tx: Tx, messages: Sequence[int]) -> None:
    """The same of all decisions about these messages."""
    for start in range(0, len(messages), 500):
        forget_files(tx, t.decisions.c.message_id.in_(messages[start : start + 500]))


def forget_files_before(tx: Tx, mailbox: int, oldest: datetime) -> None:
    """The same of all decisions from before `oldest`."""
    forget_files(tx, and_(_of(mailbox), t.decisions.c.at < oldest))


def forget_files_that(tx: Tx, mailbox: int, holds: Callable[[str | None], bool]) -> None:
    """The same of those that name somebody whom `holds` knows."""
    rows = tx.execute(
        select(t.decisions.c.id, t.decisions.c.files).where(_of(mailbox), t.decisions.c.files.is_not(None))
    )
    named = [row.id for row in rows if any(holds(_words(file)) for file in _files(row.files))]
    for start in range(0, len(named), 500):
        forget_files(tx, t.decisions.c.id.in_(named[start : start + 500]))


def _words(file: ReadFile) -> str:
    """All that is of the mail; the name also without its end, which would make an address another one."""
    return f"{file.name.rpartition('.')[0]} {file.name} {file.invoice}"


def _of(mailbox: int) -> ColumnElement[bool]:
    return t.decisions.c.message_id.in_(select(t.messages.c.id).where(t.messages.c.mailbox_id == mailbox))


def since(tx: Tx, mailbox: int, moment: datetime) -> list[StoredDecision]:
    """All decisions of a mailbox since `moment`, oldest first."""
    rows = tx.execute(
        select(t.decisions)
        .join(t.messages, t.messages.c.id == t.decisions.c.message_id)
        .where(t.messages.c.mailbox_id == mailbox, t.decisions.c.at >= moment)
        .order_by(t.decisions.c.id)
    )
    return [_decision(row) for row in rows.mappings()]
