"""Bulk moves that wait for a person's word. Until then nothing of them teaches, and nothing is lost.

A batch is a row; its members are corrections that name it. What a member would teach lies in its own row as text, so no
question that is asked of lessons finds it. Accepted, all of it becomes lessons at once, with the moments of the moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, insert, or_, select, true, update

from connectors.base import MailText
from daemon.store import learning
from daemon.store import tables as t
from daemon.store.database import Tx, new_id, scrub_after
from daemon.store.records import Batch


@dataclass(frozen=True)
class RecordedMove:
    """A correction as a rule on bulk moves needs it. `asked`: it is part of a batch that waits."""

    correction: int
    moved: datetime
    since: datetime | None
    batch: int | None
    asked: bool
    voided: bool


@dataclass(frozen=True)
class Member:
    """A message of a batch that waits. `text`: what it will teach; None: it was put back into the inbox."""

    correction: int
    batch: int
    message: int
    thread: str | None
    sighting: int | None
    from_folder: str | None
    to_folder: str
    to_category: str | None
    moved: datetime
    text: MailText | None


def recorded(tx: Tx, mailbox: int, folder: str, who: str | None, since: datetime) -> list[RecordedMove]:
    """Where people put messages into this folder since then, the earliest first, those taken back included."""
    done, batch = t.corrections.c, t.batches.c
    rows = tx.execute(
        select(done.id, done.moved, done.since, done.batch_id, done.voided, batch.closed)
        .join(t.messages, t.messages.c.id == done.message_id)
        .outerjoin(t.batches, batch.id == done.batch_id)
        .where(t.messages.c.mailbox_id == mailbox, done.to_folder == folder, done.moved >= since)
        .where(done.who == who if who is not None else done.who.is_(None))
        .order_by(done.moved, done.id)
    )
    return [
        RecordedMove(
            row.id,
            row.moved,
            row.since,
            row.batch_id,
            row.batch_id is not None and row.closed is None,
            row.voided is not None,
        )
        for row in rows
    ]


def open_batch(tx: Tx, mailbox: int, folder: str, who: str | None, now: datetime) -> int:
    """A new batch that waits. Returns its number."""
    return new_id(tx.execute(insert(t.batches).values(mailbox_id=mailbox, folder=folder, who=who, opened=now)))


def put_into(tx: Tx, batch: int, correction: int, text: MailText | None) -> None:
    """Let this correction wait, which has taught nothing yet."""
    kept = None if text is None else learning.stored(text)
    tx.execute(update(t.corrections).where(t.corrections.c.id == correction).values(batch_id=batch, text=kept))


def take_in(tx: Tx, mailbox: int, batch: int, correction: int, now: datetime) -> None:
    """Let this correction wait, which has been recorded before the bulk move was known as one: its lesson teaches
    nothing until then, and what that had replaced counts again."""
    taught = select(t.lessons.c.text).where(t.lessons.c.correction_id == correction, t.lessons.c.voided.is_(None))
    text = tx.execute(taught).scalar()
    if text is not None:
        message = tx.execute(select(t.corrections.c.message_id).where(t.corrections.c.id == correction)).scalar_one()
        said = learning.corrections(tx, mailbox, message=message)
        learning.void_lessons_from(tx, next(entry for entry in said if entry.id == correction), now)
    tx.execute(update(t.corrections).where(t.corrections.c.id == correction).values(batch_id=batch, text=text))


# --- what waits


def members(tx: Tx, mailbox: int, *, batch: int | None = None, message: int | None = None) -> list[Member]:
    """What waits in all batches of the mailbox, or in one, or of one message; oldest first."""
    done = t.corrections.c
    rows = tx.execute(
        select(t.corrections, t.messages.c.thread)
        .join(t.messages, t.messages.c.id == done.message_id)
        .join(t.batches, t.batches.c.id == done.batch_id)
        .where(
            t.batches.c.mailbox_id == mailbox,
            t.batches.c.closed.is_(None),
            true() if batch is None else done.batch_id == batch,
            true() if message is None else done.message_id == message,
        )
        .order_by(done.id)
    ).mappings()
    return [_member(row) for row in rows]


def _member(row: RowMapping) -> Member:
    return Member(
        row["id"],
        row["batch_id"],
        row["message_id"],
        row["thread"],
        row["sighting_id"],
        row["from_folder"],
        row["to_folder"],
        row["to_category"],
        row["moved"] or row["at"],
        None if row["text"] is None else learning.mail_text(row["text"]),
    )


def batches(tx: Tx, mailbox: int, *, waiting: bool = True, number: int | None = None) -> list[Batch]:
    """The bulk moves of a mailbox, oldest first: those that wait, or all."""
    batch = t.batches.c
    rows = tx.execute(
        select(t.batches)
        .where(batch.mailbox_id == mailbox, batch.closed.is_(None) if waiting else true())
        .where(true() if number is None else batch.id == number)
        .order_by(batch.id)
    ).mappings()
    found = [_batch(tx, row) for row in rows]
    return [batch for batch in found if batch.members or not waiting]  # its messages may have been forgotten


def _batch(tx: Tx, row: RowMapping) -> Batch:
    done = t.corrections.c
    lies = or_(t.sightings.c.id.is_(None), t.sightings.c.gone.is_(None))
    found = tx.execute(
        select(done.from_folder, done.to_category, lies.label("lies"))
        .outerjoin(t.sightings, t.sightings.c.id == done.sighting_id)
        .where(done.batch_id == row["id"])
        .order_by(done.id)
    ).all()
    return Batch(
        row["id"],
        row["opened"],
        row["folder"],
        row["who"],
        next((member.to_category for member in found), None),
        dict(Counter(member.from_folder or "" for member in found).most_common()),
        sum(bool(member.lies) for member in found),
        row["closed"],
        row["outcome"],
        row["because"],
    )


def later_words(tx: Tx, mailbox: int, opened: datetime) -> list[tuple[str, str | None, str | None]]:
    """(key, thread, category) of whatever people said since then of mail that is in no batch that waits: moved into the
    category, or left where we had filed it; None: put back into the inbox."""
    done, decision, batch = t.corrections.c, t.decisions.c, t.batches.c
    moved = tx.execute(
        select(done.id, t.messages.c.thread, done.to_category)
        .join(t.messages, t.messages.c.id == done.message_id)
        .outerjoin(t.batches, batch.id == done.batch_id)
        .where(t.messages.c.mailbox_id == mailbox, done.at > opened, done.voided.is_(None))
        .where(or_(done.batch_id.is_(None), batch.closed.is_not(None)))
    )
    let_be = tx.execute(
        select(decision.id, t.messages.c.thread, decision.category)
        .join(t.messages, t.messages.c.id == decision.message_id)
        .where(t.messages.c.mailbox_id == mailbox, decision.confirmed > opened, decision.category.is_not(None))
    )
    return [(f"c{row[0]}", row[1], row[2]) for row in moved] + [(f"d{row[0]}", row[1], row[2]) for row in let_be]


def later_lessons(tx: Tx, mailbox: int, opened: datetime) -> list[tuple[str, str, MailText]]:
    """(key, category, text) of what people's moves have taught since then and that counts. The keys are those of
    `later_words`."""
    lesson = t.lessons.c
    rows = tx.execute(
        select(t.corrections.c.id, lesson.category, lesson.text)
        .join(t.corrections, t.corrections.c.id == lesson.correction_id)
        .where(lesson.mailbox_id == mailbox, lesson.voided.is_(None), t.corrections.c.at > opened)
    )
    return [(f"c{row.id}", row.category, learning.mail_text(row.text)) for row in rows]


# --- how it ends


def accept(tx: Tx, mailbox: int, batch: int, now: datetime, because: str) -> int | None:
    """All of it counts from now on. Returns how many messages it was about; None: no such batch waits."""
    waiting = members(tx, mailbox, batch=batch)
    if not _close(tx, mailbox, batch, now, "accepted", because):
        return None
    for member in waiting:
        if member.text is not None and member.to_category is not None:
            learning.teach(
                tx,
                mailbox,
                member.to_category,
                member.text,
                member.moved,
                source="correction",
                message=member.message,
                thread=member.thread,
                correction=member.correction,
            )
        elif member.to_category is None:
            learning.void_lessons_of(tx, member.message, now)
    return len(waiting)


def void(tx: Tx, mailbox: int, batch: int, now: datetime, because: str) -> int | None:
    """Nothing of it counts, nor ever did. Returns how many messages it was about; None: no such batch waits."""
    waiting = members(tx, mailbox, batch=batch)
    if not _close(tx, mailbox, batch, now, "void", because):
        return None
    tx.execute(update(t.corrections).where(t.corrections.c.batch_id == batch).values(voided=now))
    return len(waiting)


def void_older(tx: Tx, mailbox: int, opened_before: datetime, now: datetime, because: str) -> list[int]:
    """Void what has waited since before then, and what has no messages any more. Returns the numbers."""
    still = [batch for batch in batches(tx, mailbox, waiting=False) if batch.closed is None]
    old = [batch.id for batch in still if batch.opened < opened_before or not batch.members]
    for batch in old:
        void(tx, mailbox, batch, now, because)
    return old


def _close(tx: Tx, mailbox: int, batch: int, now: datetime, outcome: str, because: str) -> bool:
    """No text waits any more. False: no such batch waits."""
    mine = (t.batches.c.mailbox_id == mailbox) & (t.batches.c.id == batch) & t.batches.c.closed.is_(None)
    values = {"closed": now, "outcome": outcome, "because": because}
    if not tx.execute(update(t.batches).where(mine).values(**values)).rowcount:
        return False
    tx.execute(update(t.corrections).where(t.corrections.c.batch_id == batch).values(text=None))
    scrub_after(tx)
    return True


def forget_texts(tx: Tx, corrections: Sequence[int]) -> None:
    """Delete what these would teach, and let them wait no more: somebody is to be forgotten."""
    for start in range(0, len(corrections), 500):
        which = t.corrections.c.id.in_(corrections[start : start + 500])
        tx.execute(update(t.corrections).where(which).values(text=None))
        scrub_after(tx)
