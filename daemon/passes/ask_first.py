"""Bulk moves ask before they teach: which of the moves that have settled are parts of one, and when one is believed.

settled moves, those still settling, those recorded before | daemon.rules.bulk_moves -> BulkMove
recorded with its batch: no lesson, nothing taken back | what it had taught before it was known as one waits as well
a week later: does it stand, and does new mail agree?  -> accepted
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from daemon.model.near_duplicates import NearDuplicates
from daemon.passes.desk import Desk
from daemon.rules.addresses import shown_in
from daemon.rules.bulk_moves import A_WEEK, HISTORY, WINDOW, Moved, Standing, bulk_moves, is_believed
from daemon.store import batches
from daemon.store.database import Tx
from daemon.store.records import Batch

log = structlog.get_logger()

EVERY = timedelta(hours=6)
"""How often it is asked whether a bulk move may be believed."""
BY_ITSELF = "it stood for a week, and people filed new mail like it in the same way"


@dataclass(frozen=True)
class Put:
    """A person put one message somewhere: `key` names it among others, `place` is the folder."""

    key: int
    place: str
    who: str | None
    moved: datetime
    since: datetime | None


@dataclass
class BulkMove:
    """One bulk move. `batch`: in which it waits; None: it has not been opened. `taught`: corrections that were recorded
    before it was known as one."""

    place: str
    who: str | None
    batch: int | None
    taught: list[int] = field(default_factory=list)


def parts_of_bulk_moves(tx: Tx, desk: Desk, settled: Sequence[Put], coming: Sequence[Put]) -> dict[int, BulkMove]:
    """Which of the moves that have `settled` are parts of a bulk move, by key. `coming`: those that still settle."""
    kinds: dict[tuple[str, str | None], list[Put]] = defaultdict(list)
    for put in settled:
        kinds[put.place, put.who].append(put)
    found: dict[int, BulkMove] = {}
    for (place, who), puts in kinds.items():
        more = [put for put in coming if (put.place, put.who) == (place, who)]
        found |= _of_one_kind(tx, desk, place, who, puts, more)
    return found


def _of_one_kind(
    tx: Tx, desk: Desk, place: str, who: str | None, settled: Sequence[Put], coming: Sequence[Put]
) -> dict[int, BulkMove]:
    first = min(put.moved for put in settled)
    known = batches.recorded(tx, desk.mailbox_id, place, who, first - HISTORY)
    near = [move for move in known if move.moved >= first - 2 * WINDOW]
    history = [move.moved for move in known if not move.asked and not move.voided]
    puts = [*settled, *coming]
    moves = [Moved(put.moved, put.since) for put in puts] + [Moved(move.moved, move.since) for move in near]
    found: dict[int, BulkMove] = {}
    for places in bulk_moves(moves, history):
        recorded = [near[at - len(puts)] for at in places if at >= len(puts)]
        batch = next((move.batch for move in recorded if move.asked), None)
        bulk = BulkMove(place, who, batch)
        bulk.taught += [move.correction for move in recorded if move.batch is None and not move.voided]
        found |= {settled[at].key: bulk for at in places if at < len(settled)}
    return found


def let_wait(tx: Tx, desk: Desk, bulk: BulkMove) -> int:
    """The number of the batch in which this bulk move waits, opened if need be. What it has taught waits as well."""
    now = desk.clock()
    if bulk.batch is None:
        bulk.batch = batches.open_batch(tx, desk.mailbox_id, bulk.place, bulk.who, now)
        log.warning("bulk-move-waits", mailbox=desk.settings.name, batch=bulk.batch)
    for correction in bulk.taught:
        batches.take_in(tx, desk.mailbox_id, bulk.batch, correction, now)
    bulk.taught.clear()
    return bulk.batch


# --- believed without a word


def believe_now_and_then(desk: Desk) -> None:
    """Accept the bulk moves that have stood a week with new mail agreeing; asked a few times a day."""
    now = desk.clock()
    if desk.believed is not None and timedelta() <= now - desk.believed < EVERY:
        return
    with desk.database.read() as tx:
        old = [batch for batch in batches.batches(tx, desk.mailbox_id) if now - batch.opened >= A_WEEK]
        ready = [batch for batch in old if is_believed(_standing(tx, desk, batch), now)]
    for batch in ready:
        with desk.database.begin() as tx:
            count = batches.accept(tx, desk.mailbox_id, batch.id, now, BY_ITSELF)
        log.info("bulk-move-accepted", mailbox=desk.settings.name, batch=batch.id, count=count, status="by itself")
    desk.believed = now


def _standing(tx: Tx, desk: Desk, batch: Batch) -> Standing:
    """How it has fared. Mail is like it that comes of the same thread or sender, or nearly repeats one of its texts."""
    waiting = batches.members(tx, desk.mailbox_id, batch=batch.id)
    threads = {member.thread for member in waiting if member.thread is not None}
    near, senders = NearDuplicates(), set[str]()
    for member in waiting:
        if member.text is not None:
            near.add(member.correction, member.text, "this", member.moved)
            senders.update(shown_in(member.text.sender))
    words = batches.later_words(tx, desk.mailbox_id, batch.opened)
    said = {key: word for key, thread, word in words if thread in threads}
    for key, category, text in batches.later_lessons(tx, desk.mailbox_id, batch.opened):
        if senders & set(shown_in(text.sender)) or near.near(text):
            said[key] = category
    agree = sum(word == batch.category for word in said.values())
    return Standing(batch.opened, batch.members, batch.lying, agree, len(said) - agree)
