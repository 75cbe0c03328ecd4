"""Corrections and lessons. The models made of them: `training.py`; as which category a lesson counts: `counting.py`.

Whatever gives lessons gives those that teach, under the category as which they count, of all mailboxes that share
(`sharing.py`); `as_filed` gives all that are kept of this one, under the category into which people filed them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, delete, func, insert, or_, select, update

from connectors.base import MailText
from daemon.store import decisions, files_later, sharing, twin_pairs
from daemon.store import tables as t
from daemon.store.counting import Counting, counting
from daemon.store.database import Database, Tx, new_id, scrub_after
from daemon.store.records import Correction, CorrectionKind, Lesson
from daemon.store.restoring import restore, step_over

MOST_OF_A_THREAD = 200
"""Messages of one thread that are looked through for a lesson, the newest."""
LESSONS_OF_A_THREAD = 20
"""Of them the newest say where it lies, and who takes part."""
LESSONS_A_PAGE = 500
AS_FILED = Counting()
"""Every lesson counts as the category into which people filed its mail."""

# --- corrections


def add_correction(
    tx: Tx,
    message: int,
    now: datetime,
    kind: CorrectionKind,
    *,
    from_category: str | None,
    to_category: str | None,
    from_folder: str | None,
    to_folder: str,
    who: str | None,
    decision: int | None,
    moved: datetime | None = None,
    since: datetime | None = None,
    sighting: int | None = None,
) -> int:
    """Record that a person put this message somewhere. Returns the correction's id.

    `moved`: when that was, as far as is known, and `since`: no earlier. `sighting`: the place that was judged.
    """
    result = tx.execute(
        insert(t.corrections).values(
            message_id=message,
            at=now,
            kind=kind,
            from_category=from_category,
            to_category=to_category,
            from_folder=from_folder,
            to_folder=to_folder,
            who=who,
            decision_id=decision,
            moved=moved,
            since=since,
            sighting_id=sighting,
        )
    )
    return new_id(result)


def corrections(tx: Tx, mailbox: int, *, since: datetime | None = None, message: int | None = None) -> list[Correction]:
    """What people did, oldest first, voided ones included."""
    waits = and_(t.batches.c.id.is_not(None), t.batches.c.closed.is_(None))
    query = (
        select(t.corrections, waits.label("waits"))
        .join(t.messages, t.messages.c.id == t.corrections.c.message_id)
        .outerjoin(t.batches, t.batches.c.id == t.corrections.c.batch_id)
        .where(t.messages.c.mailbox_id == mailbox)
        .order_by(t.corrections.c.id)
    )
    if since is not None:
        query = query.where(t.corrections.c.at >= since)
    if message is not None:
        query = query.where(t.corrections.c.message_id == message)
    return [
        Correction(
            row["id"],
            row["message_id"],
            row["at"],
            row["kind"],
            row["from_category"],
            row["to_category"],
            row["from_folder"],
            row["to_folder"],
            row["who"],
            row["voided"],
            row["batch_id"],
            bool(row["waits"]),
        )
        for row in tx.execute(query).mappings()
    ]


def text_that_waits(tx: Tx, correction: int) -> MailText | None:
    """What this correction will teach, if it is a part of a bulk move that waits."""
    text = tx.execute(select(t.corrections.c.text).where(t.corrections.c.id == correction)).scalar()
    return None if text is None else mail_text(text)


def void_correction(tx: Tx, mailbox: int, correction: int, now: datetime) -> bool:
    """Take a correction back: its lesson and the text of that are gone, and the lesson which that had replaced counts
    again. False if there is no such correction."""
    found = next((entry for entry in corrections(tx, mailbox) if entry.id == correction and entry.voided is None), None)
    if found is None:
        return False
    withdraw(tx, correction, now)
    void_lessons_from(tx, found, now)
    return True


def withdraw(tx: Tx, correction: int, now: datetime) -> None:
    """This correction does not stand: it counts for nothing, and leaves the bulk move that it was a part of. One that
    has lost all is over."""
    mine = t.corrections.c.id == correction
    batch = tx.execute(select(t.corrections.c.batch_id).where(mine)).scalar()
    tx.execute(update(t.corrections).where(mine).values(voided=now, text=None, batch_id=None))
    scrub_after(tx)
    others = select(t.corrections.c.id).where(t.corrections.c.batch_id == batch).exists()
    over = {"closed": now, "outcome": "taken back", "because": "people put all of it elsewhere again"}
    tx.execute(update(t.batches).where(t.batches.c.id == batch, t.batches.c.closed.is_(None), ~others).values(**over))


def void_lessons_from(tx: Tx, correction: Correction, now: datetime) -> None:
    """Take back what this correction taught, or what taught the same of its message before. What a later one has taught
    since stays, and what this one had replaced comes back in the end."""
    lesson = t.lessons.c
    taught = or_(
        lesson.correction_id == correction.id,
        (lesson.correction_id.is_(None))
        & (lesson.message_id == correction.message)
        & (lesson.category == correction.to_category),
    )
    replaced = tx.execute(select(lesson.id).where(taught, lesson.replaced_by.is_not(None))).scalars().all()
    for one in replaced:
        step_over(tx, one)
    _take_back(tx, taught, now)


# --- lessons


def fingerprint(text: MailText) -> str:
    """sha256 of the cleaned text, hex: tells the same mail again, whether its files were read or not."""
    own = stored(replace(text, attached_text=""))
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def teach(
    tx: Tx,
    mailbox: int,
    category: str,
    text: MailText,
    at: datetime,
    *,
    source: str,
    message: int | None = None,
    thread: str | None = None,
    weight: float = 1.0,
    correction: int | None = None,
    papers: int = 0,
) -> bool:
    """Add a lesson. The latest one about a mail and its copies wins; those before it keep no text.

    A row of a file is of no mail: there the same text is the same lesson, as it is where the mail comes later. Two
    mails that say the same are two lessons: where people put them apart, that text tells nothing.
    `correction`: the move that says so. `papers`: the way in which its files were read, 0 if they were not. False if
    exactly this was known; then it gets what its files say, if that was not known.
    """
    print_ = fingerprint(text)
    about = t.lessons.c.fingerprint == print_
    if message is not None:
        about = or_(
            and_(about, t.lessons.c.message_id.is_(None)),
            t.lessons.c.message_id == message,
            t.lessons.c.message_id.in_(_copies(mailbox, message)),
        )
    known = tx.execute(
        select(
            *(t.lessons.c.id, t.lessons.c.category, t.lessons.c.message_id, t.lessons.c.voided),
            *(t.lessons.c.fingerprint, t.lessons.c.papers),
        ).where(t.lessons.c.mailbox_id == mailbox, about)
    ).all()
    same = [row for row in known if row.voided is None]
    if taught := [row for row in same if row.category == category]:
        for row in taught:
            if row.fingerprint == print_ and row.papers < papers:
                files_later.put(tx, mailbox, row.id, text.attached_text, papers)
        return False
    again = message is not None and any(row.message_id == message and row.category == category for row in known)
    if source == "folder" and (again or not _stands(tx, message, category)):
        # It lies where it lay when somebody took the lesson back; only a new move by a person would teach it again.
        return False
    before = t.lessons.c.id.in_([row.id for row in same])
    _void(tx, before, at)
    result = tx.execute(
        insert(t.lessons).values(
            mailbox_id=mailbox,
            message_id=message,
            category=category,
            text=stored(text),
            fingerprint=print_,
            thread=thread,
            at=at,
            weight=weight,
            source=source,
            correction_id=correction,
            papers=papers,
        )
    )
    tx.execute(update(t.lessons).where(before).values(replaced_by=new_id(result)))
    twin_pairs.used(tx, mailbox, category, at)
    return True


def _stands(tx: Tx, message: int | None, category: str) -> bool:
    """Nobody has taken back the move of this message into the category, and it is not asked about."""
    done, batch = t.corrections.c, t.batches.c
    row = tx.execute(
        select(done.voided, done.batch_id, batch.closed)
        .outerjoin(t.batches, batch.id == done.batch_id)
        .where(done.message_id == message, done.to_category == category)
        .order_by(done.id.desc())
        .limit(1)
    ).one_or_none()
    return row is None or (row.voided is None and (row.batch_id is None or row.closed is not None))


def _copies(mailbox: int, message: int) -> Select[tuple[int]]:
    """The other copies of the same mail, which came by a list or as CC."""
    m = t.messages
    origin = select(m.c.origin).where(m.c.id == message).scalar_subquery()
    return select(m.c.id).where(m.c.mailbox_id == mailbox, m.c.origin == origin)


def void_lesson(tx: Tx, mailbox: int, lesson: int, now: datetime) -> bool:
    """Take one lesson back: its text is gone, and the lesson that it had replaced counts again. False if there is no
    such lesson, or it is void."""
    return bool(_take_back(tx, (t.lessons.c.mailbox_id == mailbox) & (t.lessons.c.id == lesson), now))


def _take_back(tx: Tx, which: ColumnElement[bool], now: datetime, but_of: int | None = None) -> int:
    """Void these lessons and restore what they had replaced, but nothing that the message `but_of` taught."""
    rows = tx.execute(select(t.lessons).where(which, t.lessons.c.voided.is_(None))).mappings().all()
    _void(tx, t.lessons.c.id.in_([row["id"] for row in rows]), now)
    decisions.forget_files_of(tx, [row["message_id"] for row in rows if row["message_id"] is not None])
    for row in rows:
        restore(tx, row, but_of=but_of)
    return len(rows)


def _void(tx: Tx, which: ColumnElement[bool], now: datetime) -> int:
    """Take these lessons back: they teach nothing any more. What stays says that there was one, of which category, and
    until when."""
    nothing = {"voided": now, "text": {}, "fingerprint": "", "thread": None}
    number = int(tx.execute(update(t.lessons).where(which, t.lessons.c.voided.is_(None)).values(**nothing)).rowcount)
    if number:
        scrub_after(tx)
    return number


def older_than(tx: Tx, mailbox: int, oldest: datetime) -> tuple[int, int]:
    """(how many of the lessons that count are from before `oldest`, how many count)."""
    lesson = t.lessons.c
    mine = select(func.count()).select_from(t.lessons).where(lesson.mailbox_id == mailbox, lesson.voided.is_(None))
    return int(tx.execute(mine.where(lesson.at < oldest)).scalar_one()), int(tx.execute(mine).scalar_one())


def expire(tx: Tx, mailbox: int, oldest: datetime | None, most: int) -> int:
    """Delete the lessons from before `oldest`, and of each category all but the newest `most`. Returns how many. None:
    whatever their age.

    Those of the frozen exam are the last of their category to go, but they grow old like all others.
    """
    lesson = t.lessons.c
    rank = func.row_number().over(
        partition_by=lesson.category, order_by=(lesson.frozen.desc(), lesson.at.desc(), lesson.id.desc())
    )
    ranked = (
        select(lesson.id, rank.label("rank")).where(lesson.mailbox_id == mailbox, lesson.voided.is_(None)).subquery()
    )
    beyond = lesson.id.in_(select(ranked.c.id).where(ranked.c.rank > most))
    which = beyond if oldest is None else or_(lesson.at < oldest, beyond)
    return _delete(tx, (lesson.mailbox_id == mailbox) & which)


def delete_lessons(tx: Tx, lesson_ids: Sequence[int]) -> int:
    """Delete these lessons altogether. Returns how many there were."""
    return sum(
        _delete(tx, t.lessons.c.id.in_(lesson_ids[start : start + 500])) for start in range(0, len(lesson_ids), 500)
    )


def _delete(tx: Tx, which: ColumnElement[bool]) -> int:
    number = int(tx.execute(delete(t.lessons).where(which)).rowcount)
    if number:
        scrub_after(tx)
    return number


def lessons_of(tx: Tx, message: int) -> list[Lesson]:
    """What this message taught, oldest first, voided lessons included."""
    query = select(t.lessons).where(t.lessons.c.message_id == message).order_by(t.lessons.c.id)
    return [_lesson(row) for row in tx.execute(query).mappings()]


def lessons_named(tx: Tx, mailbox: int, ids: Iterable[int], *, as_filed: bool = False) -> dict[int, Lesson]:
    """The lessons with these ids that still count."""
    wanted, taught = sorted(set(ids)), AS_FILED if as_filed else counting(tx, mailbox)
    found: dict[int, Lesson] = {}
    for start in range(0, len(wanted), 500):
        query = select(t.lessons).where(
            sharing.heard(mailbox),
            t.lessons.c.voided.is_(None),
            taught.teaches(),
            t.lessons.c.id.in_(wanted[start : start + 500]),
        )
        found.update((row["id"], _lesson(row, taught)) for row in tx.execute(query).mappings())
    return found


def void_lessons_of(tx: Tx, message: int, now: datetime) -> int:
    """Forget what this message taught: it lies in no category any more. What others had taught of the same mail before
    counts again. Returns how many lessons were taken back."""
    return _take_back(tx, t.lessons.c.message_id == message, now, but_of=message)


def void_lessons(tx: Tx, lesson_ids: Sequence[int], now: datetime) -> None:
    """Take these lessons back: they teach nothing any more."""
    for start in range(0, len(lesson_ids), 500):
        which = t.lessons.c.id.in_(lesson_ids[start : start + 500])
        told = select(t.lessons.c.message_id).where(which, t.lessons.c.message_id.is_not(None))
        decisions.forget_files_of(tx, tx.execute(told).scalars().all())
        _void(tx, which, now)


def stored(text: MailText) -> dict[str, Any]:
    """A text as it is stored: MailText's fields, without that of files where there is none."""
    fields = asdict(text)
    return fields if text.attached_text else {key: fields[key] for key in fields if key != "attached_text"}


