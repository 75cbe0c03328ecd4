"""One cut of one archive: all mail before it is learnt, one training, and the next 200 are judged as they come.

    the archive, plain or with housekeeping | an office learns, trains, decides; a person puts right at once  ->  Judged

The office is that of `postroom rehearse`: the real store, trainer and decisions, in a folder that is thrown away.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dated_mail import read_archive
from benchmarks.office_changes import Change, Step, draw, keep_house
from daemon.model.base_file import find_base
from daemon.model.reader_files import cache_of
from daemon.passes.desk import Desk
from daemon.rehearsal.back_test import LabelledMail, Office, Verdict
from daemon.rehearsal.replay import NAME, RehearsedOffice
from daemon.service import logs
from daemon.settings import Settings, TrainingSettings
from daemon.store import twin_pairs

PLAIN, HOUSEKEEPING = "plain", "housekeeping"
JUDGED = 200
EARLIEST = 0.4
"""The share of the archive before the first cut."""
NO_TIME = timedelta(seconds=1)
"""Too little to read a lesson in, so that a training ends with the linear model and its neighbours."""


@dataclass(frozen=True)
class Task:
    """What is run, and known again in a file of results."""

    archive: str
    mailbox: str
    cut: int
    cuts: int
    seed: int
    language: bool = True
    short: int | None = None
    answered: bool = False
    """After the training a person says of every pair of folders asked about that the two differ."""


@dataclass(frozen=True)
class Answer:
    """One mail of the archive, the folder where the person keeps it, and what the office made of it."""

    place: int
    folder: str
    verdict: Verdict

    @property
    def right(self) -> bool:
        """It was filed, and where the person keeps it."""
        return self.verdict.filed == self.folder


@dataclass(frozen=True)
class Judged:
    """How the mail after one cut went. `who`: by source, how many were filed and how many of these rightly."""

    messages: int
    filed: int
    right: int
    best: int
    """Best guesses that were right, filed or not."""
    who: Mapping[str, tuple[int, int]]
    newcomer: int
    """Left because they look like mail of a folder newer than the model."""

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Judged:
        """Counted."""
        filed = [answer for answer in answers if answer.verdict.filed is not None]
        sources = dict.fromkeys(str(answer.verdict.source) for answer in filed)
        by_source = {
            source: [answer.right for answer in filed if answer.verdict.source == source] for source in sources
        }
        return cls(
            len(answers),
            len(filed),
            sum(answer.right for answer in filed),
            sum(answer.verdict.best == answer.folder for answer in answers),
            {source: (len(right), sum(right)) for source, right in by_source.items()},
            sum(answer.verdict.source == "newcomer" for answer in answers),
        )


def places(mails: int, cuts: int, judged: int = JUDGED) -> list[int]:
    """Where the cuts lie: evenly over the later part of an archive of so many mails, none in another's place.

    Raises ValueError for an archive that is too small.
    """
    first, last = round(EARLIEST * mails), mails - judged
    if last < first or first == 0:
        raise ValueError(f"{mails} mails are too few: {judged} are to be judged after the first {EARLIEST:.0%}.")
    found = sorted({round(first + number * (last - first) / max(1, cuts - 1)) for number in range(cuts)})
    if len(found) < cuts:
        raise ValueError(f"{mails} mails are too few for {cuts} cuts.")
    return found


def judge(
    office: Office,
    steps: Sequence[Step],
    at: int,
    judged: int = JUDGED,
    once_trained: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """Learn what came before mail number `at`, train, and judge the next ones."""
    before = [step.mail for step in steps if step.place < at]
    office.learn(sorted(before, key=lambda mail: mail.at))
    office.train()
    once_trained()
    answers = []
    for step in steps:
        if not at <= step.place < at + judged:
            continue
        if step.asked:
            answers.append(Answer(step.place, step.mail.folder, office.decide(step.mail)))
        if not step.asked or not answers[-1].right:
            office.learn([step.mail])
    return answers


def say_they_differ(desk: Desk) -> None:
    """As `postroom folders --differ`, for every pair that waits."""
    with desk.database.begin() as tx:
        for pair in twin_pairs.pairs(tx, desk.mailbox_id):
            if pair.choice is None:
                twin_pairs.choose(tx, desk.mailbox_id, pair.id, "differ", None, desk.clock())


def touched(change: Change, mails: Sequence[LabelledMail], answers: Sequence[Answer]) -> list[Any]:
    """[kind, when, mails that came after the change to its folders, how many of these filed, how many rightly]"""
    mine = [one for one in answers if one.place >= change.at and mails[one.place].folder in change.folders]
    judged = Judged.of(mine)
    return [change.kind, change.when, judged.messages, judged.filed, judged.right]


@lru_cache(maxsize=2)
def _archive(name: str, data: Path | None, short: int | None) -> Sequence[LabelledMail]:
    return read_archive(name, data, short)


def run(task: Task, data: Path | None, cache: Path, threads: int = 1) -> dict[str, Any]:
    """One line of the results. `cache`: where the prepared base lies, and what it has made of mail."""
    mails = _archive(task.archive, data, task.short)
    at = places(len(mails), task.cuts)[task.cut]
    changes = draw(mails, at, task.cut, task.seed) if task.mailbox == HOUSEKEEPING else []
    steps = keep_house(mails, changes, at)
    settings = settings_of(cache, task.language, threads)
    logs.configure(settings.log.model_copy(update={"level": "error"}))
    prepare(cache)
    began, cpu = time.monotonic(), time.process_time()
    with RehearsedOffice(settings) as office:
        readings = office.settings.state_dir / "training" / "cache" / "lessons" / NAME
        pool = cache / "readings"
        if task.language:
            lend(pool, readings)
        say = partial(say_they_differ, office.desk) if task.answered else lambda: None
        answers = judge(office, steps, at, once_trained=say)
        if task.language:
            take_back(readings, pool)
    return {
        **asdict(task),
        "at": at,
        "lessons": sum(step.place < at for step in steps),
        **asdict(Judged.of(answers)),
        "changes": [touched(change, mails, answers) for change in changes],
        "wrong": [answer.place for answer in answers if answer.verdict.filed is not None and not answer.right],
        "seconds": round(time.monotonic() - began),
        "asking_cpu_s": round(time.process_time() - cpu),
    }


def settings_of(cache: Path, language: bool, threads: int) -> Settings:
    """The defaults, on few threads; without a language model if so wished."""
    limit = {} if language else {"time_limit": NO_TIME}
    return Settings(
        state_dir=cache.resolve(),
        training=TrainingSettings(threads=threads, **limit),
        engine={"threads": threads},  # type: ignore[arg-type]
    )


def prepare(cache: Path) -> None:
    """The base model and the reader on it made ready once for all offices. Raises EngineError, OSError."""
    from trainer.candidates.pooled import depth_of
    from trainer.export.reader_export import prepare_reader
    from trainer.prepare import prepare_base
    from trainer.recipe import Recipe

    place, recipe = cache_of(cache), Recipe()
    base = prepare_base(find_base(), place)
    prepare_reader(base, depth_of(base.shape.layers, recipe.pooled), "int8", place, recipe.rounding)


def lend(pool: Path, office: Path) -> None:
    """Give an office what the base has made of mail before."""
    if pool.is_dir():
        shutil.copytree(pool, office, dirs_exist_ok=True)


def take_back(office: Path, pool: Path) -> None:
    """Keep what the office's trainings have read, beside what others have."""
    pool.mkdir(parents=True, exist_ok=True)
    for file in office.glob("readings-*.npz"):
        kept: dict[str, Any] = {}
        for known in (pool / file.name, file):
            if known.is_file():
                with np.load(known, allow_pickle=False) as arrays:
                    kept.update(zip(arrays["keys"].tolist(), arrays["rows"], strict=True))
        beside = pool / f".{file.name}"
        with beside.open("wb") as out:
            np.savez(out, allow_pickle=False, keys=np.array(list(kept)), rows=np.stack(list(kept.values())))
        beside.rename(pool / file.name)
