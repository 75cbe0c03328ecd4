"""Mailboxes that share: one lends categories, codebook, models and nights, and the others are its members.

    teacher(mailbox)   whose categories, codebook, models and trainings count there: the lender's, or its own
    heard(mailbox)     which lessons count there: of the whole group, as far as the lender knows their category

This is the one place that knows. Folders, messages, decisions, corrections and lessons stay rows of the mailbox that
they came from, so deleting and forgetting need to know nothing of it. A member's category has the uid of the lender's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, delete, func, or_, select, update

from daemon.store import tables as t
from daemon.store.database import Tx

UNCOUNTED = -1
"""The lessons of a training whose group has changed since."""
_TEACHER, _MEMBER, _KNOWN = t.mailboxes.alias(), t.mailboxes.alias(), t.categories.alias()
"""Made once, as an alias takes a copy of every column: these stand in nearly every question. Two for mailboxes, since a
question within another must not mean the other's row."""


def teacher(mailbox: int | ColumnElement[Any]) -> ScalarSelect[Any]:
    """The id of the mailbox whose categories, codebook, models and trainings count in this one."""
    box = _TEACHER.c
    return select(func.coalesce(box.lender, box.id)).where(box.id == mailbox).scalar_subquery()


def members(mailbox: int) -> Select[Any]:
    """The ids of all that share with this one, its own among them."""
    box = _MEMBER.c
    return select(box.id).where(func.coalesce(box.lender, box.id) == teacher(mailbox))


def heard(mailbox: int) -> ColumnElement[bool]:
    """Of lessons: does it count in this mailbox, if it counts at all? What a member filed into a folder of its own, of
    which the lender knows nothing, counts in no group."""
    lesson, category = t.lessons.c, _KNOWN.c
    known = select(category.uid).where(category.mailbox_id == teacher(mailbox))
    ours = or_(lesson.mailbox_id == teacher(mailbox), lesson.category.in_(known))
    return and_(lesson.mailbox_id.in_(members(mailbox)), ours)


def teacher_of(tx: Tx, mailbox: int) -> int:
    """The lender's id, or its own."""
    return int(tx.execute(select(teacher(mailbox))).scalar_one())


def lender_of(tx: Tx, mailbox: int) -> int | None:
    """The lender's id; None: it shares with nobody, or is the lender."""
    found = teacher_of(tx, mailbox)
    return None if found == mailbox else found


def teacher_name(tx: Tx, mailbox: int) -> str:
    """By what name its models lie in their folder and on a model server."""
    return str(tx.execute(select(t.mailboxes.c.name).where(t.mailboxes.c.id == teacher(mailbox))).scalar_one())


def lender_name(tx: Tx, mailbox: int) -> str | None:
    """What the lender is called; None: it shares with nobody, or is the lender."""
    return None if lender_of(tx, mailbox) is None else teacher_name(tx, mailbox)


def group(tx: Tx, mailbox: int) -> dict[int, str]:
    """By id the names of all that share with this one, its own among them."""
    found = tx.execute(select(t.mailboxes.c.id, t.mailboxes.c.name).where(t.mailboxes.c.id.in_(members(mailbox))))
    return {row.id: row.name for row in found}


def borrow(tx: Tx, mailbox: int, lender: int | None) -> None:
    """From now on this mailbox is a member of the lender's; None: it is on its own again. Lessons stay what they are.

    Its own codes and pairs of folders end with its own models, whose files the caller has removed. Of no model of the
    two groups can be proved any more whose mail it never saw (`forget`), nor of one that is being made just now.
    """
    groups = (members(mailbox), members(mailbox if lender is None else lender))
    for ids in groups:
        tx.execute(update(t.training_runs).where(t.training_runs.c.mailbox_id.in_(ids)).values(lessons=UNCOUNTED))
    if lender is not None:
        for table in (t.codebook, t.twins):
            tx.execute(delete(table).where(table.c.mailbox_id == mailbox))
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(lender=lender))


def part(tx: Tx, mailbox: int) -> None:
    """This mailbox shares with nobody any more, neither as a member nor as the lender."""
    leaving = [mailbox] if lender_of(tx, mailbox) is not None else group(tx, mailbox).keys() - {mailbox}
    for one in leaving:
        borrow(tx, one, None)


def rename_category(tx: Tx, mailbox: int, old: str, new: str) -> None:
    """What this mailbox has called `old` is the lender's category `new`: lessons, decisions and corrections follow."""
    theirs = select(t.messages.c.id).where(t.messages.c.mailbox_id == mailbox)
    category = t.categories.c
    there = (category.mailbox_id == mailbox) & (category.uid == new)
    here = (category.mailbox_id == mailbox) & (category.uid == old)
    if tx.execute(select(category.id).where(there)).first() is None:
        tx.execute(update(t.categories).where(here).values(uid=new))
    else:
        if (said := tx.execute(select(category.mode).where(here)).scalar()) is not None:
            tx.execute(update(t.categories).where(there).values(mode=said))
        tx.execute(delete(t.categories).where(here))
    tx.execute(
        update(t.lessons).where(t.lessons.c.mailbox_id == mailbox, t.lessons.c.category == old).values(category=new)
    )
    places: Mapping[Any, tuple[str, ...]] = {
        t.decisions: ("category", "best", "runner_up"),
        t.corrections: ("from_category", "to_category"),
    }
    for table, columns in places.items():
        for name in columns:
            which = table.c.message_id.in_(theirs) & (table.c[name] == old)
            tx.execute(update(table).where(which).values({name: new}))
