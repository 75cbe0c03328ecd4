"""What each category has to learn from, whether mail stays in its folder, and what two of them share."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, or_, select

from daemon.store import sharing
from daemon.store import tables as t
from daemon.store.database import Tx


def lesson_sources(tx: Tx, mailbox: int) -> dict[str, list[tuple[str, int, datetime]]]:
    """For each category, (source, how many, the newest's date) of the lessons that count, commonest source first. The
    source of another mailbox's, where they are shared, is "shared"."""
    lesson = t.lessons.c
    source = case((lesson.mailbox_id == mailbox, lesson.source), else_="shared").label("source")
    rows = tx.execute(
        select(lesson.category, source, func.count().label("number"), func.max(lesson.at).label("newest"))
        .where(sharing.heard(mailbox), lesson.voided.is_(None))
        .group_by(lesson.category, source)
        .order_by(func.count().desc(), source)
    )
    found: dict[str, list[tuple[str, int, datetime]]] = {}
    for row in rows:
        found.setdefault(row.category, []).append((row.source, row.number, row.newest))
    return found


def passed_through(tx: Tx, mailbox: int, within: timedelta, newest: int = 5000) -> dict[str, tuple[int, int]]:
    """For each folder, how many of the newest messages were seen in it, and how many of these left it `within`."""
    seen = t.sightings
    rows = tx.execute(
        select(seen.c.folder, seen.c.message_id, seen.c.seen, seen.c.gone)
        .where(seen.c.mailbox_id == mailbox)
        .order_by(seen.c.id.desc())
        .limit(newest)
    )
    stays: dict[tuple[str, int], bool] = {}
    for row in rows:  # one that came back is there
        stayed = row.gone is None or row.gone - row.seen > within
        stays[row.folder, row.message_id] = stays.get((row.folder, row.message_id), False) or stayed
    found: dict[str, tuple[int, int]] = {}
    for (folder, _message), stayed in stays.items():
        ever, left = found.get(folder, (0, 0))
        found[folder] = ever + 1, left + (not stayed)
    return found


def lessons_as_filed(tx: Tx, mailbox: int) -> list[tuple[str, datetime, str]]:
    """(category, when, sender) of every lesson that is kept, under the category into which people filed it."""
    lesson = t.lessons.c
    rows = tx.execute(
        select(lesson.category, lesson.at, func.json_extract(lesson.text, "$.sender"))
        .where(lesson.mailbox_id == mailbox, lesson.voided.is_(None))
        .order_by(lesson.at, lesson.id)
    )
    return [(category, at, sender or "") for category, at, sender in rows]


def copies_in_two(tx: Tx, mailbox: int) -> dict[tuple[str, str], int]:
    """For every two categories, in order, how many mails lie in both: the lesson that came later stands for both, and
    no person has moved the mail there from the other."""
    earlier, later = t.lessons.alias(), t.lessons.alias()
    rows = tx.execute(
        select(earlier.c.category, later.c.category, func.count())
        .join(later, later.c.id == earlier.c.replaced_by)
        .where(
            earlier.c.mailbox_id == mailbox,
            later.c.category != earlier.c.category,
            later.c.correction_id.is_(None),
            or_(later.c.message_id.is_(None), later.c.message_id != earlier.c.message_id),
        )
        .group_by(earlier.c.category, later.c.category)
    )
    found: dict[tuple[str, str], int] = {}
    for one, other, number in rows:
        both = (one, other) if one < other else (other, one)
        found[both] = found.get(both, 0) + number
    return found


def same_text_in_two(tx: Tx, mailbox: int) -> dict[tuple[str, str], int]:
    """For every two categories, in order, how many texts lie in both, word for word, as lessons of their own."""
    lesson = t.lessons.c
    # Each text once a category: thousands of one form letter in both would else be joined each with each.
    texts = (
        select(lesson.category, lesson.fingerprint)
        .where(lesson.mailbox_id == mailbox, lesson.voided.is_(None))
        .distinct()
    )
    one, other = texts.subquery(), texts.subquery()
    rows = tx.execute(
        select(one.c.category, other.c.category, func.count())
        .join(other, and_(one.c.fingerprint == other.c.fingerprint, one.c.category < other.c.category))
        .group_by(one.c.category, other.c.category)
    )
    return {(first, second): number for first, second, number in rows}
