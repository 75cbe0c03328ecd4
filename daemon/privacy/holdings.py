"""What this installation holds of people's mail: for whoever keeps the record of processing (GDPR, Article 30).

    settings, database, state directory  ->  counts, the oldest, where, for how long, what saw the text

Counts and dates alone: no subject, address or text. docs/privacy.md explains every row.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connectors.setting_values import format_duration
from daemon.privacy.retention import FILES_NAMED
from daemon.rules.bulk_moves import PATIENCE
from daemon.settings import Settings
from daemon.state.kept import KEPT_FOR
from daemon.store import held as store
from daemon.store import mailboxes, sharing, training
from daemon.store.database import Database, Tx

TEXT, FILES, IDS, NOTHING = "text", "names of files", "Message-IDs", "nothing"


@dataclass(frozen=True)
class Row:
    """One kind of record of a mailbox. `holds`: what of the mail can be read in it."""

    what: str
    holds: str
    count: int
    oldest: datetime | None
    kept: str


@dataclass(frozen=True)
class SeenBy:
    """A trained model that lies here, and from how many lessons it was made; None: nobody knows any more."""

    version: str
    state: str
    made: datetime
    lessons: int | None


@dataclass(frozen=True)
class OfMailbox:
    """`listed`: the settings name it still."""

    name: str
    listed: bool
    rows: tuple[Row, ...]
    models: tuple[SeenBy, ...]


@dataclass(frozen=True)
class Place:
    """A part of the state directory. `changed`: the newest file in it."""

    where: str
    what: str
    files: int
    bytes: int
    changed: datetime | None


@dataclass(frozen=True)
class PrivacyReport:
    """All of it. `sees`: what reads the text of every message."""

    state_dir: Path
    sees: str
    mailboxes: tuple[OfMailbox, ...]
    places: tuple[Place, ...]


def privacy_report(database: Database, settings: Settings) -> PrivacyReport:
    """Raises StoreError, OSError."""
    listed = {box.name for box in settings.mailboxes}
    with database.read() as tx:
        found = [_of_mailbox(tx, box.id, box.name, settings, box.name in listed) for box in mailboxes.everyone(tx)]
    engine = settings.engine
    sees = f"{engine.kind} at {engine.host}" if engine.ELSEWHERE else "Postroom's own processes on this machine"
    return PrivacyReport(settings.state_dir, sees, tuple(found), tuple(places(settings.state_dir)))


def _of_mailbox(tx: Tx, mailbox: int, name: str, settings: Settings, listed: bool) -> OfMailbox:
    held = store.held(tx, mailbox)
    sorting, limits = settings.sorting_of(name), settings.training
    age, identity = format_duration(limits.max_age), format_duration(sorting.identity_keep)
    kinds = {
        "lessons": ("lessons", f"{TEXT}, {FILES}, {IDS}", f"{age}, and the newest {limits.max_per_folder} of a folder"),
        "waiting": ("in bulk moves that wait for a word", f"{TEXT}, {FILES}", f"{PATIENCE.days}d"),
        "identities": ("messages known again", IDS, identity),
        "decisions": ("decisions", NOTHING, identity),
        "files": ("of these with names of files", FILES, format_duration(min(limits.max_age, FILES_NAMED))),
        "actions": ("moves and tags", NOTHING, identity),
        "corrections": ("corrections", NOTHING, identity),
    }
    rows = tuple(
        Row(what, holds, held[kind].count, held[kind].oldest, kept) for kind, (what, holds, kept) in kinds.items()
    )
    known = training.runs(tx, mailbox, limit=None)
    learnt = {run.id: run.lessons for run in known if run.lessons != sharing.UNCOUNTED}
    models = tuple(
        SeenBy(model.version, model.state, model.created, learnt.get(model.run or 0))
        for model in training.models(tx, mailbox)
        if model.state != "removed"
    )
    return OfMailbox(name, listed, rows, models)


PLACES = (
    ("postroom.sqlite*", "the database: all rows above"),
    ("models", "models, made from lessons; useless without the key"),
    ("model.key", "the key of the models' hashes"),
    ("training/cache/lessons", "numbers of lessons' texts, under checksums"),
    ("training/job-*", "lessons of a training that works now"),
    ("scratch", "copies for a command that works now"),
    ("kept", f"the database from before an update or a restore, {KEPT_FOR.days} days"),
    ("credentials", "secrets and sign-ins"),
    ("seen", "until when each mailbox was seen"),
)
"""Where something of people or secrets lies; docs/privacy.md has every file."""


def places(state_dir: Path) -> Iterator[Place]:
    """What lies there, of `PLACES`."""
    for pattern, what in PLACES:
        sizes, newest = [], 0.0
        for path in state_dir.glob(pattern):
            for file in [path] if path.is_file() else _below(path):
                try:
                    stat = file.lstat()
                except FileNotFoundError:  # the service works meanwhile
                    continue
                sizes.append(stat.st_size)
                newest = max(newest, stat.st_mtime)
        if sizes:
            yield Place(pattern, what, len(sizes), sum(sizes), datetime.fromtimestamp(newest).astimezone())


def _below(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where, name) for name in names)
