"""Look for folders that mean the same: before and after every training, and when folders were learnt from.

lessons as filed, copies, senders, held-out answers | daemon.rules.twins, for pairs that share anything
-> the pairs that are kept: new ones, those that answers tell apart gone, and which of two people use lately
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from daemon.model.prediction import Point
from daemon.rules.addresses import shown_in
from daemon.rules.twins import (
    Between,
    Lately,
    Side,
    answers_about,
    held_out,
    is_told_apart,
    lately,
    mistaken,
    pair,
    reasons,
    shared_senders,
)
from daemon.store import folder_figures, learning, mailboxes, sharing, training, twin_pairs
from daemon.store.database import Database, Tx
from daemon.store.records import TwinPair

log = structlog.get_logger()

COMPLETE = ("promoted", "kept", "nothing")
"""The trainings that have compared all lessons."""
Pair = tuple[str, str]


@dataclass(frozen=True)
class _Found:
    """A pair as it stands by what is known now; `why` empty: they are no twins."""

    both: Pair
    why: tuple[str, ...]
    used: Lately | None = None

    def is_news(self, known: Mapping[Pair, TwinPair]) -> bool:
        """Does it differ from what is kept?"""
        kept = known.get(self.both)
        used = (None, False) if self.used is None else (self.used.uid, self.used.over)
        return kept is None or (kept.why, kept.lately, kept.over) != (self.why, *used)


def find_twins(database: Database, mailbox: int, points: Sequence[Point], wanted: float, now: datetime) -> int:
    """Bring the pairs up to date; `points` are a model's held-out answers. Returns how many are new.

    Raises StoreError.
    """
    with database.read() as tx:
        mailbox = sharing.teacher_of(tx, mailbox)
        known = {(kept.one, kept.other): kept for kept in twin_pairs.pairs(tx, mailbox)}
        found = [now_found for now_found in _found(tx, mailbox, points, wanted, known) if now_found.is_news(known)]
    if not found:
        return 0
    with database.begin() as tx:
        for one in found:
            if one.why:
                used = (None, None, False) if one.used is None else (one.used.uid, one.used.since, one.used.over)
                twin_pairs.save(tx, mailbox, one.both, one.why, used, now)
            else:
                twin_pairs.remove(tx, mailbox, known[one.both].id)
        name = mailboxes.name_of(tx, mailbox)
    new = sum(one.both not in known for one in found)
    if new:
        log.warning("twins-found", mailbox=name, count=new)
    return new


def _found(
    tx: Tx, mailbox: int, points: Sequence[Point], wanted: float, known: Mapping[Pair, TwinPair]
) -> list[_Found]:
    """Every pair that stands, or that is kept and stands no more; none that a person has decided.

    Only pairs that share something are looked at, however many folders there are.
    """
    asked = {both for both, kept in known.items() if kept.choice is None}
    lessons = folder_figures.lessons_as_filed(tx, mailbox)
    sides = _sides(tx, mailbox, lessons)
    senders = shared_senders((category, _address(sender)) for category, _, sender in lessons if category in sides)
    copies, counts = _copies(tx, mailbox), held_out(points)
    found = []
    for one, other in sorted({*senders, *copies, *mistaken(counts), *asked} - ({*known} - asked)):
        if one not in sides or other not in sides:
            continue
        both, answers = (one, other), answers_about(counts, one, other)
        between = Between(copies.get(both, 0), senders.get(both, (0, 0)), answers)
        why = reasons(sides[one], sides[other], between, wanted)
        if not why and both in asked and not is_told_apart(answers, wanted):
            why = known[both].why  # what was found out stands until answers speak against it
        if why or both in asked:
            found.append(_Found(both, why, lately(sides[one], sides[other], wanted) if why else None))
    return found


def _sides(tx: Tx, mailbox: int, lessons: Sequence[tuple[str, datetime, str]]) -> dict[str, Side]:
    """The categories that are in use, with their lessons' dates."""
    times: dict[str, list[datetime]] = defaultdict(list)
    for category, at, _ in lessons:
        times[category].append(at)
    return {
        category.uid: Side(category.uid, category.name, times[category.uid])
        for category in mailboxes.categories(tx, mailbox)
        if category.paused is None
    }


def _address(sender: str) -> str:
    return next(iter(shown_in(sender)), sender.strip().lower())


def _copies(tx: Tx, mailbox: int) -> dict[Pair, int]:
    """How many mails lie in both of two categories: word for word, or nearly, as the last training found them."""
    found = folder_figures.copies_in_two(tx, mailbox)
    same = folder_figures.same_text_in_two(tx, mailbox)
    near = next((run.contradictions for run in training.runs(tx, mailbox, 50) if run.outcome in COMPLETE), ())
    known = learning.lessons_named(tx, mailbox, (one for both in near for one in both), as_filed=True)
    alike: dict[Pair, tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
    for first, second in near:
        if first in known and second in known and known[first].category != known[second].category:
            both = pair(known[first].category, known[second].category)
            for lesson in (first, second):
                alike[both][known[lesson].category == both[1]].add(lesson)
    for both in {*alike, *same}:  # what is the same is alike, too
        one, other = alike[both]
        found[both] = found.get(both, 0) + max(min(len(one), len(other)), same.get(both, 0))
    return found
