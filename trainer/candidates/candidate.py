"""What every candidate can do, whatever it is: a night asks these few things and never which kind it has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.model.engines.engine import Floats
from daemon.model.model_folder import Kind


@dataclass(frozen=True)
class Candidate(ABC):
    """One model that could serve.

    `name`: as the exam's figures call it. `answers`: to the lessons, each by a fold that has not learnt it, NaN where
    none judged; `exam`: to the exam, in the form that would serve. Log-probabilities, a column for each category.
    `words`: what it is, for model.json.
    """

    name: Kind
    answers: Floats
    exam: Floats
    words: str

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Put all that serves into this model folder. Once. Raises OSError."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What model.json says of it: fields of `ModelMeta`."""


@dataclass(frozen=True)
class Tried:
    """A candidate, or None and the reason in `words`. `report`: sentences for people about how it went; `advice`: what
    they could do for a better one, said with the verdict."""

    candidate: Candidate | None
    words: str
    report: tuple[str, ...] = ()
    advice: str = ""
