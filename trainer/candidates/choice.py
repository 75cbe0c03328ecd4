"""Which of the trained models serves: the linear one, the language model, or a blend of both.

answers out of fold and in the exam | the blend's share | the most right answers  ->  Choice
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.model.classifier import blend
from daemon.model.engines.engine import Floats, renormalised
from daemon.model.model_folder import Kind
from trainer.calibrate import fit_blend
from trainer.candidates.candidate import Candidate
from trainer.folds import Asked, Labels, Lessons, judged
from trainer.recipe import Evidence


@dataclass(frozen=True)
class Blend(Candidate):
    """Both models together; `share` is the language model's."""

    language: Candidate
    linear: Candidate
    share: float

    @classmethod
    def of(cls, language: Candidate, linear: Candidate, share: float) -> Blend:
        """Both answer, in these shares."""
        answers, exam = (
            blend(ours, theirs, share)
            for ours, theirs in ((language.answers, linear.answers), (language.exam, linear.exam))
        )
        return cls("blend", answers, exam, f"{share:.0%} language model", language, linear, share)

    def write(self, folder: Path) -> None:
        self.language.write(folder)
        self.linear.write(folder)

    def described(self) -> dict[str, Any]:
        return {**self.linear.described(), **self.language.described(), "kind": "blend", "blend_weight": self.share}


@dataclass(frozen=True)
class Scores:
    """Was a candidate right, lesson by lesson: in the exam, and of those that every candidate's folds judged."""

    exam: list[bool]
    folds: list[bool]

    @property
    def right(self) -> int:
        """Of all held-out lessons."""
        return sum(self.exam) + sum(self.folds)

    @property
    def count(self) -> int:
        """All held-out lessons."""
        return len(self.exam) + len(self.folds)


@dataclass(frozen=True)
class Choice:
    """`chosen` serves. `judged`: the rows of its lessons that count, which every candidate's folds judged."""

    chosen: Candidate
    linear: Candidate
    scores: Mapping[Kind, Scores]
    judged: npt.NDArray[np.bool_]
    share: float
    """The language model's in the blend; 0 without a language model."""

    @property
    def sentence(self) -> str:
        """Which candidate serves, and by how much."""
        right = {name: score.right for name, score in self.scores.items()}
        count = self.scores["linear"].count
        if "llm" not in right:
            return "Only the linear model could be trained."
        if self.chosen.name == "linear":
            return (
                f"The linear model serves: {right['linear']} of {count} held-out lessons right, "
                f"the language model {right['llm']}, both together {right['blend']}."
            )
        names = {"llm": "The language model", "blend": f"A blend ({self.share:.0%} language model)"}
        return (
            f"{names[self.chosen.name]} serves: {right[self.chosen.name]} of {count} held-out lessons right, "
            f"the linear model alone {right['linear']}."
        )


def choose(linear: Candidate, language: Candidate | None, lessons: Lessons, exam: Asked, evidence: Evidence) -> Choice:
    """The best on all held-out answers together; the linear model wins ties, for it is the cheapest.

    The language model alone serves only where it is clearly better than the blend: two models err less alike than one.
    """
    asked, share = judged(linear.answers), 0.0
    candidates = [linear]
    if language is not None:  # tuning a whole base is too dear for every fold, so it may have judged fewer
        asked &= judged(language.answers)
        share = fit_blend(language.answers[asked], linear.answers[asked], lessons.labels[asked], evidence)
        candidates += [language, Blend.of(language, linear, share)]
    scores = {
        candidate.name: Scores(
            _right(candidate.exam, exam.labels), _right(candidate.answers[asked], lessons.labels[asked])
        )
        for candidate in candidates
    }
    chosen = best(candidates, scores, evidence)
    return Choice(chosen, linear, scores, asked, share)


def best(candidates: Sequence[Candidate], scores: Mapping[Kind, Scores], evidence: Evidence) -> Candidate:
    """The first of those with the most right answers, but the blend where the language model alone is hardly better."""
    right = {candidate.name: scores[candidate.name].right for candidate in candidates}
    found = max(candidates, key=lambda candidate: right[candidate.name])
    enough = right[found.name] - evidence.clearly_better * scores[found.name].count
    if found.name == "llm" and right["blend"] > max(right["linear"], enough):
        return next(candidate for candidate in candidates if candidate.name == "blend")
    return found


def _right(answers: Floats, labels: Labels) -> list[bool]:
    return (renormalised(answers).argmax(axis=1) == labels).tolist() if len(labels) else []
