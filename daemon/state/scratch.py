"""Folders for a while, inside the state directory: a killed command leaves its copy of mail where nobody else can look,
and the next command or service removes it.

    STATE_DIR/scratch/NAME-...       locked by its owner for as long as that lives
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.mistakes import PostroomError
from daemon.state.lock import turn

SCRATCH = "scratch"
NAMES = ("backup", "dry-run", "rehearsal", "restore")
"""What folders for a while are called before the dash. Others are not ours to remove."""


@contextmanager
def scratch_folder(state_dir: Path, name: str) -> Iterator[Path]:
    """A new empty folder, gone at the end, however the block ends. Raises PostroomError and OSError.

    `name`: one of NAMES.
    """
    assert name in NAMES, "else nobody would sweep it"
    place = _place(state_dir)
    with turn(place / "lock"):  # between making and locking nobody sweeps
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=place))
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def sweep_scratch(state_dir: Path) -> list[str]:
    """Remove the folders whose owner has ended without removing them. Returns their names. Raises PostroomError."""
    place = _place(state_dir)
    if not place.is_dir():
        return []
    removed = []
    with turn(place / "lock"):
        for folder in sorted(entry for entry in place.iterdir() if _is_ours(entry)):
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
            except BlockingIOError:
                continue  # at work
            finally:
                os.close(held)
    return removed


def _place(state_dir: Path) -> Path:
    """Raises PostroomError: it leads elsewhere, where nothing is to be removed."""
    place = state_dir / SCRATCH
    if place.is_symlink():
        raise PostroomError(
            str(place),
            "is a link, and what lies in this folder is removed at every start; nothing was.",
            "Remove the link: Postroom makes the folder.",
        )
    return place


def _is_ours(path: Path) -> bool:
    return path.name.startswith(tuple(f"{name}-" for name in NAMES)) and path.is_dir() and not path.is_symlink()
