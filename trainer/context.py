"""What every step of one training knows: the job, the base, the codebook, the lessons, the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from daemon.model.base_file import BaseFile
from daemon.model.codebook import Codebook
from daemon.model.engines.engine import Engine
from daemon.model.prompt import Prompt, PromptSettings, Renderer
from daemon.model.term_key import TermKey
from daemon.training.order import LoraTried, Order
from trainer.candidates.heads import Labels
from trainer.dataset import Dataset, Example, evened
from trainer.job import Clock, Progress
from trainer.prepare import PreparedBase


@dataclass
class Night:
    """Everything that one training knows so far."""

    job: Order
    base: BaseFile
    prepared: PreparedBase
    tokenizer: Tokenizer
    book: Codebook
    data: Dataset
    categories: tuple[str, ...]
    progress: Progress
    clock: Clock
    key: TermKey
    report: list[str] = field(default_factory=list)
    quantization: str = ""
    """How the language candidate is written; known once it is."""
    layers_kept: int | None = None
    """Of the base, in the language candidate; None where all are."""
    lora: LoraTried | None = None
    """What the next night must know of LoRA: this night's try, or an earlier one's."""
    remarks: list[str] = field(default_factory=list)
    """Sentences for the verdict, where the language candidate is not of the usual form."""

    @property
    def lessons(self) -> tuple[Example, ...]:
        """All that is learnt: people's lessons in order of time, then the names of the categories."""
        return evened((*self.data.train, *(name for name in self.data.names if name.category in self.categories)))

    @property
    def settings(self) -> PromptSettings:
        """How prompts are rendered for this job."""
        return PromptSettings(max_tokens=self.job.engine.max_tokens)

    def labels(self, examples: Sequence[Example]) -> Labels:
        """The column of each example's category; -1 for one that this model can't answer."""
        places = {category: column for column, category in enumerate(self.categories)}
        return np.array([places.get(example.category, -1) for example in examples], np.int64)

    def prompts(self, examples: Sequence[Example]) -> list[Prompt]:
        """The exact input for each example."""
        renderer = self.renderer
        return [renderer.render(example.text) for example in examples]

    @property
    def renderer(self) -> Renderer:
        """What makes the exact input of a mail."""
        return Renderer(self.tokenizer, self.settings)

    def engine(self, folder: Path) -> Engine:
        """What serves this model folder in daily work, so that the exam is taken by what people will get."""
        serving, job = self.job.engine.serving(), self.job
        return serving.examined(folder, job.mailbox, job.version, self.quantization, job.threads)
