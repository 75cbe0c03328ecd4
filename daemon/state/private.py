"""The state directory is for its owner alone: it holds the text of mail.

    umask 0077 for the process (`close_umask`) | is it ours at all? (`refuse_strange`) | what lies there already is
    closed (`enclose`) | can anybody look in? (`open_to`)

Only the directory itself and what Postroom makes in it is closed: `state_dir = "/var/lib"` must not close a machine.

Everything that a command or its trainer makes is then private from its first byte, SQLite's -wal and -shm included.
Only what a person asks for elsewhere (`report --html FILE`, `model fetch --to DIR`) is made as their own umask says.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from daemon.mistakes import ExitCode, PostroomError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
SECRETS = "credentials"
"""Its files are not closed but refused (daemon/settings/credentials.py): a secret that others could read is none any
more."""

SURE_SIGNS = ("postroom.sqlite", "postroom.lock", SECRETS, "model.key")
"""Where one of these lies, Postroom has worked, or somebody has prepared it to."""
OURS = re.compile(
    r"alarm\.json.*|postroom\..*|\.?model\.key.*|credentials|bases|kept|models|restoring|scratch|seen|training|turns"
)
"""All that Postroom makes in its directory, and a file of settings of its name."""
OF_A_HOME = re.compile(r"\.|(lost\+found|config\.toml|snap)$")
"""What a new disk or the home directory of the service's user may hold before Postroom comes."""

_callers: int | None = None


class StrangeDirectory(PostroomError):
    """`state_dir` names a directory that holds other things than Postroom's."""

    exit_code = ExitCode.MISTAKE


def close_umask() -> None:
    """From now on nobody else may read what this process makes, nor what its children make."""
    global _callers  # the process has one umask
    before = os.umask(0o077)
    if _callers is None:
        _callers = before


@contextmanager
def callers_umask() -> Iterator[None]:
    """For files that a person wants elsewhere, to be read by whomever they like."""
    if _callers is None:
        yield
        return
    ours = os.umask(_callers)
    try:
        yield
    finally:
        os.umask(ours)


def refuse_strange(state_dir: Path) -> None:
    """Before anything is made or closed there. Raises StrangeDirectory, and OSError: it cannot be read."""
    names = {path.name for path in state_dir.iterdir()} if state_dir.is_dir() else set()
    strangers = sorted(name for name in names if not (OURS.fullmatch(name) or OF_A_HOME.match(name)))
    if strangers and names.isdisjoint(SURE_SIGNS):
        raise StrangeDirectory(
            str(state_dir),
            f'is not empty and not Postroom\'s: it holds "{strangers[0]}"; nothing was changed.',
            f'Correct `state_dir`: it wants a directory of its own, perhaps "{state_dir / "postroom"}".',
        )


def enclose(state_dir: Path) -> None:
    """Make the directory if need be, and close it and what Postroom has in it. Raises PostroomError.

    What another user left inside is behind a closed door then, and `postroom check` names it: no reason to stop.
    """
    try:
        refuse_strange(state_dir)
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, mode in _open_ones(state_dir):
            if path == state_dir:
                _close(path, mode)
            elif stat.S_ISDIR(mode) or state_dir / SECRETS not in path.parents:
                with suppress(PermissionError):
                    _close(path, mode)
    except OSError as error:
        raise PostroomError(
            str(error.filename or state_dir),
            f"cannot be made private ({error.strerror}).",
            "Give the state directory and all that lies in it to the service's user.",
        ) from error


def _close(path: Path, mode: int) -> None:
    with suppress(FileNotFoundError):  # whoever works beside us was faster
        path.chmod(stat.S_IMODE(mode) & ~OTHERS)


def open_to(state_dir: Path) -> str | None:
    """Who but its owner can look into the directory or owns something in it, in words; None: nobody. Raises OSError."""
    owner = state_dir.stat().st_uid
    for path, mode in _open_ones(state_dir):
        what = "entered" if stat.S_ISDIR(mode) else "read or written"
        return f"{path} may be {what} by other users (mode {stat.S_IMODE(mode):04o})"
    for path, found in _everything(state_dir):
        if found.st_uid != owner:
            return f"{path} belongs to another user (uid {found.st_uid}) than the directory (uid {owner})"
    return None


def _open_ones(state_dir: Path) -> Iterator[tuple[Path, int]]:
    for path, found in _everything(state_dir):
        shared = not stat.S_ISDIR(found.st_mode) and found.st_nlink > 1  # it lies elsewhere, too, as somebody wants it
        if found.st_mode & OTHERS and not shared:
            yield path, found.st_mode


def _everything(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The directory and what is ours below it; links are not followed and have no rights of their own."""
    yield top, top.stat()
    waiting = [top]
    while waiting:
        try:
            place = waiting.pop()
            with os.scandir(place) as entries:
                for entry in entries:
                    if place == top and not OURS.fullmatch(entry.name):
                        continue
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if entry.is_symlink():
                        continue
                    yield Path(entry.path), found
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except (FileNotFoundError, PermissionError):
            continue  # a training's folder that went while we looked; another user's
