"""A lesson that is taken back brings back the one in whose place it stood.

    lesson replaced   -> its text goes at once; its row says by which lesson    (`daemon.store.learning.teach`)
    that one ended    -> the row counts again, as a new lesson: the same mail, so the same text

No text is kept for it: both are about one mail, its copies, or the same text. It is a new row with a new number, for
models, memory and `forget` know what counts by numbers that only grow.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, insert, select, update

from daemon.store import tables as t
from daemon.store.database import Tx, new_id


def restore(tx: Tx, gone: RowMapping, *, but_of: int | None = None) -> int | None:
    """Let the lesson count again that `gone` had replaced. Returns its new id; None: it had replaced none.

    `gone`: the row as it was while it counted. `but_of`: a message that lies in no category any more, so that none of
    its own lessons comes back; what it had replaced of others does. Of several the latest word comes back.
    """
    ids: Sequence[int] = [gone["id"]]
    while ids:
        lesson = t.lessons.c
        found = tx.execute(select(t.lessons).where(lesson.replaced_by.in_(ids)).order_by(lesson.id.desc())).mappings()
        rows = list(found)
        tx.execute(update(t.lessons).where(lesson.replaced_by.in_(ids)).values(replaced_by=None))
        others = [row for row in rows if but_of is None or row["message_id"] != but_of]
        if others:
            return _again(tx, others[0], gone)
        ids = [row["id"] for row in rows]
    return None


def _again(tx: Tx, row: RowMapping, gone: RowMapping) -> int:
    thread = select(t.messages.c.thread).where(t.messages.c.id == row["message_id"])
    kept = {key: row[key] for key in ("mailbox_id", "message_id", "category", "at", "weight", "source", "frozen")}
    values = {
        **kept,
        "correction_id": row["correction_id"],
        "text": gone["text"],
        "fingerprint": gone["fingerprint"],
        "papers": gone["papers"],
        "thread": tx.execute(thread).scalar(),
    }
    again = new_id(tx.execute(insert(t.lessons).values(**values)))
    tx.execute(update(t.lessons).where(t.lessons.c.replaced_by == row["id"]).values(replaced_by=again))
    return again


def step_over(tx: Tx, lesson: int) -> None:
    """This lesson, which another has replaced, shall not come back: what it had replaced itself comes in its place."""
    by = tx.execute(select(t.lessons.c.replaced_by).where(t.lessons.c.id == lesson)).scalar()
    tx.execute(update(t.lessons).where(t.lessons.c.replaced_by == lesson).values(replaced_by=by))
    tx.execute(update(t.lessons).where(t.lessons.c.id == lesson).values(replaced_by=None))
