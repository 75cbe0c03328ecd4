"""As which category a lesson counts. The one place that knows: whoever learns from lessons asks
`daemon.store.learning`, which asks here, so that training, memory, threads and thresholds all mean the same.

    a person said that two folders are one      both count as the one that stays
    "new mail goes here"                        the other's lessons count as that one's, and those that come later not
    one has clearly taken over from the other   the same as of one, until somebody uses the other again
    a folder's mail goes to several others now  its lessons teach nothing

Lessons themselves stay as people made them, so that a choice can be changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, not_, select, true

from daemon.store import sharing, twin_pairs
from daemon.store import tables as t
from daemon.store.database import Tx
from daemon.store.records import TwinPair


@dataclass(frozen=True)
class Place:
    """Lessons of `category` count as `counts_as` (None: they teach nothing), and none that came after `until`."""

    category: str
    counts_as: str | None
    until: datetime | None = None


@dataclass(frozen=True)
class Counting:
    """The categories of a mailbox whose lessons do not count as their own."""

    places: tuple[Place, ...] = ()
    pairs: tuple[tuple[int, str | None], ...] = ()
    """Every pair there is with what was said of it, whatever follows from that."""

    def place(self, category: str) -> str:
        """The category as which a lesson that teaches counts."""
        found = next((place.counts_as for place in self.places if place.category == category), None)
        return found or category

    def by_category(self) -> dict[str, str | None]:
        """As what each of them counts."""
        return {place.category: place.counts_as for place in self.places}

    def teaches(self) -> ColumnElement[bool]:
        """Of lessons: does it teach anything?"""
        lesson = t.lessons.c
        left_out = [
            lesson.category == place.category
            if place.counts_as is None
            else (lesson.category == place.category) & (lesson.at > place.until)
            for place in self.places
            if place.counts_as is None or place.until is not None
        ]
        return and_(true(), *(not_(which) for which in left_out))


def counting(tx: Tx, mailbox: int) -> Counting:
    """As the pairs of this mailbox, or of its lender, stand now."""
    pairs = twin_pairs.pairs(tx, mailbox)
    if not pairs:
        return Counting()
    category, folder, teacher = t.categories.c, t.folders.c, sharing.teacher(mailbox)
    paused = set(
        tx.execute(select(category.uid).where(category.mailbox_id == teacher, category.paused.is_not(None))).scalars()
    )
    gone = set(
        tx.execute(
            select(category.uid)
            .join(t.folders, (folder.mailbox_id == category.mailbox_id) & (folder.name == category.folder))
            .where(category.mailbox_id == teacher, folder.missing_since.is_not(None))
        ).scalars()
    )
    return Counting(places(pairs, paused, gone), tuple((pair.id, pair.choice) for pair in pairs))


def places(pairs: Sequence[TwinPair], paused: AbstractSet[str], gone: AbstractSet[str]) -> tuple[Place, ...]:
    """What follows from these pairs. `paused`: categories into which nothing is filed; `gone`: those whose folder is.

    A category that is gone may have been merged away, so its lessons go on to count; nothing counts as one that is not
    in use. What a person said goes before what was found, and what was said last before what was said earlier.
    """
    said: dict[str, Place] = {}
    found: dict[str, set[str]] = {}
    for pair in sorted(pairs, key=lambda pair: pair.chosen or pair.since):
        if pair.choice in ("merge", "here") and pair.into is not None and pair.into not in paused:
            old = pair.beside(pair.into)
            if old in _reached(pair.into, {one: {place.counts_as or one} for one, place in said.items()}):
                del said[pair.into]  # of a circle the one stays that was said last
            said[old] = Place(old, pair.into, pair.chosen if pair.choice == "here" else None)
        elif pair.choice is None and pair.over and pair.lately is not None and pair.lately not in paused:
            old = pair.beside(pair.lately)
            if old not in paused or old in gone:
                found.setdefault(old, set()).add(pair.lately)
    targets = found | {old: {place.counts_as} for old, place in said.items() if place.counts_as is not None}
    for stays in sorted({place.counts_as or old for old, place in said.items()} - said.keys()):
        if stays in targets and stays in _reached(stays, targets):
            del targets[stays]  # nor does what was found turn round what was said
    made = []
    for old in targets:
        ends = _reached(old, targets) - targets.keys()  # of those that go round none counts
        if ends:
            until = said[old].until if old in said else None
            made.append(Place(old, next(iter(ends)) if len(ends) == 1 else None, until))
    return tuple(sorted(made, key=lambda place: place.category))


def _reached(start: str, targets: Mapping[str, set[str]]) -> set[str]:
    """All to which steps lead from this category: itself only where they go round."""
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        for step in targets.get(ahead.pop(), set()) - reached:
            reached.add(step)
            ahead.append(step)
    return reached
