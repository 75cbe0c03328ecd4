"""Models and training runs: which versions there are, which one is in use, how every training ended. Where mailboxes
share, all of this is the lender's, whichever of them is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import Select, bindparam, insert, select, true, update

from daemon.store import sharing
from daemon.store import tables as t
from daemon.store.database import Tx, new_id
from daemon.store.learning import lessons_since
from daemon.store.records import INTERRUPTED, ModelRecord, TrainingRun

# --- models


def add_model(
    tx: Tx,
    mailbox: int,
    version: str,
    folder: str,
    now: datetime,
    *,
    state: Literal["kept", "rejected"],
    verdict: str,
    exam: dict[str, Any],
    run: int | None = None,
) -> None:
    """Register a finished model, made by training `run`. It is not in use until it is promoted."""
    tx.execute(
        insert(t.models).values(
            mailbox_id=mailbox,
            version=version,
            folder=folder,
            state=state,
            created=now,
            verdict=verdict,
            exam=exam,
            run=run,
        )
    )


def models(tx: Tx, mailbox: int) -> list[ModelRecord]:
    """All models, newest first."""
    rows = tx.execute(_models(), {"mailbox": mailbox}).mappings()
    return [
        ModelRecord(
            row["version"],
            row["folder"],
            row["state"],
            row["created"],
            row["promoted"],
            row["verdict"],
            row["exam"],
            row["withdrawn"],
            row["withdrawn_because"],
            row["run"],
        )
        for row in rows
    ]


@cache
def _models() -> Select[Any]:
    return (
        select(t.models)
        .where(t.models.c.mailbox_id == sharing.teacher(bindparam("mailbox")))
        .order_by(t.models.c.id.desc())
    )


def withdrawn_model(found: Sequence[ModelRecord]) -> ModelRecord | None:
    """The model that was taken out of use by itself and that no later one has beaten yet."""
    current = next((model for model in found if model.state == "current"), None)
    since = None if current is None else current.promoted
    taken_back = [model for model in found if model.withdrawn is not None and since is not None]
    newest = max(taken_back, key=lambda model: model.withdrawn or model.created, default=None)
    return newest if newest is not None and since is not None and (newest.withdrawn or since) >= since else None


def current_model(tx: Tx, mailbox: int) -> ModelRecord | None:
    """The model in use."""
    return next((model for model in models(tx, mailbox) if model.state == "current"), None)


def promote(tx: Tx, mailbox: int, version: str, now: datetime) -> bool:
    """Put this model into use; the one before becomes `previous`. One transaction: there is always exactly one.

    False, and nothing is changed, if it is in use already: it is not its own predecessor.
    """
    current = current_model(tx, mailbox)
    if current is not None and current.version == version:
        return False
    mine = t.models.c.mailbox_id == sharing.teacher(mailbox)
    tx.execute(update(t.models).where(mine, t.models.c.state == "previous").values(state="kept"))
    tx.execute(update(t.models).where(mine, t.models.c.state == "current").values(state="previous"))
    values = {"state": "current", "promoted": now, "withdrawn": None, "withdrawn_because": None}
    tx.execute(update(t.models).where(mine, t.models.c.version == version).values(**values))
    return True


def withdraw(tx: Tx, mailbox: int, now: datetime, because: str) -> None:
    """Note that the model which has just become `previous` was bad: `rollback` must not return to it."""
    bad = (t.models.c.mailbox_id == sharing.teacher(mailbox)) & (t.models.c.state == "previous")
    tx.execute(update(t.models).where(bad).values(state="rejected", withdrawn=now, withdrawn_because=because))


def mark_removed(tx: Tx, mailbox: int, version: str) -> None:
    """Note that the model's files are gone; the record stays."""
    where = (t.models.c.mailbox_id == sharing.teacher(mailbox)) & (t.models.c.version == version)
    tx.execute(update(t.models).where(where).values(state="removed"))


# --- training runs


def start_run(tx: Tx, mailbox: int, now: datetime, lesson_count: int, newest: int) -> int:
    """Record that a training begins. Returns the run's id."""
    result = tx.execute(
        insert(t.training_runs).values(mailbox_id=mailbox, started=now, lessons=lesson_count, newest_lesson=newest)
    )
    return new_id(result)


def end_run(
    tx: Tx,
    run: int,
    now: datetime,
    outcome: str,
    verdict: str,
    report: Sequence[str] = (),
    contradictions: Sequence[Sequence[int]] = (),
) -> None:
    """A training has ended: promoted, kept, nothing, failed or interrupted, and why in a sentence.

    `report` is what it found out about the lessons, `contradictions` pairs of lesson ids.
    """
    found = {"sentences": list(report), "contradictions": [list(pair) for pair in contradictions]}
    values = {"ended": now, "outcome": outcome, "verdict": verdict, "report": found}
    tx.execute(update(t.training_runs).where(t.training_runs.c.id == run).values(**values))


def runs(tx: Tx, mailbox: int, limit: int | None = 20, until: datetime | None = None) -> list[TrainingRun]:
    """The latest training runs, newest first; `limit` None: all there are. `until`: none that began after that, which
    a clock that was ahead has left behind."""
    began = t.training_runs.c.started
    rows = tx.execute(
        select(t.training_runs)
        .where(
            t.training_runs.c.mailbox_id == sharing.teacher(mailbox), began <= until if until is not None else true()
        )
        .order_by(t.training_runs.c.id.desc())
        .limit(limit)
    ).mappings()
    return [
        TrainingRun(
            row["id"],
            row["started"],
            row["ended"],
            row["outcome"],
            row["verdict"],
            row["lessons"],
            row["newest_lesson"],
            tuple((row["report"] or {}).get("sentences", ())),
            tuple((first, second) for first, second in (row["report"] or {}).get("contradictions", ())),
        )
        for row in rows
    ]


def some_have_no_end(tx: Tx) -> bool:
    """Does a training work now, or did one die?"""
    return (
        tx.execute(select(t.training_runs.c.id).where(t.training_runs.c.ended.is_(None)).limit(1)).first() is not None
    )


RUNS_JUDGED = 30
"""So many runs, the newest, tell how the nights go."""


def fresh_lessons(tx: Tx, mailbox: int, usable: bool = True) -> int:
    """How many lessons came after the last training that learnt something.

    `usable`: is there a model in use that can be used? Where there was one, all lessons are new to the next.
    """
    if not usable and any(model.promoted is not None for model in models(tx, mailbox)):
        return lessons_since(tx, mailbox, 0)
    where = (t.training_runs.c.mailbox_id == sharing.teacher(mailbox)) & t.training_runs.c.outcome.in_(
        ("promoted", "kept")
    )
    newest = select(t.training_runs.c.newest_lesson).where(where).order_by(t.training_runs.c.id.desc()).limit(1)
    return lessons_since(tx, mailbox, int(tx.execute(newest).scalar() or 0))


def interrupt_runs(tx: Tx, now: datetime, mailbox: int | None = None) -> int:
    """End the runs that have no end, of one mailbox or of all: if no training of it works now, their process died.
    Returns how many."""
    mine = t.training_runs.c.mailbox_id == mailbox if mailbox is not None else true()
    values = {"ended": now, "outcome": "interrupted", "verdict": INTERRUPTED}
    endless = update(t.training_runs).where(mine, t.training_runs.c.ended.is_(None))
    return int(tx.execute(endless.values(**values)).rowcount)
