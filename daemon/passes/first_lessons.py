"""The first lessons: from the folders as people keep them, or from a CSV or JSONL file.

from folders:  category folders | newest messages that no Postroom moved there, up to a cap  | text -> lessons
                                | which of them mean the same?
from tags:     all folders      | newest messages with the tag, which no Postroom put on     | text -> lessons
from a file:   read it whole | every mistake at once | lessons, or nothing
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TextIO

from connectors.base import MailText, Sighting
from daemon.mistakes import ExitCode, PostroomError
from daemon.passes import tagging
from daemon.passes.arrivals import is_moved_by_us
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.passes.look import watched_folders
from daemon.passes.read_papers import fetch_read
from daemon.rules.decision import is_from
from daemon.store import learning, mailboxes, messages
from daemon.store.database import Tx
from daemon.store.records import Category
from daemon.training.twin_finder import find_twins

Show = Callable[[str, int, int], None]
"""(folder, done, total): for a progress bar."""

_BATCH = 50
# Of a folder that we filled, so many times the cap is looked through for what people put there.
_LOOK_BACK = 10
JSONL = frozenset({".jsonl", ".ndjson"})


@dataclass(frozen=True)
class FolderLessons:
    """What one category's folder gave, or its tag: "tag Invoices". `left_out`: a Postroom put it there, no person."""

    category: str
    folder: str
    found: int
    learnt: int
    left_out: int = 0


class CsvError(PostroomError):
    """A file of examples that cannot be used; `problems` lists every mistake. Nothing was learnt from it."""

    exit_code = ExitCode.MISTAKE

    def __init__(self, place: str, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(place, "nothing was learnt from it.\n" + "\n".join(f"  - {problem}" for problem in problems))


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
        if not is_from(read.message.senders, desk.sorting.never_senders)
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


def learn_from_csv(desk: Desk, path: Path) -> dict[str, int]:
    """Make lessons of a CSV file with a column `category` (or `label`) and `text`, or `subject`, `body`, `from`, `to`.

    A name that ends in .jsonl or .ndjson: one JSON object a line with the same keys.
    Returns lessons per category. Raises CsvError with every mistake; then nothing was learnt.
    """
    with desk.database.read() as tx:
        by_name = {name: uid for uid, name in mailboxes.category_names(tx, desk.mailbox_id).items()}
        by_name |= {category.folder: category.uid for category in mailboxes.categories(tx, desk.mailbox_id)}
    rows = _read_file(path, by_name)
    now = desk.clock()
    learnt: dict[str, int] = {}
    with desk.database.begin() as tx:
        for name, text in rows:
            learnt[name] = learnt.get(name, 0) + learning.teach(
                tx, desk.mailbox_id, by_name[name], text, now, source="csv"
            )
    return learnt


def _read_file(path: Path, by_name: Mapping[str, str]) -> list[tuple[str, MailText]]:
    """(category, text) of every row. Raises CsvError with every mistake."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows, problems = _jsonl_rows(file) if path.suffix.lower() in JSONL else _csv_rows(file)
    except OSError as error:
        raise CsvError(str(path), [f"the file cannot be read ({error.strerror}). Check the path."]) from error
    except UnicodeDecodeError as error:
        raise CsvError(str(path), [f"byte {error.start} is not UTF-8. Save the file as UTF-8."]) from error
    except csv.Error as error:
        raise CsvError(str(path), [f"it is not a CSV file ({error})."]) from error
    learnt = []
    for line, row in rows:
        category = row.get("category") or row.get("label") or ""
        text = MailText(
            sender=row.get("from", ""),
            to=row.get("to", ""),
            subject=row.get("subject", ""),
            body=row.get("body") or row.get("text") or "",
        )
        if category not in by_name:
            known = ", ".join(sorted(by_name)) or "none yet"
            problems.append(f'line {line}: there is no category "{category}". There are: {known}.')
        elif not (text.subject or text.body):
            problems.append(f"line {line}: neither a subject nor a text.")
        else:
            learnt.append((category, text))
    if problems:
        raise CsvError(str(path), problems)
    return learnt


_Rows = tuple[list[tuple[int, dict[str, str]]], list[str]]


def _csv_rows(file: TextIO) -> _Rows:
    """(line, cells by column in small letters), and what is wrong with the columns."""
    reader = csv.DictReader(file)
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or []}
    problems = _missing_columns(columns)
    if problems:
        return [], problems
    return [
        (reader.line_num, {column: (row.get(name) or "").strip() for column, name in columns.items()}) for row in reader
    ], []


def _jsonl_rows(file: TextIO) -> _Rows:
    """(line, values by key in small letters) of one JSON object a line, and every line that is none."""
    rows, problems = [], []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            problems.append(f'line {number}: not a JSON object like {{"label": "Orders", "text": "..."}}.')
            continue
        plain = {str(key).strip().lower(): "" if field is None else str(field).strip() for key, field in value.items()}
        rows.append((number, plain))
    return rows, problems


def _missing_columns(columns: Mapping[str, str]) -> list[str]:
    problems = []
    if not columns.keys() & {"category", "label"}:
        problems.append('the column "category" is missing. The first line must name the columns.')
    if not columns.keys() & {"text", "body", "subject"}:
        problems.append('a column "text" (or "subject" and "body") is missing.')
    return problems
