"""Lessons whose files were not read when they were taught, or in an older way: what they say is put in later.

The lesson stays the same one, with its number: it is the same mail. So whoever remembers lessons asks for `reread`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from daemon.store import sharing
from daemon.store import tables as t
from daemon.store.database import Tx

A_PAGE = 500


@dataclass(frozen=True)
class Unread:
    """A lesson whose files may not have been read. `text`: as it is stored."""

    lesson: int
    message: int | None
    text: dict[str, Any]


def unread(tx: Tx, mailbox: int, papers: int) -> list[Unread]:
    """The newest lessons that count and whose files were not read in the way `papers`: a page of them."""
    lesson = t.lessons.c
    rows = tx.execute(
        select(lesson.id, lesson.message_id, lesson.text)
        .where(lesson.mailbox_id == mailbox, lesson.voided.is_(None), lesson.papers < papers)
        .order_by(lesson.id.desc())
        .limit(A_PAGE)
    )
    return [Unread(row.id, row.message_id, row.text) for row in rows]


def put(tx: Tx, mailbox: int, lesson: int, attached_text: str, papers: int) -> bool:
    """What the files of this lesson's mail say, read in the way `papers`; "" changes no text. False: it counts no more,
    or they said so before."""
    which = (t.lessons.c.id == lesson) & (t.lessons.c.mailbox_id == mailbox) & t.lessons.c.voided.is_(None)
    text = tx.execute(select(t.lessons.c.text).where(which)).scalar()
    if text is None:
        return False
    more = {"attached_text": attached_text} if attached_text else {}
    tx.execute(update(t.lessons).where(which).values(papers=papers, text={**text, **more}))
    if {**text, **more} == text:
        return False
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(reread=t.mailboxes.c.reread + 1))
    return True


def done(tx: Tx, lessons: Sequence[int], papers: int) -> None:
    """There is nothing to be read of these, or it is not to be had: they are not asked about again."""
    for start in range(0, len(lessons), A_PAGE):
        which = t.lessons.c.id.in_(lessons[start : start + A_PAGE])
        tx.execute(update(t.lessons).where(which).values(papers=papers))


def reread(tx: Tx, mailbox: int) -> int:
    """How often a lesson has got the text of its files later, here and wherever lessons are shared."""
    return int(
        tx.execute(
            select(func.sum(t.mailboxes.c.reread)).where(t.mailboxes.c.id.in_(sharing.members(mailbox)))
        ).scalar_one()
    )
