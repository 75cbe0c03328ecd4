"""Bring a backup back, into an empty installation or one whose service is stopped.

    nobody works here | the manifest, room | every file, into a folder for a while, its sum compared | a database that
    this Postroom knows | marked as begun | seen until now | old aside, new in its place, by renames | mark removed

Until all is there and right nothing is touched. The renames take milliseconds, but a power cut may come among them:
then the mark is there, every command refuses to open what is half of each, and the same command again ends it.

`seen/` is not brought back but set to now, for each mailbox: so the database is known to be older than what happened,
and learns nothing from that (daemon.state.watermark, daemon.passes.look).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from daemon.keeping.backup_file import DATABASE, BackupRefused, Manifest, members, read_manifest
from daemon.mistakes import PostroomError, disk_trouble
from daemon.state.kept import new_place
from daemon.state.lock import StateLock
from daemon.state.private import enclose
from daemon.state.room import LEAST_FREE_BYTES
from daemon.state.scratch import scratch_folder, sweep_scratch
from daemon.state.state_dir import RESTORING
from daemon.state.watermark import Watermark
from daemon.store.database import StoreError, known_revisions, refuse_revision
from daemon.store.examine import examine_database, names_and_revision
from daemon.store.kept_copy import sync
from daemon.training.places import no_training

AHEAD = timedelta(minutes=1)
"""Of now, so that also a backup of a moment ago is known for one: a database may be half a minute behind unnoticed."""
LOGS = (f"{DATABASE}-wal", f"{DATABASE}-shm")


@dataclass(frozen=True)
class BroughtBack:
    """What lies there now. `aside`: where what it replaced lies; None: there was nothing."""

    manifest: Manifest
    mailboxes: tuple[str, ...]
    aside: Path | None


def bring_back(state_dir: Path, file: Path, now: datetime) -> BroughtBack:
    """Put what a backup holds into the state directory; what lies there is kept aside.

    Raises AlreadyRunning beside a service, TrainingBusy beside a training, BackupRefused for a file that is no whole
    backup or of a newer Postroom, PostroomError where there is no room. Nothing is changed then.
    """
    file = file.absolute()
    manifest = read_manifest(file)
    refuse_revision(manifest.revision, known_revisions(), str(file))
    enclose(state_dir)
    with StateLock(state_dir), no_training(state_dir), _disk_told(state_dir):
        sweep_scratch(state_dir)
        _refuse_narrow(state_dir, manifest)
        with scratch_folder(state_dir, "restore") as staged:
            _unpack(file, staged)
            names = _examined(file, staged / DATABASE)
            aside = _put(state_dir, staged, _items(manifest), names, now)
    return BroughtBack(manifest, tuple(names), aside)


@contextmanager
def _disk_told(state_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        trouble = disk_trouble(error, state_dir)
        if trouble is None:
            raise
        raise PostroomError(
            trouble.place, f"the backup was not brought back: {trouble.fact}", trouble.next_step
        ) from error


def _refuse_narrow(state_dir: Path, manifest: Manifest) -> None:
    """Before anything is unpacked: what lies there stays beside it, and the service wants some room, too."""
    found = os.statvfs(state_dir)
    free, wanted = found.f_bavail * found.f_frsize, manifest.size + LEAST_FREE_BYTES
    if free < wanted:
        raise PostroomError(
            str(state_dir),
            f"the backup was not brought back: {free / 1024**2:,.0f} MB are free there, and it takes "
            f"{wanted / 1024**2:,.0f}.",
            "Make room there.",
        )


def _unpack(file: Path, staged: Path) -> None:
    """Every file into the folder, and onto the disk. Raises BackupRefused, OSError."""

    def put(name: str, data: bytes) -> None:
        path = staged / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as out:
            out.write(data)

    for name in members(file, put):
        put(name, b"")  # an empty file comes in no piece
        sync(staged / name)
    for folder in (path for path in staged.rglob("*") if path.is_dir()):
        sync(folder)


def _examined(file: Path, database: Path) -> list[str]:
    """The mailboxes in it. Raises BackupRefused, StoreError."""
    try:
        examine_database(database)
        names, revision = names_and_revision(database)
    except StoreError as error:
        raise BackupRefused(str(file), f"its database cannot be used: {error.fact}", "Take another one.") from error
    refuse_revision(revision, known_revisions(), str(file))
    strange = [name for name in names if PurePosixPath(name).name != name or name in (".", "..")]
    if revision is None or strange:
        raise BackupRefused(str(file), "its database is none of Postroom's.", "Take another one.")
    return names


def _items(manifest: Manifest) -> list[PurePosixPath]:
    """What is put in place by one rename: a file, a model's folder, a reader's. The database comes last."""
    found = set()
    for name in manifest.files:
        parts = PurePosixPath(name).parts
        if parts[0] != "settings":
            whole = {"models": 3, "training": 3}.get(parts[0], len(parts))
            found.add(PurePosixPath(*parts[:whole]))
    return sorted(found, key=lambda item: (item.name == DATABASE, item))


def _put(
    state_dir: Path, staged: Path, items: Sequence[PurePosixPath], names: Sequence[str], now: datetime
) -> Path | None:
    """Old aside, new in its place. Returns where the old lies. Raises OSError, PostroomError: the mark stays."""
    mark = state_dir / RESTORING
    mark.touch(mode=0o600)
    sync(mark)
    sync(state_dir)
    for name in names:
        _see(Watermark(state_dir / "seen" / name), now + AHEAD)
    old = [path for path in (*map(PurePosixPath, LOGS), *items) if os.path.lexists(state_dir / path)]
    aside = new_place(state_dir, now) if old else None
    for path in (*map(PurePosixPath, LOGS), *items):
        if aside is not None and path in old:
            (aside / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (state_dir / path).rename(aside / path)
        if path in items:
            (state_dir / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (staged / path).rename(state_dir / path)
            sync((state_dir / path).parent)
    mark.unlink()
    sync(state_dir)
    return aside


def _see(watermark: Watermark, until: datetime) -> None:
    """Without it the database would learn from its own moves. Raises PostroomError where it cannot be written."""
    with suppress(OSError):
        watermark.path.unlink(missing_ok=True)
    watermark.write(until)
    if watermark.read() != until:
        raise PostroomError(
            str(watermark.path), "cannot be written.", "Correct its owner and rights, then restore again."
        )
