"""Where the readers that mailboxes share lie, and whether one is still whole. Loads nothing.

    training/cache/reader-KEY/
      reader.json       what it was made from, and the sha256 of every other file; written last
      model.bin, ...    the base's lower layers in CTranslate2's form
      tokenizer.json    the base's

A reader is made by the trainer (trainer.export.reader_export) and read by every model that names it in model.json.
What is missing or damaged is made anew from the base: no mailbox's knowledge is in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from daemon.model.base_file import sha256_of
from daemon.model.engines.engine import ModelRefused

READER_FILE = "reader.json"
PREFIX = "reader-"

LAYOUT = 1
"""Raised when a reader's files, or the mail that it is smoothed by, change: models of an older one keep theirs."""


class ReaderRefused(ModelRefused):
    """The reader that a model's language part needs is missing or damaged. It can be made anew."""


class ReaderInfo(BaseModel):
    """reader.json. `sha256` is the base's; `files` holds the others' (length, sha256 in hex)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    base: str
    sha256: str
    depth: int
    """Layers of the base that it has."""
    form: str
    """As `quantization` of [engine] names it."""
    files: Mapping[str, tuple[int, str]]


def cache_of(state_dir: Path) -> Path:
    """The folder of a state directory in which bases and readers lie."""
    return state_dir / "training" / "cache"


def reader_key(sha256: str, depth: int, form: str) -> str:
    """By which models name the reader of so many layers of the base with this sha256 (hex), in this form."""
    return f"{sha256[:24]}-{depth}-{form}-{LAYOUT}"


def reader_folder(cache: Path, key: str) -> Path:
    """Where the reader of this key lies, or would."""
    return cache / f"{PREFIX}{key}"


def seal(folder: Path, info: ReaderInfo) -> ReaderInfo:
    """Write reader.json with the sums of all files that lie in `folder`; return what was written. Raises OSError."""
    files = {file.name: (file.stat().st_size, sha256_of(file)) for file in sorted(folder.iterdir()) if file.is_file()}
    info = info.model_copy(update={"files": files})
    with (folder / READER_FILE).open("w", encoding="utf-8") as out:
        out.write(info.model_dump_json(indent=1))
        out.flush()
        os.fsync(out.fileno())
    return info


def whole_reader(folder: Path, *, sums: bool = True) -> ReaderInfo:
    """What reader.json says, once every file that it names is there and unchanged: with `sums` to the last bit, else by
    its length. Asked for every mailbox, so a file is summed once in a process until it changes. Raises
    ReaderRefused."""
    try:
        info = ReaderInfo.model_validate_json((folder / READER_FILE).read_bytes())
    except FileNotFoundError as error:
        raise _refused(folder, "it is missing") from error
    except (OSError, ValidationError) as error:
        raise _refused(folder, f"{READER_FILE} can't be read ({type(error).__name__})") from error
    for name, (size, sum_) in info.files.items():
        file = folder / name
        try:
            if not file.is_file():
                raise _refused(folder, f"{name} is missing")
            if (length := file.stat().st_size) != size:
                raise _refused(folder, f"{name} has {length:,} of {size:,} bytes")
            if sums and _sum_of(file) != sum_:
                raise _refused(folder, f"{name} was changed or damaged (wrong sha256)")
        except OSError as error:
            raise _refused(folder, f"{name} can't be read ({error.strerror})") from error
    return info


_sums: dict[Path, tuple[tuple[int, ...], str]] = {}
"""What was summed, as it was then, and its sha256. A file that two threads sum at once is summed twice."""
SETTLED_S = 2.0
"""A file that was just written is not remembered: it may change once more within one tick of the system's clock."""


def _sum_of(file: Path) -> str:
    """sha256 in hex, of now or of this same file before. Raises OSError."""
    state = file.stat()
    seen = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    before, known = _sums.get(file, ((), ""))
    if before == seen:
        return known
    found = sha256_of(file)
    if time.time() - max(state.st_mtime, state.st_ctime) > SETTLED_S:
        _sums[file] = seen, found
    return found


def _refused(folder: Path, fact: str) -> ReaderRefused:
    return ReaderRefused(
        f"{folder}: the reader that the mailboxes' models share can't be used: {fact}. "
        "The next training makes it anew: `postroom train`."
    )
