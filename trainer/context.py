"""What every step of one night knows. Nothing here changes: what a step finds out, it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.model.base_file import BaseFile, find_base
from daemon.model.codebook import Codebook
from daemon.model.engines.engine import Engine
from daemon.model.engines.serving import Forms
from daemon.model.prediction import TriedHint
from daemon.model.prompt import Prompt, PromptSettings, Renderer
from daemon.model.term_key import TermKey
from daemon.training.order import Order
from trainer.dataset import Dataset
from trainer.folds import Asked, Lessons
from trainer.job import Clock, Progress
from trainer.prepare import PreparedBase, check_window, prepare_base
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Grounds:
    """What a language model grows from: the base, and the code by which it names each category."""

    base: BaseFile
    prepared: PreparedBase
    codes: tuple[str, ...]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The base's."""
        return Tokenizer.from_file(str(self.prepared.tokenizer))


@dataclass(frozen=True)
class Night:
    """One training: its order, its lessons, and what it may use."""

    job: Order
    recipe: Recipe
    progress: Progress
    clock: Clock
    key: TermKey
    data: Dataset
    hints: tuple[TriedHint, ...]
    """What threads and near copies said about lessons."""
    book: Codebook
    grounds: Grounds
    lessons: Lessons
    exam: Asked

    @property
    def settings(self) -> PromptSettings:
        """How prompts are rendered for this job."""
        return PromptSettings(max_tokens=self.job.engine.max_tokens)

    @property
    def renderer(self) -> Renderer:
        """What makes the exact input of a mail."""
        return Renderer(self.grounds.tokenizer, self.settings)

    def prompts(self, texts: Sequence[MailText]) -> list[Prompt]:
        """The exact input for each text."""
        renderer = self.renderer
        return [renderer.render(text) for text in texts]

    @property
    def forms(self) -> Forms:
        """In which forms the language model is written. A base in Hugging Face form leaves no GGUF file to change. What
        goes elsewhere is whole: there is no reader where it goes."""
        gguf_base = not self.grounds.base.path.is_dir()
        found = self.job.engine.serving().forms(gguf_base=gguf_base)
        if not self.job.also_gguf:
            return found
        return replace(found, gguf=(found.gguf or "Q8_0") if gguf_base else found.gguf, shared=False)

    def in_time(self, done: int, total: int) -> None:
        """Raises TimeoutError when too little time is left for the steps that follow this one."""
        if self.clock.left < self.recipe.reserved_s and done < total:
            raise TimeoutError

    def engine(self, folder: Path, quantization: str = "") -> Engine:
        """What serves this model folder in daily work, so that the exam is taken by what people will get.

        `quantization`: of a candidate, which has no model.json yet.
        """
        serving, job = self.job.engine.serving(), self.job
        return serving.examined(folder, job.mailbox, job.version, quantization, job.threads)


def open_night(
    job: Order,
    data: Dataset,
    hints: tuple[TriedHint, ...],
    key: TermKey,
    clock: Clock,
    progress: Progress,
    recipe: Recipe,
) -> Night:
    """Prepare the base, give every category its code, and lay out what is learnt and asked.

    Raises EngineError, CodebookError, OSError.
    """
    progress("prepare", 0, 1, "preparing the base model")
    base = find_base(job.engine.base)
    prepared = prepare_base(base, job.cache)
    check_window(prepared, job.engine.max_tokens)
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    rows = [row.model_dump() for row in job.codebook]
    book = Codebook.from_json(rows).extended([category.id for category in job.categories], tokenizer)
    categories = tuple(category for category in book.categories if category in data.present)
    grounds = Grounds(base, prepared, tuple(book.code(category) for category in categories))
    lessons = Lessons.of(data, categories, job.seed, recipe.cleaning)
    progress("prepare", 1, 1, f"base model {base.name}")
    return Night(job, recipe, progress, clock, key, data, hints, book, grounds, lessons, Asked(data.exam, categories))
