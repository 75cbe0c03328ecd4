"""What became of decisions: confirmed, because people left the mail where it was, or corrected by a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, or_, select, update

from connectors.base import MessageRef
from daemon.store import tables as t
from daemon.store.database import Tx
from daemon.store.records import DecisionSource, HintKind

MODEL: tuple[DecisionSource, ...] = ("model",)
HINTS: tuple[DecisionSource, ...] = ("thread", "memory")
"""Sources of decisions: the trained model, and what people did with a mail's like."""


@dataclass(frozen=True)
class Filing:
    """A message that we filed and that nobody has put under another category. `place`: where it lies; None: it left.
    `tags`: what we tagged it with, in small letters."""

    decision: int
    folder: str
    place: MessageRef | None
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """What the model liked best, how much, and where the message belongs (None: not there). `hint`: what it was filed
    by instead; then `predicted` is what that said. `sureness`: as the model stated it; None: it stated no more than the
    probability."""

    predicted: str
    probability: float
    truth: str | None
    hint: HintKind | None = None
    sureness: float | None = None


def unconfirmed(tx: Tx, mailbox: int, since: datetime, until: datetime) -> list[Filing]:
    """What we moved or tagged between these moments, not as another copy, and nobody has corrected or confirmed yet."""
    decision, action, place = t.decisions, t.actions, t.sightings
    corrected = select(t.corrections.c.message_id).where(t.corrections.c.message_id == decision.c.message_id)
    one = t.taggings.alias()
    newest = select(func.max(one.c.id)).where(one.c.message_id == decision.c.message_id).scalar_subquery()
    tagged = action.c.to_folder == action.c.from_folder  # it stayed where everybody reads it
    rows = tx.execute(
        select(decision.c.id, place.c.folder, place.c.epoch, place.c.uid, place.c.gone, t.taggings.c.tags)
        .select_from(
            decision.join(action, action.c.decision_id == decision.c.id)
            .join(t.messages, t.messages.c.id == decision.c.message_id)
            .join(place, and_(place.c.message_id == decision.c.message_id, place.c.folder == action.c.to_folder))
            .outerjoin(t.taggings, and_(tagged, t.taggings.c.id == newest, t.taggings.c.ours))
        )
        .where(
            t.messages.c.mailbox_id == mailbox,
            decision.c.confirmed.is_(None),
            decision.c.source.in_((*MODEL, *HINTS)),
            decision.c.category.is_not(None),
            action.c.kind == "sort",
            action.c.state == "done",
            action.c.ended >= since,
            action.c.ended <= until,
            or_(and_(~tagged, place.c.ours), and_(tagged, t.taggings.c.id.is_not(None))),
            ~corrected.exists(),
        )
        .order_by(decision.c.id, place.c.id)
    )
    found: dict[int, Filing] = {}
    for row in rows:
        lies = None if row.gone is not None else MessageRef(row.folder, row.epoch, row.uid)
        if row.tags != []:  # else we took the tag off again
            found[row.id] = Filing(row.id, row.folder, lies, frozenset(row.tags or ()))
    elsewhere = _lying_elsewhere(tx, [key for key, filing in found.items() if filing.place is None])
    return [filing for key, filing in found.items() if key not in elsewhere]


def _lying_elsewhere(tx: Tx, decisions: Sequence[int]) -> set[int]:
    """Of these, the decisions whose message lies in a folder that we watch: its new place has yet to be judged."""
    found: set[int] = set()
    for start in range(0, len(decisions), 500):
        found.update(
            tx.execute(
                select(t.decisions.c.id)
                .join(t.sightings, t.sightings.c.message_id == t.decisions.c.message_id)
                .where(t.decisions.c.id.in_(decisions[start : start + 500]), t.sightings.c.gone.is_(None))
            ).scalars()
        )
    return found


def confirm(tx: Tx, decisions: Sequence[int], now: datetime) -> None:
    """Note that people left these where we had put them."""
    for start in range(0, len(decisions), 500):
        where = t.decisions.c.id.in_(decisions[start : start + 500])
        tx.execute(update(t.decisions).where(where).values(confirmed=now))


def known(
    tx: Tx, mailbox: int, since: datetime, newest: int, sources: Collection[DecisionSource] = MODEL
) -> list[Outcome]:
    """The decisions of these sources whose outcome is known, newest first. A correction counts more than a
    confirmation; one in a bulk move that waits for a person's word counts for nothing yet."""
    asked = {"mailbox": mailbox, "since": since, "sources": list(sources), "most": 2 * newest}
    rows = tx.execute(_known(), asked)
    found: dict[int, Outcome] = {}
    for row in rows:  # of several corrections the last one counts
        truth = row.category if row.correction is None else row.to_category
        said = Outcome(row.best, row.probability, truth, sureness=row.sureness)
        if row.hint is not None:
            said = Outcome(row.category, 1.0, truth, HintKind(*row.hint))
        found.setdefault(row.id, said)
    return list(found.values())[:newest]


@cache
def _known() -> Select[Any]:
    # Put together once: three times a mailbox it was a fifth of what `status --json` took.
    decision, correction = t.decisions.c, t.corrections.c
    waiting = select(t.batches.c.id).where(t.batches.c.closed.is_(None))
    counts = and_(correction.voided.is_(None), or_(correction.batch_id.is_(None), correction.batch_id.not_in(waiting)))
    return (
        select(
            decision.id,
            decision.best,
            decision.category,
            decision.probability,
            decision.hint,
            decision.sureness,
            correction.id.label("correction"),
            correction.to_category,
        )
        .join(t.messages, t.messages.c.id == decision.message_id)
        .outerjoin(t.corrections, and_(correction.decision_id == decision.id, counts))
        .where(
            # As a sum, which no index answers: SQLite read all messages of the mailbox for every decision.
            t.messages.c.mailbox_id + 0 == bindparam("mailbox"),
            decision.at >= bindparam("since"),
            decision.source.in_(bindparam("sources", expanding=True)),
            or_(decision.hint.is_not(None), decision.probability.is_not(None)),
            or_(decision.confirmed.is_not(None), correction.id.is_not(None)),
        )
        .order_by(decision.id.desc(), correction.id.desc())
        .limit(bindparam("most"))
    )
