"""One night's work, top to bottom.

    job folder | base model and codebook | clean and split lessons | fit the linear model | read them with the base's
    lower layers | fit the language model, and both as a blend | export | exam of the served form | gate
    ->  candidate/, result.json

Nothing is written outside the job folder but the caches. `candidate/` appears by one rename when it is complete, so a
kill at any moment leaves none. Every expected end is a sentence in result.json; yesterday's model goes on serving.
"""

from __future__ import annotations

import logging
import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from daemon.mistakes import disk_trouble
from daemon.model import model_folder
from daemon.model.base_file import find_base
from daemon.model.calibration import calibrated
from daemon.model.classifier import Classifier, aligned, blend
from daemon.model.codebook import Codebook, CodebookError
from daemon.model.engines.engine import EngineError, Floats, renormalised
from daemon.model.linear import LinearModel
from daemon.model.model_folder import Kind, ModelFolder, ModelMeta
from daemon.model.neighbours import Neighbours
from daemon.model.prediction import Point
from daemon.model.term_key import TermKey
from daemon.training.order import CANDIDATE, RESULT, CodebookRow, Exam, Lesson, LoraTried, Order, Result
from trainer import dataset, exam_words, gate
from trainer.calibrate import Calibration, Labels, fit_blend, fit_calibration
from trainer.candidates.heads import folds
from trainer.candidates.nearest import fit_neighbours, fit_share
from trainer.candidates.tfidf import fit_linear
from trainer.context import Night
from trainer.dataset import Dataset, Example
from trainer.gate import ExamAnswer
from trainer.job import Clock, Progress, TrainingFailed, read_job, read_lessons, write_result
from trainer.prepare import check_window, prepare_base

log = logging.getLogger(__name__)

MOST_FROZEN = 100
# Of all held-out lessons: so many more must the language model have right than the blend to serve alone.
CLEARLY_BETTER = 0.01


def run(folder: Path, progress: Progress) -> Result:
    """Train as job.json says, and write and return the result. Raises BadJob for a folder that can't be read."""
    started = time.process_time()
    job, lessons = read_job(folder), read_lessons(folder)
    _clear(folder)
    try:
        result = _train(folder, job, lessons, progress)
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
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    result = result.model_copy(update=cost)
    if result.outcome != "candidate":
        shutil.rmtree(folder / CANDIDATE, ignore_errors=True)
    write_result(folder, result)
    return result


def _clear(folder: Path) -> None:
    """What an earlier, killed run left in this job folder."""
    for leftover in [*folder.glob(".training-*"), folder / CANDIDATE]:
        shutil.rmtree(leftover, ignore_errors=True)
    (folder / RESULT).unlink(missing_ok=True)


def _train(folder: Path, job: Order, lessons: Sequence[Lesson], progress: Progress) -> Result:
    clock = Clock(job.time_limit_s)
    random.seed(job.seed)
    np.random.seed(job.seed)
    progress("clean", 0, 1, "cleaning lessons")
    key = TermKey.read(job.term_key)
    data = dataset.build(job, lessons, key)
    progress("clean", 1, 1, f"{len(data.train)} lessons to learn, {len(data.exam)} for the exam")
    present = Counter(example.category for example in data.train)
    if len(present) < 2:
        why = _nothing_to_choose(job, present)
        return Result(outcome="nothing", verdict=why, report=data.report, contradictions=data.contradictions)

    progress("prepare", 0, 1, "preparing the base model")
    base = find_base(job.engine.base)
    prepared = prepare_base(base, job.cache)
    check_window(prepared, job.engine.max_tokens)
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    book = _codebook(job).extended([category.id for category in job.categories], tokenizer)
    categories = tuple(category for category in book.categories if category in present)
    night = Night(
        job, base, prepared, tokenizer, book, data, categories, progress, clock, key, list(data.report), lora=job.lora
    )
    progress("prepare", 1, 1, f"base model {base.name}")
    with tempfile.TemporaryDirectory(prefix=".training-", dir=folder) as name:
        return _candidate(night, Path(name), folder / CANDIDATE)


def _nothing_to_choose(job: Order, present: Mapping[str, int]) -> str:
    if not present:
        return "There are no lessons to learn from yet. Run `postroom learn --from-folders`, or file some mail by hand."
    only = job.title(next(iter(present)))
    return f"Only {only} has lessons; a model needs at least two folders to choose between."


def _codebook(job: Order) -> Codebook:
    return Codebook.from_json([row.model_dump() for row in job.codebook])


@dataclass(frozen=True)
class Answers:
    """What each model answered: out of fold (only rows that were judged) and in the exam, in its served form."""

    language: Floats | None
    linear: Floats
    labels: Labels


