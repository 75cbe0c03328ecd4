"""`postroom try` from the daemon's side: examples out of a file to the trainer, and back with a table and a model.

    examples -> a private folder for a while | `python -P -m trainer.trial JOB` | result.json, candidate/, gguf/

Needs no mailbox, no settings and no database. The folder goes at the end, however that comes; one of a trial that was
killed goes at the start of the next.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from daemon.examples.example_file import Example, Examples
from daemon.mistakes import PostroomError, disk_trouble
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.model.term_key import KEY_FILE, TermKey
from daemon.settings import TrainingSettings
from daemon.state.lock import taken
from daemon.training import extra
from daemon.training.order import CANDIDATE, LESSONS, ORDER, Category, Lesson, Order
from daemon.training.trainer_process import NoAnswer, ShowProgress, run_trainer
from daemon.training.trial_order import GGUF, JUDGED, TrialResult, Way

PREFIX = "postroom-try-"
NICE = 10
"""A person waits for it, but a service beside it comes first."""


@dataclass(frozen=True)
class Wishes:
    """How it is to be tried. `gguf`: the language model is wanted for Ollama, too."""

    base: Path | None = None
    tuning: Literal["pooled", "answer"] = "pooled"
    backend: Literal["peft", "unsloth"] = "peft"
    unsloth_python: Path | None = None
    seed: int = 1
    threads: int = 2
    gguf: bool = False


@dataclass(frozen=True)
class Trial:
    """What came of it, in folders that go when the trial's block ends.

    `gguf`: None where there is none; `shown_as`: its row in the table.
    """

    result: TrialResult
    model: Path
    key: Path
    gguf: Path | None
    shown_as: Way = "pooled"


@contextmanager
def trial(name: str, examples: Examples, test: Examples | None, wishes: Wishes, show: ShowProgress) -> Iterator[Trial]:
    """Try it; the block works with the outcome. `name`: what the examples are called in errors.

    Raises PostroomError in the trainer's words, EngineError.
    """
    extra.require(name, "trying it by several ways")
    _sweep()
    with _folder() as folder:
        job = folder / "job"
        job.mkdir()
        TermKey.of(folder)
        order = Order(
            version="trial",
            cache=folder / "cache",
            term_key=folder / KEY_FILE,
            engine=EmbeddedSettings(base=wishes.base, threads=wishes.threads),
            categories=tuple(Category(id=label, name=label) for label in examples.labels),
            seed=wishes.seed,
            threads=wishes.threads,
            tuning=wishes.tuning,
            backend=wishes.backend,
            unsloth_python=wishes.unsloth_python,
            also_gguf=wishes.gguf,
        )
        try:
            (job / ORDER).write_text(order.model_dump_json(), "utf-8")
            _write(job / LESSONS, examples.rows)
            if test is not None:
                _write(job / JUDGED, test.rows, -1)
        except OSError as error:  # of a full disk it names no file
            raise disk_trouble(error, folder) or error from error
        training = TrainingSettings(threads=wishes.threads, nice=NICE, time_limit=timedelta(days=1))
        result = run_trainer(job, training, show, None, TrialResult, "trainer.trial", limited=False)
        if isinstance(result, NoAnswer) or result.outcome == "failed":
            raise PostroomError(name, "could not be tried.", result.verdict)
        made = next((job / GGUF).glob("*.gguf"), None)
        row: Way = "codes" if wishes.tuning == "answer" else "pooled"
        yield Trial(result, job / CANDIDATE, folder / KEY_FILE, made, row)


def _write(path: Path, examples: Sequence[Example], sign: int = 1) -> None:
    """Lessons by the number of their row, below zero (`sign`) for those to judge by."""
    with path.open("w", encoding="utf-8") as out:
        for example in examples:
            lesson = Lesson(
                id=sign * example.row, category=example.label, text=example.text, thread=example.group, at=example.date
            )
            out.write(f"{lesson.model_dump_json()}\n")


@contextmanager
def _folder() -> Iterator[Path]:
    """A private folder, locked by us and gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))  # under this name the sweep of another trial passes it by
    try:
        with (folder / "lock").open("w") as lock:
            taken(lock.fileno())
            folder = folder.rename(folder.with_name(folder.name[1:]))
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders of trials that were killed: they hold people's texts."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "lock").open("r+") as lock:
            if taken(lock.fileno()):
                shutil.rmtree(folder, ignore_errors=True)
