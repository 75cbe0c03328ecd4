"""Before a migration the database is copied, so that a Postroom of before can be installed again and go on with it.

    STATE_DIR/kept/REVISION-before-REVISION.sqlite      one for each step; a second try replaces it

`daemon.state.kept` removes it after a while.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

KEPT = "kept"
"""The folder beside the database for what stood there before a migration or a restore."""


def keep_copy(database: Path, found: str, wanted: str, copy: Callable[[Path, Path], None]) -> Path:
    """Copy the database of revision `found` before it becomes one of `wanted`: whole under its name, or not there.

    `copy`: makes a consistent copy of the first path at the second. Whoever calls holds the write lock, so nobody else
    is at it. Raises what `copy` raises, and OSError.
    """
    folder = database.parent / KEPT
    folder.mkdir(mode=0o700, exist_ok=True)
    kept, unfinished = folder / f"{found}-before-{wanted}.sqlite", folder / ".unfinished.sqlite"
    try:
        unfinished.unlink(missing_ok=True)
        copy(database, unfinished)
        sync(unfinished)
        unfinished.rename(kept)
        sync(folder)
    finally:
        unfinished.unlink(missing_ok=True)
    return kept


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk: fsync(2). Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