def _candidate(night: Night, scratch: Path, target: Path) -> Result:
    train, exam = night.lessons, night.data.exam
    labels = night.labels(train)
    parts = folds(night.data.train, night.data.by_time, night.job.seed, always=len(train))
    made = scratch / "made"
    made.mkdir()
    in_made = ModelFolder(made)

    night.progress("linear", 0, 1, "fitting the linear model")
    linear = fit_linear(train, labels, night.categories, parts, night.key)
    linear.model.save(in_made.linear)
    loaded = LinearModel.load(in_made.linear, night.key)
    linear_exam = aligned(loaded.logprobs([example.text for example in exam]), loaded.categories, night.categories)
    night.progress("linear", 1, 1, f"linear model: {linear.chosen}")

    prompts = night.prompts(exam)
    # torch and transformers take seconds to import, which a job without lessons should not wait for.
    if night.job.tuning == "answer":
        from trainer.answer.answering_candidate import answering_candidate

        found = answering_candidate(night, parts, labels, prompts, made, scratch)
    else:
        from trainer.candidates.language_candidate import language_candidate

        found = language_candidate(night, linear.answers, parts, labels, prompts, made, scratch)
    language_folds, language_exam, language_words = found
    night.progress("exam", 0, 1, "taking the exam")
    judged = ~np.isnan(linear.answers[:, 0])
    if language_folds is not None:  # tuning a whole base is too dear for every fold
        judged &= ~np.isnan(language_folds[:, 0])
    held = Answers(None if language_folds is None else language_folds[judged], linear.answers[judged], labels[judged])
    asked = Answers(language_exam, linear_exam, night.labels(exam))
    weight = 0.0 if held.language is None else fit_blend(held.language, held.linear, held.labels)
    kind, scores = _choose(held, asked, weight)
    share = {"llm": 1.0, "linear": 0.0, "blend": weight}[kind]
    chosen_held, chosen_exam = _answers(held, kind, weight), _answers(asked, kind, weight)
    neighbours, near = fit_neighbours(train, labels, night.categories, parts, night.data.by_time, night.key)
    nearness = fit_share(chosen_held, near[judged], held.labels, night.data.by_time)
    neighbours.save(made)  # without a share, too: they know mail of folders that are newer than the model
    if nearness > 0:
        near_exam = Neighbours.load(made, night.key).logprobs([example.text for example in exam])
        chosen_held = blend(near[judged], chosen_held, nearness)
        chosen_exam = blend(near_exam, chosen_exam, nearness)
    calibration = _calibration(chosen_held, held.labels, chosen_exam, asked.labels)
    points = [
        *_points(night, [train[index] for index in np.flatnonzero(judged)], chosen_held, calibration),
        *_points(night, exam, chosen_exam, calibration),
    ]
    current, known, current_error = _answers_of(night, night.job.current)
    rival, _, _ = _answers_of(night, night.job.withdrawn)
    candidate_right = (chosen_exam.argmax(axis=1) == asked.labels).tolist() if len(exam) else []
    verdict = gate.judge(
        [
            ExamAnswer(
                example.category,
                example.frozen,
                right,
                None if current is None else current[index],
                current is not None and example.category not in known,
            )
            for index, (example, right) in enumerate(zip(exam, candidate_right, strict=True))
        ],
        len(night.categories),
        {category.id: category.title for category in night.job.categories},
    )
    verdict = gate.beat_the_withdrawn(verdict, candidate_right, rival)
    if current_error:
        night.report.append(current_error)
    sentence = f"{verdict.sentence} {exam_words.which(kind, weight, scores)}{exam_words.near(nearness)}"
    if kind != "linear":
        sentence = " ".join([sentence, *night.remarks])
    more = {
        "language": language_words,
        "linear": linear.chosen,
        "blend_weight": weight,
        "neighbours": nearness,
        "lora": _of_use(night.lora, kind),
    }
    taken = exam_words.exam_figures(night, candidate_right, current, scores, points, kind, calibration, more)
    night.progress("exam", 1, 1, sentence)

    night.progress("export", 0, 1, "writing the model")
    if kind == "linear":
        in_made.without_language()
    elif kind == "llm":
        in_made.without_linear()
    meta = _meta(night, kind, share, nearness, calibration, taken, sentence, points)
    model_folder.save(made, meta)
    made.rename(target)
    night.progress("export", 1, 1, "model written")
    return Result(
        outcome="candidate",
        promote=verdict.promote,
        verdict=sentence,
        exam=taken,
        codebook=tuple(CodebookRow(**row) for row in night.book.to_json()),
        frozen=_newly_frozen(night.data),
        report=tuple(night.report),
        contradictions=night.data.contradictions,
    )


def _answers(answers: Answers, kind: str, weight: float) -> Floats:
    if kind == "linear" or answers.language is None:
        return renormalised(answers.linear)
    return renormalised(answers.language) if kind == "llm" else blend(answers.language, answers.linear, weight)