def mail_text(row: Mapping[str, Any]) -> MailText:
    """A text that was `stored`. Raises Unreadable."""
    try:
        return MailText(**{**row, "attachments": tuple(row.get("attachments", ()))})
    except (TypeError, AttributeError):
        raise t.Unreadable("a stored text") from None


def _lesson(row: RowMapping, taught: Counting = AS_FILED) -> Lesson:
    return Lesson(
        row["id"],
        row["message_id"],
        taught.place(row["category"]),
        mail_text(row["text"]),
        row["thread"],
        row["at"],
        row["weight"],
        row["source"],
        row["frozen"],
        row["voided"],
    )


def every_lesson(
    database: Database, mailbox: int, up_to: int | None = None, *, as_filed: bool = False
) -> Iterator[Lesson]:
    """All lessons that count, by id, up to one: a page at a time, so that neither memory nor the database is held for
    100,000 of them."""
    last = 0
    while True:
        with database.read() as tx:
            page = lessons(tx, mailbox, after=last, up_to=up_to, oldest=LESSONS_A_PAGE, as_filed=as_filed)
        if not page:
            return
        yield from page
        last = max(lesson.id for lesson in page)


def lessons(
    tx: Tx,
    mailbox: int,
    *,
    after: int = 0,
    up_to: int | None = None,
    newest: int | None = None,
    oldest: int | None = None,
    as_filed: bool = False,
) -> list[Lesson]:
    """The lessons that count, oldest first: with `after`, those with a higher id; with `up_to`, none beyond it; with
    `newest`, the last so many by id; with `oldest`, the first so many."""
    taught = AS_FILED if as_filed else counting(tx, mailbox)
    whose = t.lessons.c.mailbox_id == mailbox if as_filed else sharing.heard(mailbox)
    query = select(t.lessons).where(whose, t.lessons.c.voided.is_(None), taught.teaches(), t.lessons.c.id > after)
    if up_to is not None:
        query = query.where(t.lessons.c.id <= up_to)
    if newest is not None:
        query = query.order_by(t.lessons.c.id.desc()).limit(newest)
    elif oldest is not None:
        query = query.order_by(t.lessons.c.id).limit(oldest)
    found = [_lesson(row, taught) for row in tx.execute(query).mappings()]
    return sorted(found, key=lambda lesson: (lesson.at, lesson.id))


