"""The exam in figures and sentences, for people and for model.json. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.model.model_folder import Kind
from daemon.model.prediction import Point
from daemon.rules.thresholds import thresholds
from daemon.training.order import Exam
from trainer.calibrate import Calibration
from trainer.context import Night
from trainer.evaluate import figures, paired_chance


def which(kind: Kind, weight: float, scores: Mapping[str, Mapping[str, Sequence[bool]]]) -> str:
    """In words: which candidate won and by how much."""
    total = {name: sum(score["exam"]) + sum(score["folds"]) for name, score in scores.items()}
    count = len(scores["linear"]["exam"]) + len(scores["linear"]["folds"])
    if "llm" not in scores:
        return "Only the linear model could be trained."
    if kind == "linear":
        return (
            f"The linear model serves: {total['linear']} of {count} held-out lessons right, "
            f"the language model {total['llm']}, both together {total['blend']}."
        )
    name = "The language model" if kind == "llm" else f"A blend ({weight:.0%} language model)"
    return f"{name} serves: {total[kind]} of {count} held-out lessons right, the linear model alone {total['linear']}."


def near(nearness: float) -> str:
    """What the neighbours count, in words; nothing where they don't."""
    return f" What people did with the most similar mails counts {nearness:.0%} beside it." if nearness else ""


def exam_figures(
    night: Night,
    candidate: Sequence[bool],
    current: Sequence[bool] | None,
    scores: Mapping[str, Mapping[str, list[bool]]],
    points: Sequence[Point],
    kind: Kind,
    calibration: Calibration,
    more: Mapping[str, Any],
) -> Exam:
    """What model.json keeps of the exam, with `more` among its details."""
    found = figures(candidate)
    limits = thresholds(points, night.job.wanted_precision)
    filed = [p for p in points if (limit := limits.get(p.predicted)) is not None and p.probability >= limit]
    shares = {name: figures(score["exam"])["accuracy"] for name, score in scores.items()}
    by_category: dict[str, list[bool]] = {}
    for example, right in zip(night.data.exam, candidate, strict=True):
        by_category.setdefault(example.category, []).append(right)
    return Exam(
        n=len(candidate),
        candidate=found["accuracy"],
        interval=found["interval"],
        current=None if current is None else figures(current)["accuracy"],
        linear=shares.get("linear"),
        llm=shares.get("llm"),
        blend=shares.get("blend"),
        kind=kind,
        details={
            "frozen": sum(example.frozen for example in night.data.exam),
            "by_time": night.data.by_time,
            "folds": {name: figures(score["folds"]) for name, score in scores.items()},
            "better_than_current_by_chance": None if current is None else round(paired_chance(candidate, current), 4),
            "by_category": {category: figures(part) for category, part in by_category.items()},
            "temperature": round(calibration.temperature, 3),
            "calibration": {
                "method": calibration.method,
                "answers": calibration.answers,
                "error_before": round(calibration.before, 4),
                "error_by_temperature": round(calibration.by_temperature, 4),
                "error_after": round(calibration.after, 4),
            },
            "filed_share_of_held_out": round(len(filed) / len(points), 4) if points else None,
            "filed_precision_of_held_out": round(sum(p.correct for p in filed) / len(filed), 4) if filed else None,
            **more,
        },
    )