def _choose(held: Answers, asked: Answers, weight: float) -> tuple[Kind, dict[str, dict[str, Any]]]:
    """Which candidate is best on all held-out answers together; the linear model wins ties, for it is the cheapest.

    The language model alone serves only where it is clearly better than the blend: two models err less alike than one.
    """
    kinds: list[Kind] = ["linear"] if held.language is None else ["linear", "llm", "blend"]
    scores: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        exam = (_answers(asked, kind, weight).argmax(axis=1) == asked.labels).tolist() if len(asked.labels) else []
        fold = (_answers(held, kind, weight).argmax(axis=1) == held.labels).tolist() if len(held.labels) else []
        scores[kind] = {"exam": exam, "folds": fold}
    right = {kind: sum(scores[kind]["exam"]) + sum(scores[kind]["folds"]) for kind in kinds}
    best: Kind = max(kinds, key=lambda kind: right[kind])
    count = len(asked.labels) + len(held.labels)
    if best == "llm" and right["blend"] > max(right["linear"], right["llm"] - CLEARLY_BETTER * count):
        best = "blend"
    return best, scores


def _calibration(held: Floats, held_labels: Labels, exam: Floats, exam_labels: Labels) -> Calibration:
    known = exam_labels >= 0
    return fit_calibration(np.concatenate([held, exam[known]]), np.concatenate([held_labels, exam_labels[known]]))


def _points(night: Night, examples: Sequence[Example], logprobs: Floats, calibration: Calibration) -> list[Point]:
    if not len(examples):
        return []
    probabilities = np.exp(calibrated(logprobs, calibration.temperature, calibration.curve))
    best = logprobs.argmax(axis=1)
    return [
        Point(
            example.category,
            night.categories[column],
            round(float(row[column]), 5),
            night.categories[column] == example.category,
        )
        for example, column, row in zip(examples, best, probabilities, strict=True)
    ]


def _answers_of(night: Night, folder: Path | None) -> tuple[list[bool] | None, frozenset[str], str | None]:
    """Was an earlier model right, lesson by lesson, and which categories does it know?

    None without one, with the reason if it can't be asked. As in service, removed categories are no answers.
    """
    exam = night.data.exam
    if folder is None or not exam:
        return None, frozenset(), None
    allowed = {category.id for category in night.job.categories}
    try:
        engine = night.engine(folder) if model_folder.load(folder).kind != "linear" else None
        with Classifier.load(folder, night.key, engine, night.job.threads, night.book) as current:
            predictions = current.classify([example.original or example.text for example in exam], allowed)
            known = frozenset(current.meta.categories)
    except EngineError as error:
        return None, frozenset(), f"The model in use could not take the exam: {error}"
    return [p.best == example.category for p, example in zip(predictions, exam, strict=True)], known, None


def _of_use(lora: LoraTried | None, kind: str) -> dict[str, Any] | None:
    """What the next night must know: tuning a language model that does not serve was in vain, too."""
    return None if lora is None else {"newest": lora.newest, "paid": lora.paid and kind != "linear"}


def _meta(
    night: Night,
    kind: str,
    share: float,
    nearness: float,
    calibration: Calibration,
    exam: Exam,
    verdict: str,
    points: Sequence[Point],
) -> ModelMeta:
    return ModelMeta.model_validate(
        {
            "version": night.job.version,
            "created": datetime.now(UTC),
            "kind": kind,
            "base": None
            if kind == "linear"
            else {"name": night.base.name, "sha256": night.base.sha256, "architecture": night.base.architecture},
            "codebook": night.book.to_json(),
            "categories": night.categories,
            "prompt": {
                "version": night.settings.version,
                "max_tokens": night.settings.max_tokens,
                "head_share": night.settings.head_share,
            },
            "blend_weight": share,
            "neighbours": nearness,
            "temperature": calibration.temperature,
            "isotonic": calibration.curve,
            "disclaimers": night.data.disclaimers,
            "term_key": night.key.check,
            "quantization": "" if kind == "linear" else night.quantization,
            "layers_kept": None if kind == "linear" else night.layers_kept,
            "seed": night.job.seed,
            "exam": exam.model_dump(mode="json"),
            "verdict": verdict,
            "points": points,
            "train_seconds": round(night.clock.elapsed, 1),
        }
    )


def _newly_frozen(data: Dataset) -> tuple[int, ...]:
    """Lessons of this exam that stay in all later ones: half of it, up to a bound, so that the exam can't drift off."""
    already = sum(example.frozen for example in data.exam)
    most = min(MOST_FROZEN, round(0.05 * (len(data.train) + len(data.exam))))
    fresh = [example for example in data.exam if not example.frozen]
    count = max(0, min(most - already, len(fresh) // 2))
    return tuple(example.id for example in fresh[:count])
