"""Twin folders: two categories that mean the same. Found by figures, told in words; what their mail does until then.

    what each folder and each pair shows | told apart at the wanted precision? never twins | reasons, or none
    when lessons came                    | has one of the two taken over?
    pairs as they stand                  | the answers of a model, a hint  ->  joined, left, or as they were

Names and dates alone never make twins: "Invoices" and "Invoices out" may well differ. It takes evidence of content:
held-out answers that take one for the other, copies on both sides, or the same senders where one ends and the other
begins.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

from daemon.model.prediction import Point, Prediction, TriedHint
from daemon.rules.thresholds import lower_bound
from daemon.store.records import TwinPair

LEAST_ANSWERS = 4
"""So many held-out answers of a folder must be about the pair before they say anything."""
LEAST_WRONG = 4
"""And so many must have taken one for the other."""
TOLD_APART = 0.8
"""What the smaller folder's own answers must reach besides, or a large one would hide it."""
CONFUSED, CONFUSED_LIKELY = 0.25, 0.15
"""The share taken for the other, on average of the two folders, with the doubt subtracted: one half is a coin tossed.
The lower one holds where names or dates point the same way."""
COPIES, COPIES_LIKELY = (3, 0.10), (2, 0.05)
"""(how many, which share of the smaller folder) lie in both, or nearly so."""
SHARED_SENDERS = 0.4
"""The share of each folder that comes from senders who write to both and hardly elsewhere."""
MOSTLY = 0.7
"""A sender writes hardly elsewhere if so much of their mail lies in the pair."""
LEAST_LESSONS = 5
NEAR_IN_TIME = timedelta(days=60)
EDGE = 0.1
"""So much of a folder may lie beyond the moment where one ends and the other begins."""
LEAST_RUN = 5
BEFORE = 20
"""So many lessons before the newest run tell how the two were used until then."""
NEARLY_ALL = 0.8
"""If the other had so much of them, it was the one in use until then; else the two were used side by side."""
NEWEST = 40
"""So many lessons of both say where the next one goes, if they are right as often as is wanted."""
CHANCE = 0.001
"""How improbable the run would have to be if people still used both as they did."""


@dataclass(frozen=True)
class Side:
    """A folder of a pair: its category, what people call it, and when its lessons came, oldest first."""

    uid: str
    name: str
    times: Sequence[datetime]


@dataclass(frozen=True)
class Answers:
    """Held-out lessons of two folders that were answered by one of the two: how many of each rightly, how many for the
    other. `elsewhere`: so many of both were taken for third ones."""

    one_right: int = 0
    one_wrong: int = 0
    other_right: int = 0
    other_wrong: int = 0
    elsewhere: int = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self.one_right + self.one_wrong + self.other_right + self.other_wrong

    @property
    def wrong(self) -> int:
        """How many took one for the other."""
        return self.one_wrong + self.other_wrong


NONE_ASKED = Answers()


@dataclass(frozen=True)
class Between:
    """What two folders share. `copies`: so many mails lie in both, or nearly the same; `senders`: so many lessons of
    each come from senders who write to both and hardly elsewhere."""

    copies: int = 0
    senders: tuple[int, int] = (0, 0)
    answers: Answers = NONE_ASKED


@dataclass(frozen=True)
class Lately:
    """Where people put the newest mail of two folders, and since when. `over`: it has taken over from the other, whose
    lessons count as its own; else there is only no sign that the next one will go elsewhere."""

    uid: str
    since: datetime
    over: bool


# --- are two folders twins?


def reasons(one: Side, other: Side, between: Between, wanted: float) -> tuple[str, ...]:
    """Why these two mean the same, each in words without names; none: they are no twins."""
    if is_told_apart(between.answers, wanted):
        return ()
    sign, follow = name_sign(one.name, other.name), follows(one.times, other.times)
    likely = sign is not None or follow is not None
    found = [*_confused(between.answers, likely, follow is not None), *_copied(one, other, between.copies, likely)]
    if follow is not None and _same_senders(one, other, between.senders):
        found.append("the same people write to both, and hardly elsewhere")
    if not found:
        return ()
    if follow is not None:
        ended, began = follow
        found.append(f"one ended about {ended:%Y-%m-%d}, and the other began about {began:%Y-%m-%d}")
    return (*found, *([sign] if sign is not None else []))