def lesson_ids(tx: Tx, mailbox: int, *, since: int = 0) -> set[int]:
    """The ids, from `since` on, of the lessons that count."""
    where = sharing.heard(mailbox) & t.lessons.c.voided.is_(None) & (t.lessons.c.id >= since)
    where &= counting(tx, mailbox).teaches()
    return set(tx.execute(select(t.lessons.c.id).where(where)).scalars())


def newest_lessons(tx: Tx, mailbox: int, category: str, limit: int) -> list[Lesson]:
    """The newest lessons that people filed into one category, newest first."""
    lesson = t.lessons.c
    query = (
        select(t.lessons)
        .where(lesson.mailbox_id == mailbox, lesson.category == category, lesson.voided.is_(None))
        .order_by(lesson.at.desc(), lesson.id.desc())
        .limit(limit)
    )
    return [_lesson(row) for row in tx.execute(query).mappings()]


def lesson_counts(tx: Tx, mailbox: int) -> dict[str, int]:
    """How many lessons each category has."""
    taught = counting(tx, mailbox)
    rows = tx.execute(
        select(t.lessons.c.category, func.count())
        .where(sharing.heard(mailbox), t.lessons.c.voided.is_(None), taught.teaches())
        .group_by(t.lessons.c.category)
    )
    counts: Counter[str] = Counter()
    for category, number in rows:
        counts[taught.place(category)] += number
    return dict(counts)


