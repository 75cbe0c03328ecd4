"""What each category has to learn from, and whether mail stays in its folder."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from daemon.store import tables as t
from daemon.store.database import Tx


def lesson_sources(tx: Tx, mailbox: int) -> dict[str, list[tuple[str, int, datetime]]]:
    """For each category, (source, how many, the newest's date) of the lessons that count, commonest source first."""
    lesson = t.lessons.c
    rows = tx.execute(
        select(lesson.category, lesson.source, func.count().label("number"), func.max(lesson.at).label("newest"))
        .where(lesson.mailbox_id == mailbox, lesson.voided.is_(None))
        .group_by(lesson.category, lesson.source)
        .order_by(func.count().desc(), lesson.source)
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