def is_told_apart(answers: Answers, wanted: float) -> bool:
    """Do held-out answers tell the two apart at the wanted precision, with enough of each to say so?"""
    sides = ((answers.one_right, answers.one_wrong), (answers.other_right, answers.other_wrong))
    if any(right + wrong < LEAST_ANSWERS or right < TOLD_APART * (right + wrong) for right, wrong in sides):
        return False
    return lower_bound(answers.count - answers.wrong, answers.count) >= wanted


def _confused(answers: Answers, likely: bool, follow: bool) -> list[str]:
    sides = ((answers.one_right, answers.one_wrong), (answers.other_right, answers.other_wrong))
    shares = [lower_bound(wrong, right + wrong) for right, wrong in sides if right + wrong >= LEAST_ANSWERS]
    # Where one has ended, only the other has newer lessons that could be asked about.
    if len(shares) < (1 if follow else 2) or answers.count < 2 * LEAST_ANSWERS:
        return []
    # Of a folder that is taken for any other, no single one is the twin.
    if answers.wrong < max(LEAST_WRONG, answers.elsewhere):
        return []
    if sum(shares) / len(shares) < (CONFUSED_LIKELY if likely else CONFUSED):
        return []
    return [f"of {answers.count} held-out answers about the two, {answers.wrong} took one for the other"]


def _copied(one: Side, other: Side, copies: int, likely: bool) -> list[str]:
    least, share = COPIES_LIKELY if likely else COPIES
    smaller = min(len(one.times), len(other.times))
    if copies < least or copies < share * smaller:
        return []
    return [f"{copies} mails lie in both, or nearly the same"]


def _same_senders(one: Side, other: Side, senders: tuple[int, int]) -> bool:
    return all(
        count >= max(LEAST_LESSONS, SHARED_SENDERS * len(side.times))
        for count, side in zip(senders, (one, other), strict=True)
    )


def name_sign(one: str, other: str) -> str | None:
    """What two names have in common, in words; None: nothing. Only ever a sign beside others."""
    first, second = _words(one), _words(other)
    if not first or not second:
        return None
    if first == second:
        return "both have the same name"
    if _bare(first) and _bare(first) == _bare(second):
        return "their names differ only by a year"
    short, long = sorted((first, second), key=len)
    inside = any(long[start : start + len(short)] == short for start in range(len(long) - len(short) + 1))
    return "one's name is part of the other's" if inside and len("".join(short)) > 2 else None


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", name).casefold()
    return re.findall(r"[^\W_]+", plain)


def _bare(words: Sequence[str]) -> list[str]:
    return [word for word in words if not re.fullmatch(r"(19|20)?\d\d", word)]


def follows(one: Sequence[datetime], other: Sequence[datetime]) -> tuple[datetime, datetime] | None:
    """(about when one ended, about when the other began), if nearly all of one came before nearly all of the other and
    not much time lies between; None: they do not follow one another. Both oldest first."""
    if min(len(set(one)), len(set(other))) < LEAST_LESSONS:
        return None
    for earlier, later in ((one, other), (other, one)):
        ended, began = _at(earlier, 1 - EDGE), _at(later, EDGE)
        gap = max(NEAR_IN_TIME, (earlier[-1] - earlier[0]) / 4)
        if ended <= began <= ended + gap and _at(earlier, EDGE) < _at(later, 1 - EDGE):
            return ended, began
    return None


def _at(times: Sequence[datetime], share: float) -> datetime:
    return times[round(share * (len(times) - 1))]


# --- which of the two do people use lately?


