"""The first lessons: from the folders as people keep them, or from a CSV or JSONL file.

from folders:  category folders | newest messages that no Postroom moved there, up to a cap  | text -> lessons
                                | which of them mean the same?
from tags:     all folders      | newest messages with the tag, which no Postroom put on     | text -> lessons
from a file:   read it whole | every mistake at once | the categories that it needs | lessons, or nothing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from connectors.base import Sighting
from daemon.examples.example_file import read_examples
from daemon.passes import tagging
from daemon.passes.arrivals import is_moved_by_us
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders, make_categories, unsorted_categories
from daemon.passes.look import watched_folders
from daemon.passes.read_papers import fetch_read
from daemon.rules.addresses import fits_one
from daemon.store import learning, mailboxes, messages
from daemon.store.database import Tx
from daemon.store.records import Category
from daemon.training.twin_finder import find_twins

Show = Callable[[str, int, int], None]
"""(folder, done, total): for a progress bar."""

_BATCH = 50
# Of a folder that we filled, so many times the cap is looked through for what people put there.
_LOOK_BACK = 10


@dataclass(frozen=True)
class FolderLessons:
    """What one category's folder gave, or its tag: "tag Invoices". `left_out`: a Postroom put it there, no person."""

    category: str
    folder: str
    found: int
    learnt: int
    left_out: int = 0


def learn_from_folders(
    desk: Desk, *, per_folder: int, max_age: timedelta, show: Show | None = None
) -> list[FolderLessons]:
    """Make lessons of the newest messages in every category folder, or with every category's tag. Raises
    ConnectorError."""
    list_folders(desk)
    with desk.database.read() as tx:
        names = mailboxes.category_names(tx, desk.mailbox_id)
        categories = [
            replace(category, name=names[category.uid])
            for category in mailboxes.categories(tx, desk.mailbox_id)
            if category.paused is None
        ]
        here = {folder.name for folder in mailboxes.folders(tx, desk.mailbox_id) if folder.missing_since is None}
    since = desk.clock() - max_age
    found = []
    for category in categories:
        if category.folder in here:  # at Gmail that is the label
            newest = partial(desk.connector.filed_by_people, category.folder)
            seen = _newest_of_people(desk, category, newest, per_folder, since)
            found.append(_learn(desk, category, category.folder, seen, show))
        if category.tag is not None and not desk.settings.labels:
            newest = partial(tagging.tagged_mail, desk, category)
            seen = _newest_of_people(desk, category, newest, per_folder, since)
            found.append(_learn(desk, category, f"tag {category.tag}", seen, show))
    points = desk.registry.points(desk.mailbox_id)
    find_twins(desk.database, desk.mailbox_id, points, desk.sorting.precision, desk.clock())
    return found


@dataclass(frozen=True)
class _Newest:
    """What people put into a place, newest first, and how many besides a Postroom did."""

    theirs: list[Sighting]
    ours: int


def _learn(desk: Desk, category: Category, place: str, newest: _Newest, show: Show | None) -> FolderLessons:
    seen, learnt = newest.theirs, 0
    for start in range(0, len(seen), _BATCH):
        learnt += _learn_batch(desk, category, seen[start : start + _BATCH])
        if show is not None:
            show(place, min(start + _BATCH, len(seen)), len(seen))
    if show is not None and not seen:
        show(place, 0, 0)
    return FolderLessons(category.name, place, len(seen), learnt, newest.ours)


def _newest_of_people(
    desk: Desk, category: Category, newest: Callable[[int], list[Sighting]], limit: int, since: datetime
) -> _Newest:
    """The newest messages of a place, newest first, without our own doing: that must not use up the limit."""
    asked = limit
    while True:
        lying = newest(asked)
        young = [sighting for sighting in lying if sighting.arrived is None or sighting.arrived >= since]
        with desk.database.read() as tx:
            theirs = [sighting for sighting in young if not _done_by_us(tx, desk, category, sighting)]
        nothing_ours, all_seen = len(theirs) == len(young), len(lying) < asked
        if len(theirs) >= limit or nothing_ours or all_seen or asked >= _LOOK_BACK * limit:
            return _Newest(theirs[:limit], len(young) - len(theirs))
        asked = min(3 * asked, _LOOK_BACK * limit)


def _done_by_us(tx: Tx, desk: Desk, category: Category, sighting: Sighting) -> bool:
    """Did we put it there or tag it, and no person has confirmed it? Its number there may be another than the one we
    knew."""
    if is_moved_by_us(sighting) and not _is_said(tx, desk, category, sighting):
        return True  # perhaps a Postroom of which this database knows nothing: it is new, or restored
    if desk.settings.act_by == "tag" and tagging.is_ours(tx, desk, sighting):
        return True
    known = messages.sighting_at(tx, desk.mailbox_id, sighting.ref)
    if known is not None:
        return known.ours
    return any(
        place.ours and place.ref.folder == sighting.ref.folder
        for candidate in messages.candidates(tx, desk.mailbox_id, sighting.identity)
        for place in messages.sightings(tx, candidate.id)
    )