def lesson_state(tx: Tx, mailbox: int) -> tuple[int, int]:
    """(highest lesson id ever, how many are kept): changes with whatever people teach or take back."""
    highest = tx.execute(select(func.max(t.lessons.c.id)).where(sharing.heard(mailbox))).scalar()
    where = sharing.heard(mailbox) & t.lessons.c.voided.is_(None)
    return int(highest or 0), int(tx.execute(select(func.count()).select_from(t.lessons).where(where)).scalar_one())


def lessons_since(tx: Tx, mailbox: int, lesson: int) -> int:
    """How many lessons came after this one."""
    where = sharing.heard(mailbox) & (t.lessons.c.id > lesson) & t.lessons.c.voided.is_(None)
    return int(tx.execute(select(func.count()).select_from(t.lessons).where(where)).scalar_one())


def count_up_to(tx: Tx, mailbox: int, lesson: int) -> int:
    """How many of the lessons up to this one count still. It only ever falls."""
    where = sharing.heard(mailbox) & (t.lessons.c.id <= lesson) & t.lessons.c.voided.is_(None)
    return int(tx.execute(select(func.count()).select_from(t.lessons).where(where)).scalar_one())


def freeze(tx: Tx, mailbox: int, lesson_ids: Iterable[int]) -> None:
    """Put these lessons into the frozen exam for good."""
    ids = list(lesson_ids)
    where = sharing.heard(mailbox)
    for start in range(0, len(ids), 500):
        tx.execute(update(t.lessons).where(where, t.lessons.c.id.in_(ids[start : start + 500])).values(frozen=True))


