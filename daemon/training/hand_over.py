"""One night's training, from the daemon's side: it hands over a snapshot and takes back a verdict.

    lessons, codebook, current model -> job folder | `python -P -m trainer JOB` | result.json
    candidate folder -> registry | promote if the exam says so, else keep and say why

The trainer is a process of its own: torch never loads into the service, its memory comes back, a crash is an exit code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from daemon.mistakes import PostroomError, disk_trouble
from daemon.model.as_read import layout_of
from daemon.model.engines.engine import EngineError
from daemon.rules.twins import in_words
from daemon.settings import Settings
from daemon.store import learning, mailboxes, sharing, training
from daemon.store.counting import counting
from daemon.store.database import Database, Tx
from daemon.training import extra
from daemon.training.never_senders import void_never_senders
from daemon.training.order import (
    CANDIDATE,
    LESSONS,
    ORDER,
    Category,
    CodebookRow,
    Comparison,
    Lesson,
    Order,
    Result,
)
from daemon.training.places import place_for, places
from daemon.training.registry import Registry
from daemon.training.trainer_process import BROKEN_OFF_WORDS, NoAnswer, ShowProgress, Stop, run_trainer
from daemon.training.training_dir import in_state_dir
from daemon.training.twin_finder import find_twins

log = structlog.get_logger()


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended. outcome: promoted, kept, nothing, failed, stopped or reloaded."""

    outcome: str
    verdict: str
    version: str | None = None
    exam: Mapping[str, Any] | None = None
    report: tuple[str, ...] = ()
    peak_memory_mb: int = 0


def train(
    database: Database,
    registry: Registry,
    settings: Settings,
    mailbox: int,
    clock: Callable[[], datetime],
    *,
    progress: ShowProgress | None = None,
    stop: Stop | None = None,
) -> TrainingOutcome:
    """Train, judge, and promote or keep. Never leaves a half-made model. Raises TrainingBusy, StoreError.

    `stop` is asked several times a second: the outcome to end with now, or None to go on.
    """
    training_dir = in_state_dir(settings.state_dir)
    with database.read() as tx:
        name = mailboxes.name_of(tx, mailbox)
    with place_for(settings.state_dir, name, places(settings.training)) as folder:
        registry.prune(mailbox, settings.training.keep_models)
        with database.read() as tx:
            together = sharing.group(tx, mailbox)
        for one, called in together.items():
            void_never_senders(database, one, settings.sorting_of(called), clock())
        wanted = settings.sorting_of(name).precision
        find_twins(database, mailbox, registry.points(mailbox), wanted, clock())
        with database.begin() as tx:
            training.interrupt_runs(tx, clock(), mailbox)
            newest, count = learning.lesson_state(tx, mailbox)
            version = _next_version(tx, mailbox, clock())
            run = training.start_run(tx, mailbox, clock(), count, newest)
        result: Result | NoAnswer | None = None
        try:
            extra.require_for(settings)
            with database.read() as tx:
                order = _order(tx, settings, registry, mailbox, version, training_dir)
                stands = _as_they_count(tx, mailbox)
            problem = registry.serving.problem()  # now, not after the training that it would be in vain for
            if problem is not None:
                result = NoAnswer("failed", f"Nothing was trained. {problem}")
            else:
                registry.term_key()
                _write_job(database, mailbox, folder, order, newest)
                result = run_trainer(folder, settings.training, progress, stop, Result)
            outcome = _take_over(database, registry, settings, mailbox, version, folder, result, clock, run)
            peak = result.peak_memory_mb if isinstance(result, Result) else 0
            outcome = replace(outcome, report=(*outcome.report, *stands), peak_memory_mb=peak)
        except (PostroomError, EngineError) as error:  # also: the key of the models' words is lost, or can't be made
            outcome = TrainingOutcome("failed", str(error))
        except Exception as error:
            trouble = disk_trouble(error, training_dir)
            if trouble is None:
                _note_bug(database, run, clock())
                raise
            outcome = TrainingOutcome("failed", str(trouble))
        finally:
            registry.tidy_server(mailbox)
        with database.begin() as tx:
            pairs = result.contradictions if isinstance(result, Result) else ()
            training.end_run(tx, run, clock(), outcome.outcome, outcome.verdict, outcome.report, pairs)
        if outcome.version is not None:
            points, _ = registry.judged_by(mailbox, outcome.version)
            find_twins(database, mailbox, points, wanted, clock())
    log.info("trained", mailbox=name, status=outcome.outcome, model=outcome.version)
    return outcome


def _as_they_count(tx: Tx, mailbox: int) -> list[str]:
    """Which folders' lessons do not count as their own, in sentences."""
    names = mailboxes.category_names(tx, mailbox)
    return in_words(counting(tx, mailbox).by_category(), names)


def _note_bug(database: Database, run: int, now: datetime) -> None:
    """Record that the training ended by an error of ours: people hear of it where they hear of other failures."""
    with contextlib.suppress(PostroomError), database.begin() as tx:
        training.end_run(tx, run, now, "failed", "An unexpected error; see the log.")