def lately(one: Side, other: Side, wanted: float) -> Lately | None:
    """Into which of the two people have put the newest mail, where that is clear.

    It has taken over where the run would hardly have come of using both as before. A run so long that the next is as
    sure to go there as is `wanted` says where mail belongs, and no more: a small folder beside a large one has such.
    """
    if not one.times or not other.times or one.times[-1] == other.times[-1]:
        return None
    used, left = (one, other) if one.times[-1] > other.times[-1] else (other, one)
    first = bisect_right(used.times, left.times[-1])
    run = len(used.times) - first
    if len(set(used.times[first:])) < LEAST_RUN:
        return None  # of what was taught at one moment, as rows of a file, all or nothing is lately
    # Of the lessons before the run the newest, the last of which is the other's.
    before = sorted([(moment, True) for moment in left.times] + [(moment, False) for moment in used.times[:first]])
    share = sum(is_left for _, is_left in before[-BEFORE:]) / len(before[-BEFORE:])
    over = (1 - share) ** run <= CHANCE and (share >= NEARLY_ALL or _is_unusually_silent(left, used.times[-1]))
    newest = sorted([(moment, True) for moment in left.times] + [(moment, False) for moment in used.times])[-NEWEST:]
    if not over and lower_bound(sum(not is_left for _, is_left in newest), len(newest)) < wanted:
        return None
    return Lately(used.uid, used.times[first], over)


def _is_unusually_silent(side: Side, until: datetime) -> bool:
    """Mail comes in bursts: has it had no lesson for twice as long as ever among its last?"""
    last = side.times[-BEFORE:]
    gaps = [later - earlier for earlier, later in pairwise(last)]
    return bool(gaps) and until - last[-1] > 2 * max(gaps)


# --- what a mailbox shows of all its folders


def held_out(points: Iterable[Point]) -> Counter[tuple[str, str]]:
    """How often a lesson of one category was answered with another, or with its own."""
    return Counter((point.category, point.predicted) for point in points)


def mistaken(counts: Mapping[tuple[str, str], int]) -> set[tuple[str, str]]:
    """Every two categories of which one was taken for the other."""
    return {pair(asked, said) for asked, said in counts if asked != said}


def answers_about(counts: Mapping[tuple[str, str], int], one: str, other: str) -> Answers:
    """The held-out answers about these two."""
    both = (one, other)
    elsewhere = sum(number for (asked, said), number in counts.items() if asked in both and said not in both)
    said = [counts.get(which, 0) for which in ((one, one), (one, other), (other, other), (other, one))]
    return Answers(said[0], said[1], said[2], said[3], elsewhere)