def of_thread(tx: Tx, mailbox: int, ancestors: Sequence[str], thread: str | None) -> list[Lesson]:
    """The newest lessons from the same thread, the latest last: where people put earlier messages of it.

    By date, not in the order in which they were taught: folders are learnt from one after the other, newest mail first.
    """
    m, lesson = t.messages.c, t.lessons.c
    # Each question by an index of its own: as one, SQLite reads every lesson there is for a mail without a thread.
    questions: list[ColumnElement[bool]] = [m.rfc_id.in_(ancestors)] if ancestors else []
    if thread is not None:
        questions.append(m.thread == thread)
    members: set[int] = set()
    for question in questions:
        latest = select(m.id).where(m.mailbox_id == mailbox, question).order_by(m.arrived.desc(), m.id.desc())
        members.update(tx.execute(latest.limit(MOST_OF_A_THREAD)).scalars())
    if not members:
        return []
    taught = counting(tx, mailbox)
    query = select(t.lessons).where(lesson.message_id.in_(sorted(members)), lesson.voided.is_(None), taught.teaches())
    newest = query.order_by(lesson.at.desc(), lesson.id.desc()).limit(LESSONS_OF_A_THREAD)
    return [_lesson(row, taught) for row in tx.execute(newest).mappings()][::-1]
