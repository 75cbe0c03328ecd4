"""One night's work, top to bottom.

    job folder | clean and split lessons | base model and codebook | the linear model, the language model, the best of
    them and both together, with its neighbours | exam | gate | write  ->  candidate/, result.json

Nothing is written outside the job folder but the caches. `candidate/` appears by one rename when it is complete, so a
kill at any moment leaves none. Every expected end is a sentence in result.json; yesterday's model goes on serving.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.mistakes import disk_trouble
from daemon.model import model_folder
from daemon.model.codebook import CodebookError
from daemon.model.engines.engine import EngineError
from daemon.model.term_key import TermKey
from daemon.training.order import CANDIDATE, RESULT, CodebookRow, Lesson, Order, Result
from trainer import dataset, exam
from trainer.candidates import language, tfidf
from trainer.candidates.candidate import Candidate, Tried
from trainer.candidates.choice import Choice, choose
from trainer.candidates.nearest import Nearby, beside
from trainer.context import Night, open_night
from trainer.hint_trials import tried_hints
from trainer.job import Clock, Progress, Tell, TrainingFailed, read_job, read_lessons, write_result
from trainer.plan import night_costs, with_time_left
from trainer.recipe import Recipe


def run(folder: Path, tell: Tell, recipe: Recipe | None = None) -> Result:
    """Train as job.json says, and write and return the result. Raises BadJob for a folder that can't be read."""
    started = time.process_time()
    job, lessons = read_job(folder), read_lessons(folder)
    _clear(folder)
    try:
        result = _train(folder, job, lessons, with_time_left(tell, night_costs(job, lessons)), recipe or Recipe())
    except (TrainingFailed, EngineError, CodebookError) as error:
        result = Result(outcome="failed", verdict=str(error))
    except MemoryError:
        words = "There is not enough memory for training. Give the service more, or lower max_tokens."
        result = Result(outcome="failed", verdict=words)
    except Exception as error:
        trouble = disk_trouble(error, folder)
        if trouble is None:
            raise
        room = " Training needs some 2 GB for a while." if "room" in trouble.next_step else ""
        result = Result(outcome="failed", verdict=f"{trouble}{room}")
    cost = {
        "train_cpu_s": round(time.process_time() - started, 2),
        "peak_memory_mb": _peak_memory_mb(),
    }
    result = result.model_copy(update=cost)
    if result.outcome != "candidate":
        shutil.rmtree(folder / CANDIDATE, ignore_errors=True)
    write_result(folder, result)
    return result


def _peak_memory_mb() -> int:
    """The most that this process has had. Not getrusage's, which begins with what its parent had."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def _clear(folder: Path) -> None:
    """What an earlier, killed run left in this job folder."""
    for leftover in [*folder.glob(".training-*"), folder / CANDIDATE]:
        shutil.rmtree(leftover, ignore_errors=True)
    (folder / RESULT).unlink(missing_ok=True)


def _train(folder: Path, job: Order, lessons: Sequence[Lesson], progress: Progress, recipe: Recipe) -> Result:
    """Clean the lessons and prepare the base, then find the best model."""
    clock = Clock(job.time_limit_s)
    random.seed(job.seed)
    np.random.seed(job.seed)
    progress("clean", 0, 1, "cleaning lessons")
    key = TermKey.read(job.term_key)
    data = dataset.build(job, lessons, key, recipe.cleaning)
    progress("clean", 1, 1, f"{len(data.train)} lessons to learn, {len(data.exam)} for the exam")
    if nothing := data.nothing_to_choose(job):
        return Result(outcome="nothing", verdict=nothing, report=data.report, contradictions=data.contradictions)
    usable = [lesson for lesson in lessons if lesson.category in data.present and lesson.weight > 0]
    hints = tried_hints(usable, job.own_domains, recipe.hints)
    night = open_night(job, data, hints, key, clock, progress, recipe)
    with tempfile.TemporaryDirectory(prefix=".training-", dir=folder) as name:
        return _best_model(night, Path(name), folder / CANDIDATE)


@dataclass(frozen=True)
class Trained:
    """What one night's training came to: both candidates, which of them is to serve, and that one as it would."""

    linear: Candidate
    language: Tried
    choice: Choice
    serving: Nearby


def _best_model(night: Night, scratch: Path, target: Path) -> Result:
    """Train the candidates, let the best take the exam, and write it as `target`."""
    return examined(night, trained(night, scratch), scratch, target)


def trained(night: Night, scratch: Path) -> Trained:
    """Train the candidates in `scratch`, and choose. Raises EngineError, OSError."""
    linear = tfidf.candidate(night, scratch)
    language = _language(night, linear, scratch)
    night.progress("exam", 0, exam.STEPS, "comparing the models")
    choice = choose(linear, language.candidate, night.lessons, night.exam, night.recipe.evidence)
    night.progress("exam", 1, exam.STEPS, "trying its neighbours")
    return Trained(linear, language, choice, beside(choice.chosen, choice.judged, night, scratch))


def examined(night: Night, found: Trained, scratch: Path, target: Path) -> Result:
    """Let the one that is to serve take the exam, and write it as `target`. Once. Raises EngineError, OSError."""
    language, choice, serving = found.language, found.choice, found.serving
    night.progress("exam", 2, exam.STEPS, "taking the exam")
    paper = exam.take(night, choice, serving)
    figures = paper.figures(night, choice, serving, language)
    advice = f" {language.advice}" if language.advice else ""
    sentence = f"{paper.verdict.sentence} {choice.sentence}{serving.sentence}{advice}"
    night.progress("exam", exam.STEPS, exam.STEPS, sentence)

    night.progress("export", 0, 2, "writing the model")
    made = scratch / "made"
    made.mkdir()
    serving.write(made)
    night.progress("export", 1, 2, "noting what it has learnt")
    model_folder.save(made, paper.meta(night, serving, figures, sentence))
    made.rename(target)
    night.progress("export", 2, 2, "model written")
    trouble = paper.current.trouble
    return Result(
        outcome="candidate",
        promote=paper.verdict.promote,
        verdict=sentence,
        exam=figures,
        codebook=tuple(CodebookRow(**row) for row in night.book.to_json()),
        frozen=exam.newly_frozen(night.data, night.recipe.gate),
        report=(*night.data.report, *language.report, *((trouble,) if trouble else ())),
        contradictions=night.data.contradictions,
    )


def _language(night: Night, linear: Candidate, scratch: Path) -> Tried:
    """The language model, tuned as the job says."""
    if night.job.tuning == "answer":
        from trainer.answer import answered  # torch and transformers take seconds to import

        return answered.candidate(night, scratch)
    return language.candidate(night, linear, scratch)