def shared_senders(lessons: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """From (category, sender) of each lesson: for every two categories so many lessons of each, in the pair's order,
    that come from senders who write to both and hardly elsewhere."""
    by_sender: dict[str, Counter[str]] = {}
    for category, sender in lessons:
        if sender:
            by_sender.setdefault(sender, Counter())[category] += 1
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for counts in by_sender.values():
        if len(counts) < 2:
            continue
        # No other two can hold most of it.
        (first, _), (second, _) = counts.most_common(2)
        both = pair(first, second)
        if counts[first] + counts[second] >= MOSTLY * counts.total():
            before = found.get(both, (0, 0))
            found[both] = (before[0] + counts[both[0]], before[1] + counts[both[1]])
    return found


def pair(one: str, other: str) -> tuple[str, str]:
    """Two categories in the order in which pairs are kept."""
    return (one, other) if one < other else (other, one)


# --- what becomes of mail


@dataclass(frozen=True)
class Twinned:
    """How the pairs of a mailbox stand. `counts_as`: the category in whose place another stands, or None where its mail
    went to several others; `open`: those whose pair nobody has decided, with the other one."""

    counts_as: Mapping[str, str | None] = field(default_factory=dict)
    open: Mapping[str, str] = field(default_factory=dict)

    def place_of(self, category: str) -> str:
        """Where mail of this category is filed."""
        return self.counts_as.get(category) or category

    def joined(self, prediction: Prediction | None) -> Prediction | None:
        """The answers of a model with those of a category added to those of the one that stands in its place."""
        if prediction is None or not any(self.counts_as.get(category) for category, _ in prediction.ranking):
            return prediction
        sums: dict[str, float] = {}
        for category, probability in prediction.ranking:
            place = self.place_of(category)
            sums[place] = min(1.0, sums.get(place, 0.0) + probability)
        # Sorting is stable, so equals keep the model's order.
        ranking = tuple(sorted(sums.items(), key=lambda answer: -answer[1]))
        newcomer = None if prediction.newcomer is None else self.place_of(prediction.newcomer)
        sureness = prediction.sureness
        if sureness is not None and self.place_of(prediction.ranking[0][0]) != ranking[0][0]:
            sureness = 1 - sureness  # it was stated of another answer; where that is right, this one is wrong
        return replace(prediction, ranking=ranking, newcomer=newcomer, sureness=sureness)

    def points(self, points: Sequence[Point]) -> Sequence[Point]:
        """Held-out answers in the same way: what took one for the other was right."""
        if not any(self.counts_as.values()):
            return points
        told = [(point, self.place_of(point.category), self.place_of(point.predicted)) for point in points]
        return [
            point._replace(category=category, predicted=said, correct=said == category)
            for point, category, said in told
        ]

    def tried(self, hints: Iterable[TriedHint]) -> tuple[TriedHint, ...]:
        """What became of hints, in the same way."""
        places = [(hint, hint.category and self.place_of(hint.category)) for hint in hints]
        return tuple(TriedHint(hint.kind, category, self.place_of(hint.predicted)) for hint, category in places)

    def without(self, categories: Collection[str]) -> frozenset[str]:
        """Those of these categories that stand for themselves."""
        return frozenset(category for category in categories if category not in self.counts_as)

    def why_left(self, category: str, names: Mapping[str, str]) -> str | None:
        """Why nothing is filed there, in words; None: nothing speaks against it."""
        if category in self.counts_as and self.counts_as[category] is None:
            return f"mail like that of {names.get(category)} goes to several other folders now ({ASK})"
        if (twin := self.open.get(category)) is None:
            return None
        return f"{names.get(category)} and {names.get(twin)} may mean the same, and nobody has decided yet ({ASK})"


ASK = "`postroom folders --twins`"


def in_words(counts_as: Mapping[str, str | None], names: Mapping[str, str]) -> list[str]:
    """Which folders' lessons do not count as their own: a sentence for each."""
    return [f"{names.get(old)}: {counts_elsewhere(place, names)}" for old, place in counts_as.items()]


def counts_elsewhere(place: str | None, names: Mapping[str, str]) -> str:
    """As what lessons count that do not count as their folder's own, in a sentence. None: mail went several ways."""
    if place is None:
        return f"Its mail goes to several other folders now, so its lessons teach nothing ({ASK})."
    return f"Its lessons count as those of {names.get(place)} ({ASK})."


def twinned(open_pairs: Iterable[TwinPair], counts_as: Mapping[str, str | None]) -> Twinned:
    """How mail is to be filed by pairs that nobody has decided, and by what lessons count as (`daemon.store.counting`).

    Of an open pair the one that people use lately stands for both.
    """
    asked: dict[str, str] = {}
    steps: dict[str, set[str]] = {}
    for pair in open_pairs:
        if pair.one in counts_as or pair.other in counts_as:
            continue  # that one is no folder of its own now
        if pair.lately is None:
            asked |= {pair.one: pair.other, pair.other: pair.one}
        else:
            steps.setdefault(pair.beside(pair.lately), set()).add(pair.lately)
    return Twinned({**counts_as, **{old: _end(old, steps) for old in steps}}, asked)


def _end(category: str, steps: Mapping[str, set[str]]) -> str | None:
    """Where all steps from this category end; nowhere if they go round, or to several."""
    seen, ahead = {category}, [*steps[category]]
    while ahead:
        here = ahead.pop()
        if here not in seen:
            seen.add(here)
            ahead += steps.get(here, ())
    ends = seen - steps.keys()
    return next(iter(ends)) if len(ends) == 1 else None
