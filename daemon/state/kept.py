"""What stood in the state directory before a migration or a restore, kept for a while in case it is wanted back.

    STATE_DIR/kept/REVISION-before-REVISION.sqlite   the database as it was before a migration (daemon.store.kept_copy)
    STATE_DIR/kept/before-restore-TIME/              what a restore has replaced (daemon.keeping.bring_back)

It holds what it held, mail's text among it. So it goes by itself, and `forget` and `mailbox reset` remove it at once.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from daemon.store.kept_copy import KEPT

KEPT_FOR = timedelta(days=30)


def new_place(state_dir: Path, now: datetime) -> Path:
    """A new folder for what a restore replaces. Raises OSError."""
    place = state_dir / KEPT / f"before-restore-{now:%Y%m%d-%H%M%S-%f}"
    place.mkdir(mode=0o700, parents=True)
    os.utime(place, (now.timestamp(), now.timestamp()))
    return place


def sweep_kept(state_dir: Path, now: datetime) -> list[str]:
    """Remove what has been kept long enough. Returns the names. Never raises: the next night tries again."""
    removed = []
    for path in _kept(state_dir):
        with suppress(OSError):
            if now - datetime.fromtimestamp(path.lstat().st_mtime, now.tzinfo) > KEPT_FOR:
                _remove(path)
                removed.append(path.name)
    return removed


def forget_kept(state_dir: Path) -> int:
    """Remove all of it now, because somebody in it is to be forgotten. Returns how many copies. Raises OSError."""
    found = _kept(state_dir)
    for path in found:
        _remove(path)
    return len(found)


def _kept(state_dir: Path) -> list[Path]:
    place = state_dir / KEPT
    return sorted(place.iterdir()) if place.is_dir() and not place.is_symlink() else []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
