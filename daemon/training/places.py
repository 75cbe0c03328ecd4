"""Where trainings work side by side: so many places, each with a lock, a job folder and its mailbox's name.

    training/lock      held by every training together, or alone by who wants that none works
    training/place-N   held by the training that works there; says whose it is
    training/job-N     its folder: lessons, so mail. Who takes the place removes what was left there
    training/cache     bases, readers and readings, for all

A lock ends with its process, however that ends, so the place of a training that was killed is free at once.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from daemon.mistakes import ExitCode, PostroomError, disk_trouble
from daemon.model import model_folder
from daemon.model.engines.engine import EngineError
from daemon.model.reader_files import PREFIX, reader_folder
from daemon.rules.schedule import trainings_at_once
from daemon.settings import TrainingSettings
from daemon.state.lock import LOOK_S, LOOKS, taken
from daemon.store import training
from daemon.store.database import Database
from daemon.training import machine
from daemon.training.training_dir import in_state_dir, working

KEPT_BASES = 2
"""Prepared base models, and readers, that stay in the cache: the one in use, and the one before it."""


class TrainingBusy(PostroomError):
    """Other trainings work in this state directory, and leave no place for this one."""

    exit_code = ExitCode.TRY_AGAIN


def places(settings: TrainingSettings) -> int:
    """How many trainings may work side by side here."""
    if settings.tuning == "answer":
        return 1  # it takes the whole GPU, or most of the memory
    return trainings_at_once(settings.at_once, settings.threads, machine.cores())


@contextmanager
def place_for(state_dir: Path, mailbox: str, most: int) -> Iterator[Path]:
    """Where the folder for a training of the mailbox of this name is to be made; it is gone when the block ends.

    Raises TrainingBusy where `most` trainings work already, where one of this mailbox does, or while nobody may train;
    PostroomError where the disk is full.
    """
    training_dir = in_state_dir(state_dir)
    with ExitStack() as held:
        lock = held.enter_context((training_dir / "lock").open("w"))
        number = _free(training_dir, most, held) if taken(lock.fileno(), together=True) else None
        if number is None:
            many = "another training is" if most == 1 else f"{most} trainings are"
            raise TrainingBusy(str(training_dir), f"{many} running.", "Wait for it: `postroom status` shows it.")
        _note(training_dir / f"place-{number}", mailbox)
        # Of two that begin at once both have written before they look, so at least one sees the other.
        if list(working(training_dir).values()).count(mailbox) > 1:
            raise TrainingBusy(mailbox, "is being trained already.", "Wait for it: `postroom status` shows it.")
        folder = training_dir / f"job-{number}"
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        yield folder


def _note(place: Path, mailbox: str) -> None:
    """Write down whose training takes the place. Raises PostroomError in words where the disk is full."""
    try:
        place.write_text(mailbox)
    except OSError as error:
        raise disk_trouble(error, place) or error from None


def _free(training_dir: Path, most: int, held: ExitStack) -> int | None:
    """A place that nobody works at, taken for as long as `held` is; None: there is none."""
    for _ in range(LOOKS):
        for number in range(1, most + 1):
            place = (training_dir / f"place-{number}").open("a")
            if taken(place.fileno(), looks=1):
                held.enter_context(place)
                return number
            place.close()
        time.sleep(LOOK_S)  # somebody may only have looked
    return None


@contextmanager
def no_training(state_dir: Path) -> Iterator[None]:
    """While the block runs nothing trains, and what killed trainings left is gone. Raises TrainingBusy."""
    training_dir = in_state_dir(state_dir)
    with (training_dir / "lock").open("w") as lock:
        if not taken(lock.fileno()):
            raise TrainingBusy(
                str(training_dir), "another training is running.", "Wait for it: `postroom status` shows it."
            )
        _sweep(training_dir)
        yield


def _sweep(training_dir: Path) -> None:
    """Remove what killed trainings left behind. Lessons are mail: they don't stay in a job folder."""
    cache = training_dir / "cache"
    made = sorted(cache.glob("base-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    unfinished = (*cache.glob(".base-*"), *cache.glob(".reader-*"))
    spare = _spare_readers(cache, training_dir.parent / "models")
    for leftover in (*training_dir.glob("job-*"), *unfinished, *made[KEPT_BASES:], *spare):
        shutil.rmtree(leftover, ignore_errors=True)
    for stray in cache.glob("readings-*"):  # of a Postroom that kept those of all mailboxes in one file
        stray.unlink(missing_ok=True)


def _spare_readers(cache: Path, models: Path) -> list[Path]:
    """Readers that no model names, but for the newest: of a base, or of a Postroom, from before."""
    made = sorted(cache.glob(f"{PREFIX}*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    if len(made) <= KEPT_BASES:
        return []
    named = set[Path]()
    for model in models.glob("*/*"):
        with suppress(EngineError):
            named.add(reader_folder(cache, model_folder.load(model, check_files=False).reader))
    return [folder for folder in made[KEPT_BASES:] if folder not in named]


def sweep(database: Database, state_dir: Path, now: datetime) -> None:
    """At start-up and before a night, unless a training works now: mail does not wait in a dead job for its place to
    be taken, and a training that died with the machine has ended."""
    if (state_dir / "training").is_dir():
        with suppress(TrainingBusy), no_training(state_dir):
            with database.read() as tx:
                died = training.some_have_no_end(tx)
            if died:
                with database.begin() as tx:
                    training.interrupt_runs(tx, now)
