"""Which candidate serves: the most right answers, the cheapest on a draw, and the blend before the language model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.model.model_folder import Kind
from tests.lessons import labelled
from trainer.candidates.candidate import Candidate
from trainer.candidates.choice import Blend, Scores, best, choose
from trainer.folds import Asked
from trainer.recipe import Evidence


@dataclass(frozen=True)
class Paper(Candidate):
    """A candidate that leaves its name in a file."""

    def write(self, folder: Path) -> None:
        (folder / self.name).touch()

    def described(self) -> dict[str, Any]:
        return {"kind": self.name, "quantization": "int8"} if self.name == "llm" else {"kind": self.name}


def answering(name: Kind, right: np.ndarray, labels: np.ndarray) -> Paper:
    """Two categories; `right` says which lessons it has right, and it is as sure of all."""
    said = np.where(right, labels, 1 - labels)
    answers = np.log(np.where(np.arange(2)[None] == said[:, None], 0.8, 0.2)).astype(np.float32)
    return Paper(name, answers, np.zeros((0, 2), np.float32), name)


@pytest.mark.parametrize(
    ("linear", "llm", "blend", "serves"),
    [
        (90, 90, 90, "linear"),
        (90, 91, 90, "llm"),  # the blend is no better than the linear model
        (89, 91, 90, "blend"),  # of a hundred lessons one more is not clearly better
        (80, 95, 90, "llm"),
        (80, 85, 90, "blend"),
    ],
)
def test_the_most_right_answers_serve_and_the_language_model_alone_only_where_it_is_clearly_better(
    linear: int, llm: int, blend: int, serves: str
) -> None:
    candidates = [Paper(name, np.zeros((0, 2)), np.zeros((0, 2)), "") for name in ("linear", "llm", "blend")]
    right = dict(zip(("linear", "llm", "blend"), (linear, llm, blend), strict=True))
    scores: Any = {name: Scores([], [row < count for row in range(100)]) for name, count in right.items()}
    assert best(candidates, scores, Evidence(clearly_better=0.011)).name == serves


def test_both_together_are_written_and_described_as_a_blend(tmp_path: Path) -> None:
    labels = np.arange(200) % 2
    linear = answering("linear", np.arange(200) % 4 < 3, labels)
    language = answering("llm", np.arange(200) % 3 < 2, labels)
    both = Blend.of(language, linear, 0.6)
    both.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"linear", "llm"}
    assert both.described() == {"kind": "blend", "blend_weight": 0.6, "quantization": "int8"}
    found = choose(linear, language, labelled(labels, 2), Asked((), ("c000", "c001")), Evidence())
    assert {name: score.right for name, score in found.scores.items() if name != "blend"} == {"linear": 150, "llm": 134}
    assert found.chosen.name == "linear" or found.scores["blend"].right > 150


def test_only_lessons_that_every_candidate_judged_are_counted() -> None:
    labels = np.arange(40) % 2
    linear = answering("linear", np.ones(40, bool), labels)
    language = answering("llm", np.ones(40, bool), labels)
    language.answers[:30] = np.nan
    lessons, nobody = labelled(labels, 2), Asked((), ("c000", "c001"))
    found = choose(linear, language, lessons, nobody, Evidence())
    assert found.judged.sum() == found.scores["linear"].count == 10
    alone = choose(linear, None, lessons, nobody, Evidence())
    assert alone.judged.sum() == 40
    assert alone.share == 0
    assert alone.sentence == "Only the linear model could be trained."
