"""What the lessons of each category are worth, in plain words.

lessons, sources | does mail stay in the folder? | did the model in use tell it from the others?  ->  table rows
pairs that the last training found | both still count | still different categories  ->  contradictions
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from daemon.model.prediction import Point
from daemon.rules.thresholds import lower_bound
from daemon.rules.twins import counts_elsewhere
from daemon.store import folder_figures, learning, mailboxes, messages, training
from daemon.store.counting import counting
from daemon.store.database import Tx
from daemon.store.records import Category, Lesson, Mode

# A folder that so many messages came through, and this share of them left again soon, is a stage and no subject.
MOST_PASSING, LEAST_PASSING, SOON = 0.5, 10, timedelta(days=14)
# So many held-out lessons are needed to call a folder mixed; and it is, if surely fewer than this were recognised.
LEAST_JUDGED, RECOGNISED = 8, 0.35
SOURCES = {
    "folder": "folder",
    "csv": "file",
    "correction": "people's moves",
    "history": "helpdesk history",
    "shared": "of mailboxes that share",
}


@dataclass(frozen=True)
class CategoryLessons:
    """One row of `postroom lessons`. `trouble`: why it can't be learnt well, None if nothing speaks against it."""

    name: str
    folder: str
    lessons: int
    sources: str
    newest: datetime | None
    paused: str | None
    trouble: str | None
    tag: str | None = None
    """How its mail is tagged; None where mail is moved."""
    uid: str = ""
    mode: Mode | None = None
    """For this category alone; None: as the mailbox."""


def overview(tx: Tx, mailbox: int, points: Sequence[Point], least: int) -> list[CategoryLessons]:
    """Every category with what it has to learn from. `points`: held-out answers of the model in use.

    `least` is how many lessons a category needs before it may file alone (`min_examples`).
    """
    sources = folder_figures.lesson_sources(tx, mailbox)
    passing = folder_figures.passed_through(tx, mailbox, SOON)
    categories = mailboxes.categories(tx, mailbox)
    names = mailboxes.category_names(tx, mailbox)
    taught, elsewhere = learning.lesson_counts(tx, mailbox), counting(tx, mailbox).by_category()

    def trouble(category: Category) -> str | None:
        if category.uid in elsewhere:
            return counts_elsewhere(elsewhere[category.uid], names)
        through = passing.get(category.folder, (0, 0))
        return trouble_with(category, taught.get(category.uid, 0), through, points, names, least)

    rows = []
    for category in categories:
        own = sources.get(category.uid, [])
        number = sum(count for _, count, _ in own)
        rows.append(
            CategoryLessons(
                names[category.uid],
                category.folder,
                number,
                ", ".join(f"{count} {SOURCES.get(source, source)}" for source, count, _ in own),
                max((newest for _, _, newest in own), default=None),
                category.paused,
                trouble(category),
                category.tag,
                category.uid,
                category.mode,
            )
        )
    return rows


def trouble_with(
    category: Category,
    lessons: int,
    passing: tuple[int, int],
    points: Sequence[Point],
    names: Mapping[str, str],
    least: int,
) -> str | None:
    """Why this folder cannot be learnt, as a sentence; None if nothing speaks against it.

    `passing`: how many messages were ever seen in the folder, and how many of these left it soon.
    """
    if category.paused is not None:
        return f"Paused: {category.paused}."
    if lessons == 0:
        return "No lessons yet, so nothing is filed there."
    if lessons < least:
        return f"Too few: nothing is filed there before it has {least} lessons."
    seen, left = passing
    if left >= LEAST_PASSING and left > MOST_PASSING * seen:
        return (
            f"Mail passes through: {left} of {seen} messages left it again soon. It looks like a stage of the work "
            '("to do"), which a text cannot tell; consider making it neutral.'
        )
    own = [point for point in points if point.category == category.uid]
    missed = [point for point in own if not point.correct]
    # The upper bound of the recognised share is one less the lower bound of the missed.
    if len(own) >= LEAST_JUDGED and 1 - lower_bound(len(missed), len(own), 1.28) < RECOGNISED:
        taken, times = Counter(point.predicted for point in missed).most_common(1)[0]
        return (
            f"Mixed: only {len(own) - len(missed)} of {len(own)} held-out mails were recognised, "
            f"{times} were taken for {names.get(taken, 'a removed category')}. Its mail has no common subject."
        )
    return None


@dataclass(frozen=True)
class Side:
    """One of two mails that contradict each other. `name` is what `postroom why` takes."""

    lesson: int
    name: str | None
    at: datetime
    category: str
    folder: str | None
    subject: str


def contradictions(tx: Tx, mailbox: int) -> list[tuple[Side, Side]]:
    """Near-identical mails that people keep in different categories, as far as both still teach."""
    complete = ("promoted", "kept", "nothing")
    pairs = next((run.contradictions for run in training.runs(tx, mailbox, 50) if run.outcome in complete), ())
    known = learning.lessons_named(tx, mailbox, (one for pair in pairs for one in pair))
    names = mailboxes.category_names(tx, mailbox)
    categories = {
        category.uid: replace(category, name=names[category.uid]) for category in mailboxes.categories(tx, mailbox)
    }
    return [
        (_side(tx, known[first], categories), _side(tx, known[second], categories))
        for first, second in pairs
        if first in known and second in known and known[first].category != known[second].category
    ]


def same_mail(tx: Tx, mailbox: int) -> list[tuple[str, str, int]]:
    """(folder, folder, how many) for every two categories in which the very same mail lies."""
    folders = {category.uid: category.folder for category in mailboxes.categories(tx, mailbox)}
    stands = counting(tx, mailbox)
    found = Counter(folder_figures.copies_in_two(tx, mailbox)) + Counter(folder_figures.same_text_in_two(tx, mailbox))
    return [
        (folders.get(one, "a removed category"), folders.get(other, "a removed category"), number)
        for (one, other), number in sorted(found.items(), key=lambda both: -both[1])
        if stands.place(one) != stands.place(other)
    ]


def _side(tx: Tx, lesson: Lesson, categories: Mapping[str, Category]) -> Side:
    category = categories.get(lesson.category)
    name = None
    if lesson.message is not None:
        identity = messages.get(tx, lesson.message).identity
        name = identity.message_id or identity.object_id
    return Side(
        lesson.id,
        name,
        lesson.at,
        category.name if category else "a removed category",
        category.folder if category else None,
        lesson.text.subject,
    )
