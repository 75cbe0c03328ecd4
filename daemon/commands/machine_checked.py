"""What `postroom check` says of this machine: memory, who may change settings and see secrets, the model's speed."""

from __future__ import annotations

import glob
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from connectors.base import MailText
from daemon.mistakes import PostroomError
from daemon.model.reader_files import cache_of
from daemon.model.term_key import KEY_FILE, TermKey
from daemon.settings import Settings
from daemon.settings.credentials import UNIT_FOLDER
from daemon.state.state_dir import database_path
from daemon.store.examine import folder_in_use
from daemon.training.machine import free_memory_mb, whole_memory_mb

LEAST_MEMORY_MB = 900
"""The service and a training, which takes some 500 MB; a machine of 1 GB says a little less."""
WRITERS, LOOKERS = stat.S_IWGRP | stat.S_IWOTH, stat.S_IRWXG | stat.S_IRWXO
ROUNDS = 5
SAMPLE = MailText(
    sender="Ann Example <ann@example.com>",
    to="office@example.org",
    subject="Delivery 4711: two boxes are missing",
    body="Good morning, yesterday's delivery came with ten boxes instead of twelve. Please tell us until Friday when "
    "the other two will come, and whether the invoice will be corrected. " * 4,
)


def memory() -> str:
    """Raises PostroomError where a training has no room on this machine, whatever else runs."""
    whole, free = whole_memory_mb(), free_memory_mb()
    if whole is not None and whole < LEAST_MEMORY_MB:
        fact = f"there are {whole / 1024:.1f} GB in all, and service and training take about one."
        raise PostroomError("this machine", fact, "Give it more.")
    if whole is None or free is None:
        return "nobody says how much there is"
    return f"{whole / 1024:.1f} GB, {free / 1024:.1f} GB of them free; a training takes 0.5 GB"


def rights(config: Path | None, settings: Settings) -> str:
    """Whoever may write the settings may send the passwords elsewhere. Raises PostroomError, OSError."""
    files = [] if config is None else [config, *_included(config, settings.include)]
    for file in files:
        if (mode := stat.S_IMODE(file.stat().st_mode)) & WRITERS:
            fact = f"may be written by others than its owner (mode {mode:04o})."
            raise PostroomError(str(file), fact, f"Run: chmod go-w {file}")
    unit = Path(UNIT_FOLDER)
    if unit.is_dir() and (mode := stat.S_IMODE(unit.stat().st_mode)) & LOOKERS:
        raise PostroomError(str(unit), f"is open to other users (mode {mode:04o}).", f"Run: chmod -R go= {unit}")
    return "nobody else may write the settings or look at the secrets"


def _included(config: Path, pattern: str) -> Iterator[Path]:
    if pattern:
        yield from (config.parent / name for name in glob.glob(pattern, root_dir=config.parent))  # noqa: PTH207


def speed(settings: Settings) -> str | None:
    """How long the first model that is in use takes for a mail, loaded as the service loads it; None: there is none,
    or another machine runs it. Raises EngineError."""
    if settings.engine.ELSEWHERE:
        return None
    used = (folder_in_use(database_path(settings), mailbox.name) for mailbox in settings.mailboxes)
    folder = next((folder for folder in used if folder is not None), None)
    if folder is None:
        return None
    from daemon.model.classifier import Classifier

    begun = time.perf_counter()
    key, place = TermKey.read(settings.state_dir / KEY_FILE), settings.state_dir / "models" / folder
    with Classifier.load(
        place, key, threads=settings.engine.threads, readers=cache_of(settings.state_dir)
    ) as classifier:
        classifier.classify([SAMPLE])
        loaded, took = time.perf_counter() - begun, []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            classifier.classify([SAMPLE])
            took.append(time.perf_counter() - begun)
    return f"{1000 * median(took):.0f} ms a mail, {loaded:.1f} s to load (threads = {settings.engine.threads})"