def compare_labels(
    database: Database,
    registry: Registry,
    settings: Settings,
    mailbox: int,
    *,
    progress: ShowProgress | None = None,
) -> Comparison:
    """Readable names against codes on this mailbox's own lessons: the trainer's result. Changes nothing.

    Raises TrainingBusy, and PostroomError with the trainer's sentence when it could not compare.
    """
    extra.require("postroom train --compare-labels", "comparing fine-tunings")
    with database.read() as tx:
        name, taught = mailboxes.name_of(tx, mailbox), learning.lesson_counts(tx, mailbox)
    if len(taught) < 2:  # the trainer would say so too, after a minute of imports
        why = "there is nothing to compare: it takes two categories with some lessons each."
        raise PostroomError(name, why, "Run `postroom learn --from-folders` first.")
    with place_for(settings.state_dir, name, places(settings.training)) as folder:
        with database.read() as tx:
            order = _order(tx, settings, registry, mailbox, "comparison", in_state_dir(settings.state_dir))
        registry.term_key()
        _write_job(database, mailbox, folder, order, None)
        module = ("trainer.compare", "--job")
        found = run_trainer(folder, settings.training, progress, None, Comparison, *module, limited=False)
    if isinstance(found, NoAnswer) or found.outcome == "failed":
        raise PostroomError(order.mailbox, "names and codes could not be compared.", found.verdict)
    return found


def _next_version(tx: Tx, mailbox: int, now: datetime) -> str:
    """The day and a letter: 2026-11-22a, then b ... z, then aa."""
    day = f"{now.astimezone():%Y-%m-%d}"
    taken = {model.version for model in training.models(tx, mailbox)}
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    names = (first + second for first in ["", *letters] for second in letters)
    return next(f"{day}{name}" for name in names if f"{day}{name}" not in taken)


def _order(tx: Tx, settings: Settings, registry: Registry, mailbox: int, version: str, training_dir: Path) -> Order:
    """Raises PostroomError where there is nothing that could be learnt."""
    name, known = mailboxes.name_of(tx, mailbox), mailboxes.categories(tx, mailbox)
    sorting, names = settings.sorting_of(name), sharing.group(tx, mailbox).values()
    together = [box for box in settings.mailboxes if box.name in names]
    if not known:
        next_step = "`postroom folders` says what every folder is for."
        raise PostroomError(name, "nothing was trained: no folder is known as a category yet.", next_step)
    elsewhere = counting(tx, mailbox).by_category()
    learnt = [category for category in known if category.uid not in elsewhere]
    models = training.models(tx, mailbox)
    current = training.current_model(tx, mailbox)
    rival = training.withdrawn_model(models)
    return Order(
        version=version,
        mailbox=name,
        cache=training_dir / "cache",
        term_key=registry.key_file,
        engine=settings.engine,
        categories=tuple(Category(id=c.uid, name=c.name, description=c.description) for c in learnt),
        codebook=tuple(CodebookRow(code=code, category=uid) for code, uid in mailboxes.codebook(tx, mailbox)),
        current=registry.folder_of(current) if current else None,
        withdrawn=registry.folder_of(rival) if rival and rival.state != "removed" else None,
        wanted_precision=sorting.precision,
        attached=layout_of(sorting.attachments),
        own_domains=tuple(dict.fromkeys(domain for box in together for domain in box.own_domains)),
        seed=settings.training.seed,
        tuning=settings.training.tuning,
        backend=settings.training.backend,
        unsloth_python=settings.training.unsloth_python,
        memory_mb=settings.training.memory_mb,
        threads=settings.training.threads,
        time_limit_s=settings.training.time_limit.total_seconds(),
    )


def _write_job(database: Database, mailbox: int, folder: Path, order: Order, newest: int | None) -> None:
    """`newest`: the last lesson that the run has noted, so that `forget` can tell what a model has learnt from."""
    folder.mkdir(mode=0o700)
    (folder / ORDER).write_text(order.model_dump_json(indent=1), "utf-8")
    write_lessons(database, mailbox, folder / LESSONS, newest)


def write_lessons(database: Database, mailbox: int, path: Path, newest: int | None = None) -> None:
    """All lessons that count, up to `newest`, one JSON object a line, for the trainer. Raises OSError."""
    with path.open("w", encoding="utf-8") as out:
        for lesson in learning.every_lesson(database, mailbox, newest):
            row = Lesson(
                id=lesson.id,
                category=lesson.category,
                text=lesson.text,
                thread=lesson.thread,
                at=lesson.at,
                weight=lesson.weight,
                frozen=lesson.frozen,
            )
            out.write(f"{row.model_dump_json()}\n")


def _take_over(
    database: Database,
    registry: Registry,
    settings: Settings,
    mailbox: int,
    version: str,
    folder: Path,
    result: Result | NoAnswer,
    clock: Callable[[], datetime],
    run: int,
) -> TrainingOutcome:
    """Move the candidate into the registry and promote it if the exam was passed."""
    if isinstance(result, NoAnswer):
        return TrainingOutcome(result.outcome, result.verdict)
    verdict, report = result.verdict, result.report
    exam = {} if result.exam is None else result.exam.model_dump(mode="json")
    if result.outcome != "candidate":
        return TrainingOutcome(result.outcome, verdict, None, exam, report)
    promote = result.promote
    with database.begin() as tx:
        if sharing.lender_of(tx, mailbox) is not None:  # it has begun to share since, and has no model of its own
            return TrainingOutcome("reloaded", BROKEN_OFF_WORDS["reloaded"])
        mailbox_name = mailboxes.name_of(tx, mailbox)
        home = registry.models_dir / mailbox_name
        home.mkdir(parents=True, exist_ok=True)
        (folder / CANDIDATE).rename(home / version)
        mailboxes.extend_codebook(tx, mailbox, [(row.code, row.category) for row in result.codebook])
        learning.freeze(tx, mailbox, result.frozen)
        training.add_model(
            tx,
            mailbox,
            version,
            f"{mailbox_name}/{version}",
            clock(),
            state="kept" if promote else "rejected",
            verdict=verdict,
            exam=exam,
            run=run,
        )
    if promote:
        registry.promote(mailbox, version, clock())
    registry.prune(mailbox, settings.training.keep_models)
    return TrainingOutcome("promoted" if promote else "kept", verdict, version, exam, report)
