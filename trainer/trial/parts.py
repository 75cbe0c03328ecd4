"""Which examples are learnt, which say when to stop, and which are judged by: 70, 15 and 15 of a hundred.

    groups (what belongs together, near-identical texts) | by date: the newest judge | else drawn, category by category
    | or a part of its own to judge by  ->  Parts, in which no group is on both sides of the judging

A random draw flatters where mail changes with time, so dates decide as soon as every example has one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.training.order import Lesson
from trainer.dataset import spread_in_time, stratified

SHARE = 0.15
"""Of all examples: to judge by, and as many to stop by."""


@dataclass(frozen=True)
class Parts:
    """Rows of the examples. `left_out`: they repeat what stands on the other side."""

    learnt: tuple[int, ...]
    stop: tuple[int, ...]
    judged: tuple[int, ...]
    by_time: bool = False
    left_out: tuple[int, ...] = ()

    @property
    def taught(self) -> tuple[int, ...]:
        """All that a model may see, in the examples' order."""
        return tuple(sorted((*self.learnt, *self.stop)))


def divide(lessons: Sequence[Lesson], groups: Sequence[int], given: int, doubtful: frozenset[int], seed: int) -> Parts:
    """The parts of these examples, of which the last `given` are a part of their own to judge by; 0: none is.

    `doubtful` rows are never judged by: nobody knows their category for certain. Deterministic by the seed.
    """
    if given:
        first = len(lessons) - given
        own = tuple(row for row in range(first, len(lessons)) if row not in doubtful)
        asked = {groups[row] for row in own}
        rest = [row for row in range(first) if groups[row] not in asked]
        repeats = tuple(row for row in range(first) if groups[row] in asked)
        stop = set(_drawn(lessons, groups, rest, SHARE * len(rest), frozenset(), seed))
        return Parts(tuple(row for row in rest if row not in stop), tuple(sorted(stop)), own, False, repeats)
    everything = list(range(len(lessons)))
    count = SHARE * len(everything)
    if dated(lessons):
        return _by_time(lessons, groups, doubtful)
    judged = _drawn(lessons, groups, everything, count, doubtful, seed)
    chosen = set(judged)
    rest = [row for row in everything if row not in chosen]
    stop = set(_drawn(lessons, groups, rest, count, frozenset(), seed + 1))
    return Parts(tuple(row for row in rest if row not in stop), tuple(sorted(stop)), tuple(judged))


def dated(lessons: Sequence[Lesson]) -> bool:
    """Has every example a date, and do these say anything?"""
    times = [lesson.at.timestamp() for lesson in lessons if lesson.at is not None]
    return len(times) == len(lessons) and spread_in_time(times)


def _by_time(lessons: Sequence[Lesson], groups: Sequence[int], doubtful: frozenset[int]) -> Parts:
    """The groups with the newest members judge, the next newest say when to stop.

    A long one (a newsletter's hundred issues) would take all that there is to learn of it along: of such only the older
    part is learnt, and the rest left out.
    """
    order = sorted(range(len(lessons)), key=lambda row: (lessons[row].when, row))
    members: dict[int, list[int]] = defaultdict(list)
    for row in order:
        members[groups[row]].append(row)
    count = SHARE * len(order)
    recent = set(order[-round(count) :])
    long = {group for group, rows in members.items() if len(rows) > max(3, count / 3)}
    waiting = [group for group in dict.fromkeys(groups[row] for row in order) if group not in long]
    place = {row: at for at, row in enumerate(order)}
    waiting.sort(key=lambda group: place[members[group][-1]])
    sides: list[list[int]] = [[], []]
    for side in sides:
        while waiting and len(side) < count:
            side += members[waiting.pop()]
    judged, stop = sides
    left_out = [row for group in long for row in members[group] if row in recent]
    learnt = [row for group in (*waiting, *long) for row in members[group] if group not in long or row not in recent]
    kept = [row for row in judged if row not in doubtful]
    return Parts(tuple(sorted(learnt)), tuple(sorted(stop)), tuple(sorted(kept)), True, tuple(sorted(left_out)))


def _drawn(
    lessons: Sequence[Lesson],
    groups: Sequence[int],
    rows: Sequence[int],
    count: float,
    never: frozenset[int],
    seed: int,
) -> list[int]:
    """Rows of whole groups, of every category its share; the last group of a category is never taken."""
    members: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        members[groups[row]].append(row)
    categories = {group: lessons[members[group][0]].category for group in sorted(members)}
    ranked = stratified(categories, seed)
    last = {categories[group]: group for group in ranked}
    found: list[int] = []
    for group in ranked:
        if len(found) >= count:
            break
        if (
            group != last[categories[group]]
            and never.isdisjoint(members[group])
            and len(members[group]) <= max(3, count / 3)
        ):
            found += members[group]
    return sorted(found)
