"""What people did with mail like this one: the same thread, or nearly the same text; and when that is enough to file.

    lessons of the thread, or near copies  ->  a hint: one folder, and what kind of hint it is
    such hints before, asked of lessons and of what was filed: how many were right?  ->  it files, or only warns

A hint is evidence like any other. On one real mailbox threads were right 99 times in 100 and near copies always, on
another near copies in two of three: copies of one mail lay where it was filed twice (docs/experiments.md). So nobody is
believed before the mailbox itself has shown it, and what was shown of one kind says nothing of another.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from connectors.base import MailText
from daemon.model.prediction import TriedHint
from daemon.rules.addresses import in_domains, shown_in
from daemon.rules.thresholds import BORROWED, lower_bound
from daemon.store.records import HintKind

if TYPE_CHECKING:
    from daemon.model.near_duplicates import NearCopy

SAME = 0.999
"""An overlap of near copies that leaves no word of difference."""
AGES = ((timedelta(days=1), "within a day"), (timedelta(days=14), "within two weeks"))
OLDER = "later"
ENOUGH = 10
"""So many hints of one kind and age speak for themselves. Of fewer, those of any age speak; they may only object."""

_STEPS = tuple(step / 100 for step in range(50, 100))


@dataclass(frozen=True)
class Hint:
    """Where people put this mail's like."""

    category: str
    kind: HintKind
    reason: str


@dataclass(frozen=True)
class Filed:
    """A lesson as a hint needs it: where it was put, when it came, and who takes part (`correspondents`)."""

    category: str
    at: datetime
    correspondents: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Grounds:
    """How many hints of a kind were asked, and how many of them were right."""

    kind: HintKind
    right: int
    count: int
    enough: bool
    """For the precision that was wanted, and for this category."""

    @property
    def words(self) -> str:
        """For `why`."""
        if not self.count:
            return "this has not been tried on this mailbox yet"
        return f"this was right {self.right} of {self.count} times"


def correspondents(text: MailText) -> frozenset[str]:
    """The addresses of a mail's sender and of those whom it shows as recipients, in small letters, and the mailing list
    by which it came (List-Id, RFC 2919): all of that list take part in its threads."""
    return frozenset([*shown_in(f"{text.sender}, {text.to}"), *([_list(text)] if text.list_id else [])])


def _list(text: MailText) -> str:
    return f"list {text.list_id.strip().lower()}"


def of_thread(text: MailText, at: datetime, thread: Sequence[Filed], own_domains: Sequence[str]) -> Hint | None:
    """What the thread's lessons (the latest last) say about the next mail of it; None: nothing.

    Anybody can name a thread in a header (References, RFC 5322 section 3.6.4), so it is inherited only by its own
    correspondents, by the office, and by whoever writes by the same mailing list: every address that the sender's line
    shows must be one of theirs.
    """
    senders = shown_in(text.sender)
    known = frozenset[str]().union(*(lesson.correspondents for lesson in thread))
    if not thread or not senders:
        return None
    by_list = bool(text.list_id) and _list(text) in known
    if not by_list and not all(sender in known or in_domains(sender, own_domains) for sender in senders):
        return None
    last = thread[-1]
    several = len({lesson.category for lesson in thread}) > 1
    shape = "a thread in several folders" if several else "a thread in one folder"
    words = f"same thread as a mail that was filed by hand on {last.at:%Y-%m-%d}"
    return Hint(last.category, HintKind("thread", shape, _age(at - last.at)), words)


def of_copies(at: datetime, copies: Sequence[NearCopy]) -> Hint | None:
    """What lessons that nearly repeat a mail (the latest last) say about it; None where they lie in several folders."""
    if len({lesson.category for lesson in copies}) != 1:
        return None
    last, overlap = copies[-1], max(copy.overlap for copy in copies)
    shape = "the same text" if overlap >= SAME else "nearly the same text"
    words = f"{overlap:.0%} the same words as a mail that was filed by hand"
    return Hint(last.category, HintKind("memory", shape, _age(at - last.at)), words)


def _age(passed: timedelta) -> str:
    return next((words for most, words in AGES if passed < most), OLDER)


def grounds(hint: Hint, tried: Collection[TriedHint], wanted: float) -> Grounds:
    """What such hints were worth, and is that enough to file with this precision?

    The surest statement is that of the same kind, thread or copies of the same shape, whatever their age: its lower
    bound must reach what is wanted. Then neither the same age nor the same category may be clearly worse.
    """
    such = [one for one in tried if one.kind[:2] == hint.kind[:2]]
    aged = [one for one in such if one.kind.age == hint.kind.age]
    told = aged if len(aged) >= ENOUGH else such
    right = sum(one.right for one in told)
    enough = lower_bound(right, len(told)) >= wanted
    share = right / max(len(told), 1)
    least = wanted - (1 - wanted) / 2  # as for a category of the model's (daemon.rules.thresholds)
    for part in (aged, [one for one in told if one.predicted == hint.category]):
        own = sum(one.right for one in part)
        enough = enough and (own + BORROWED * share) / (len(part) + BORROWED) >= least
    return Grounds(hint.kind, right, len(told), enough)


class KindTold(NamedTuple):
    """What one kind of hint was worth. `files_up_to`: the highest wanted precision at which it files; 0: at none."""

    shape: str
    age: str
    tried: int
    right: int
    files_up_to: float


def _in_order(kind: HintKind) -> tuple[bool, str, int]:
    """Threads first, and those that came soonest."""
    ages = [words for _, words in AGES]
    return kind.source != "thread", kind.shape, ages.index(kind.age) if kind.age in ages else len(ages)


def by_kind(tried: Collection[TriedHint]) -> list[KindTold]:
    """Every kind that was tried, threads first."""
    told = []
    for kind in sorted({one.kind for one in tried}, key=_in_order):
        such = [one for one in tried if one.kind == kind]
        hint = Hint("", kind, "")
        most = max((wanted for wanted in _STEPS if grounds(hint, tried, wanted).enough), default=0.0)
        told.append(KindTold(kind.shape, kind.age, len(such), sum(one.right for one in such), most))
    return told
