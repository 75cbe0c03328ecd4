"""The exam of one night: what the candidate and the model in use have right, in answers, figures and a verdict.

choice, serving candidate | temperature | points | the model in use, and a withdrawn one, take it too | gate  ->  Paper
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.model import model_folder
from daemon.model.classifier import Classifier
from daemon.model.engines.engine import EngineError, Floats, renormalised
from daemon.model.model_folder import ModelMeta, Sureness
from daemon.model.neighbours import Near
from daemon.model.prediction import Point
from daemon.model.sureness import signs
from daemon.rules.thresholds import filed, thresholds
from daemon.training.order import Exam
from trainer import gate
from trainer.calibrate import Calibration, fit_calibration
from trainer.candidates.candidate import Tried
from trainer.candidates.choice import Choice
from trainer.candidates.nearest import Nearby
from trainer.certainty import Stated, fit_sureness
from trainer.context import Night
from trainer.dataset import Dataset, Example
from trainer.evaluate import figures, paired_chance
from trainer.gate import ExamAnswer, Verdict
from trainer.recipe import Gate

STEPS = 4
"""The models are compared, the best gets its neighbours, it takes the exam, and so does the model in use."""


@dataclass(frozen=True)
class Earlier:
    """An earlier model's exam: was it `right`, lesson by lesson, which categories does it know, and in words why it
    could not be asked. Nothing without one."""

    right: list[bool] | None = None
    known: frozenset[str] = frozenset()
    trouble: str | None = None


@dataclass(frozen=True)
class Paper:
    """The exam of the model that is to serve, which was `right` lesson by lesson.

    `points`: its answers to all held-out lessons, as sure as `sureness` states; without one, calibrated. `current`: the
    exam of the model in use.
    """

    right: list[bool]
    calibration: Calibration
    points: tuple[Point, ...]
    sureness: Sureness | None
    current: Earlier
    verdict: Verdict

    def figures(self, night: Night, choice: Choice, serving: Nearby, language: Tried) -> Exam:
        """What model.json keeps of the exam: shares from 0 to 1, counts, and 95 % intervals."""
        found, current = figures(self.right), self.current.right
        took = filed(self.points, thresholds(self.points, night.job.wanted_precision))
        shares = {name: figures(score.exam)["accuracy"] for name, score in choice.scores.items()}
        by_category: dict[str, list[bool]] = {}
        for example, right in zip(night.exam.examples, self.right, strict=True):
            by_category.setdefault(example.category, []).append(right)
        return Exam(
            n=len(self.right),
            candidate=found["accuracy"],
            interval=found["interval"],
            current=None if current is None else figures(current)["accuracy"],
            linear=shares["linear"],
            llm=shares.get("llm"),
            blend=shares.get("blend"),
            kind=serving.name,
            details={
                "frozen": sum(example.frozen for example in night.exam.examples),
                "by_time": night.lessons.by_time,
                "folds": {name: figures(score.folds) for name, score in choice.scores.items()},
                "better_than_current_by_chance": (
                    None if current is None else round(paired_chance(self.right, current), 4)
                ),
                "by_category": {category: figures(part) for category, part in by_category.items()},
                "temperature": round(self.calibration.temperature, 3),
                "calibration": {
                    "answers": self.calibration.answers,
                    "error_before": round(self.calibration.before, 4),
                    "error_after": round(self.calibration.after, 4),
                },
                "filed_share_of_held_out": round(len(took) / len(self.points), 4) if self.points else None,
                "filed_precision_of_held_out": round(sum(p.correct for p in took) / len(took), 4) if took else None,
                "language": language.words,
                "linear": choice.linear.words,
                "blend_weight": choice.share,
                "neighbours": serving.share,
            },
        )

    def meta(self, night: Night, serving: Nearby, exam: Exam, verdict: str) -> ModelMeta:
        """All that model.json says of the model."""
        return ModelMeta.model_validate(
            {
                "version": night.job.version,
                "created": datetime.now(UTC),
                "codebook": night.book.to_json(),
                "categories": night.lessons.categories,
                "prompt": {
                    "version": night.settings.version,
                    "max_tokens": night.settings.max_tokens,
                    "head_share": night.settings.head_share,
                },
                "temperature": self.calibration.temperature,
                "disclaimers": night.data.disclaimers,
                "attached": night.job.attached,
                "term_key": night.key.check,
                "seed": night.job.seed,
                "exam": exam.model_dump(mode="json"),
                "verdict": verdict,
                "points": self.points,
                "hints": night.hints,
                "sureness": self.sureness,
                **serving.described(),
            }
        )


def take(night: Night, choice: Choice, serving: Nearby) -> Paper:
    """Let the serving candidate and the earlier models take the exam, and decide."""
    held, asked = choice.judged, night.exam.labels
    folds, exam = serving.answers[held], serving.exam
    known = asked >= 0
    calibration = fit_calibration(
        np.concatenate([folds, exam[known]]),
        np.concatenate([night.lessons.labels[held], asked[known]]),
        night.recipe.evidence,
    )
    served = renormalised(np.concatenate([folds, exam]) / calibration.temperature)
    examples = [*(night.lessons.examples[row] for row in np.flatnonzero(held)), *night.exam.examples]
    stated = _stated(night, choice, serving, served)
    sure = _probabilities(served) if stated is None else stated.held_out
    points = _points(night.lessons.categories, examples, served, sure, stated is not None)
    right = (exam.argmax(axis=1) == asked).tolist() if len(exam) else []
    if night.job.current is not None:
        night.progress("exam", 3, STEPS, "asking the model in use")
    current = earlier(night, night.job.current)
    sureness = None if stated is None else stated.sureness
    return Paper(right, calibration, points, sureness, current, _verdict(night, right, current))


def _stated(night: Night, choice: Choice, serving: Nearby, served: Floats) -> Stated | None:
    """How sure the model is of all held-out answers. Only of dated mail: nothing else shows what changes."""
    lessons, held = night.lessons, choice.judged
    if not lessons.by_time:
        return None
    trained = np.concatenate([serving.trained.answers[held], serving.trained.exam])
    near = Near.stacked([serving.near[held], serving.exam_near])
    labels = np.concatenate([lessons.labels[held], night.exam.labels])
    parts = np.concatenate([lessons.parts[held], np.full(len(night.exam.examples), len(lessons.folds))])
    right = served.argmax(axis=1) == labels
    return fit_sureness(signs(served, trained, near), right, parts, night.recipe.certainty)


def _probabilities(served: Floats) -> npt.NDArray[np.floating[Any]]:
    """Of the best answers; none without any row."""
    return np.asarray(np.exp(served.max(axis=1, initial=-np.inf)))


def _points(
    categories: Sequence[str],
    examples: Sequence[Example],
    served: Floats,
    sure: npt.NDArray[np.floating[Any]],
    stated: bool,
) -> tuple[Point, ...]:
    best = [categories[column] for column in served.argmax(axis=1)] if len(examples) else []
    # Rounded down: a threshold of 1.0 for 0.999999 is one that no mail in service ever reaches.
    return tuple(
        Point(example.category, answer, floor(float(chance) * 1e5) / 1e5, answer == example.category, stated)
        for example, answer, chance in zip(examples, best, sure, strict=True)
    )


def _verdict(night: Night, right: Sequence[bool], current: Earlier) -> Verdict:
    answers = [
        ExamAnswer(
            example.category,
            example.frozen,
            candidate,
            None if current.right is None else current.right[index],
            current.right is not None and example.category not in current.known,
        )
        for index, (example, candidate) in enumerate(zip(night.exam.examples, right, strict=True))
    ]
    titles = {category.id: category.title for category in night.job.categories}
    verdict = gate.judge(answers, night.lessons.classes, titles, night.recipe.gate)
    return gate.beat_the_withdrawn(verdict, right, earlier(night, night.job.withdrawn).right)


def earlier(night: Night, folder: Path | None) -> Earlier:
    """The exam of the model in this folder. As in service, removed categories are no answers."""
    exam = night.exam.examples
    if folder is None or not exam:
        return Earlier()
    allowed = {category.id for category in night.job.categories}
    try:
        meta = model_folder.load(folder)
        engine = None if meta.kind == "linear" or meta.reader else night.engine(folder)
        with Classifier.load(
            folder, night.key, engine, night.job.threads, night.book, readers=night.job.cache
        ) as current:
            predictions = current.classify([example.original or example.text for example in exam], allowed)
            known = frozenset(current.meta.categories)
    except EngineError as error:
        return Earlier(trouble=f"The model in use could not take the exam: {error}")
    return Earlier(
        [prediction.best == example.category for prediction, example in zip(predictions, exam, strict=True)], known
    )


def newly_frozen(data: Dataset, recipe: Gate) -> tuple[int, ...]:
    """Lessons of this exam that stay in all later ones: half of it, up to a bound, so that the exam can't drift off."""
    already = sum(example.frozen for example in data.exam)
    most = min(recipe.most_frozen, round(recipe.frozen_share * (len(data.train) + len(data.exam))))
    fresh = [example for example in data.exam if not example.frozen]
    count = max(0, min(most - already, len(fresh) // 2))
    return tuple(example.id for example in fresh[:count])
