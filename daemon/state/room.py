"""Is there room in the state directory? On a full disk nothing that goes wrong can be noted in the database."""

from __future__ import annotations

import os
from pathlib import Path

LEAST_FREE_BYTES = 100 * 1024**2
"""For some days of the database and its log; what a training needs, `postroom check` asks for."""


def no_room(state_dir: Path) -> str | None:
    """Why nothing, or soon nothing, can be written there, in words; None while all is well."""
    try:
        found = os.statvfs(state_dir)
    except OSError:  # it is made at the first use, and who may not look hears of that elsewhere
        return None
    if found.f_flag & os.ST_RDONLY:
        return f"{state_dir} cannot be written: its file system is read-only. Mount it for writing."
    if found.f_files and not found.f_favail:
        return f"{state_dir}: no more files can be made on its file system. Remove some there."
    free = found.f_bavail * found.f_frsize
    if free < LEAST_FREE_BYTES:
        return f"only {free / 1024**2:.0f} MB are free in {state_dir}. Make room there: a full disk stops Postroom."
    return None