def _is_said(tx: Tx, desk: Desk, category: Category, sighting: Sighting) -> bool:
    """Do we know of a person who put it there or tagged it so?"""
    known = messages.sighting_at(tx, desk.mailbox_id, sighting.ref)
    ids = [known.message] if known is not None else []
    ids += [one.id for one in messages.candidates(tx, desk.mailbox_id, sighting.identity)] if known is None else []
    said = [learning.corrections(tx, desk.mailbox_id, message=message)[-1:] for message in ids]
    return any(one.voided is None and one.to_category == category.uid for last in said for one in last)


def _learn_batch(desk: Desk, category: Category, sightings: list[Sighting]) -> int:
    texts = {
        read.message.sighting.ref: (read.message.text, read.papers)
        for read in fetch_read(desk, [sighting.ref for sighting in sightings], learning=True)
        if not fits_one(read.message.senders, desk.sorting.never_senders)
    }
    now = desk.clock()
    learnt = 0
    with desk.database.begin() as tx:
        watched = watched_folders(tx, desk)
        for sighting in sightings:
            if sighting.ref not in texts or _done_by_us(tx, desk, category, sighting):  # perhaps while we were reading
                continue
            known = messages.sighting_at(tx, desk.mailbox_id, sighting.ref)
            same = messages.candidates(tx, desk.mailbox_id, sighting.identity)
            if known is not None:
                message = known.message
            elif same and sighting.identity.labelled:
                # Gmail: the same message under another label, which is as good as none
                messages.add_sighting(
                    tx, desk.mailbox_id, same[0].id, sighting.ref, now, ours=False, who=sighting.by, judged=True
                )
                continue
            elif same and sighting.ref.folder not in watched:
                message = same[0].id  # carried on to where we do not look
            else:
                message = _remember(tx, desk, sighting, watched)
            text, papers = texts[sighting.ref]
            learnt += learning.teach(
                tx,
                desk.mailbox_id,
                category.uid,
                text,
                sighting.arrived or now,
                source="folder",
                message=message,
                thread=messages.get(tx, message).thread,
                papers=papers,
            )
    return learnt


def _remember(tx: Tx, desk: Desk, sighting: Sighting, watched: Sequence[str]) -> int:
    """A message that no look has met. Where nobody looks it is not said to lie. Returns its id."""
    now, in_inbox = desk.clock(), sighting.ref.folder == desk.settings.inbox
    message = messages.add(tx, desk.mailbox_id, sighting, "existing" if in_inbox else "elsewhere", now, None)
    messages.add_sighting(tx, desk.mailbox_id, message, sighting.ref, now, ours=False, who=sighting.by, judged=True)
    tagging.record_arrival(tx, desk, message, sighting, tagging.watched(tx, desk), first=True)
    if sighting.ref.folder not in watched:
        messages.mark_gone(tx, desk.mailbox_id, [sighting.ref], now)
    return message


# --- from a file


@dataclass(frozen=True)
class FileLessons:
    """What a file taught: lessons a category. `made`: categories that were new; `missing`: what it takes to sort by
    those that nothing can be filed into yet, in sentences. `notes`: how the file was read."""

    learnt: Mapping[str, int]
    made: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def learn_from_csv(desk: Desk, path: Path) -> FileLessons:
    """Make lessons of a file of examples (daemon/examples), and every category that it names and nobody knows yet; one
    that differs from a known one in its case or spaces alone is that one.

    Raises FileRefused with every mistake; then nothing was learnt.
    """
    with desk.database.read() as tx:
        known = _by_name(tx, desk)
    examples = read_examples(path, "nothing was learnt from it", known)
    now = desk.clock()
    learnt: dict[str, int] = {}
    with desk.database.begin() as tx:
        by_name = _by_name(tx, desk)
        new = [label for label in examples.labels if label not in by_name]
        by_name |= {category.name: category.uid for category in make_categories(tx, desk, new)}
        for example in examples.rows:
            taught = learning.teach(tx, desk.mailbox_id, by_name[example.label], example.text, now, source="csv")
            learnt[example.label] = learnt.get(example.label, 0) + taught
        ours = {by_name[label] for label in examples.labels}
        missing = [what for uid, what in unsorted_categories(tx, desk).items() if uid in ours]
    return FileLessons(learnt, tuple(new), tuple(missing), examples.notes)


def _by_name(tx: Tx, desk: Desk) -> dict[str, str]:
    """The uid of each category, by its name and by its folder's."""
    by_name = {name: uid for uid, name in mailboxes.category_names(tx, desk.mailbox_id).items()}
    return by_name | {folder: one.uid for folder, one in mailboxes.by_folder(tx, desk.mailbox_id).items()}
