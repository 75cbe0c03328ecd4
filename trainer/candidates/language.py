"""The language candidate of one night, from lessons to exported files and answers.

    lessons | read by the base's lower layers, from the cache where known | pooled start
    | short questions: a model that reads deeper, if it pays | export | the exam's answers by the engine that will serve

Where the embedded engine serves, lessons are read by the reader that all mailboxes share, and the start is a head on it
(daemon.model.engines.shared_reader): nothing is converted. What reads deeper, and what goes to a server, is a whole
model, by torch (trainer.candidates.whole_model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from daemon.model.engines.engine import Engine, EngineError, EngineUnavailable, Floats, renormalised
from daemon.model.engines.fingerprint import Fingerprint
from daemon.model.engines.shared_reader import Head, HeadEngine, SharedReader, shared_reader
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt
from daemon.training import extra
from trainer.candidates import questions
from trainer.candidates.candidate import Candidate, Tried
from trainer.candidates.pooled import LanguageModel, depth_of, fit_language
from trainer.context import Grounds, Night
from trainer.export.reader_export import prepare_reader
from trainer.finetune.pooling import Room
from trainer.finetune.reading import ByShared, CachedReadings, Readings
from trainer.job import TrainingFailed


@dataclass(frozen=True)
class LanguageCandidate(Candidate):
    """A language model in `folder`, in the forms in which it will serve."""

    folder: Path
    grounds: Grounds
    quantization: str
    layers_kept: int | None = None
    """Of the base; None where all are."""
    reader: SharedReader | None = None
    """What it is a head on, where it is one."""

    def write(self, folder: Path) -> None:
        for part in self.folder.iterdir():
            part.rename(folder / part.name)

    def described(self) -> dict[str, Any]:
        base = self.grounds.base
        return {
            "kind": "llm",
            "blend_weight": 1.0,
            "base": {"name": base.name, "sha256": base.sha256, "architecture": base.architecture},
            "quantization": self.quantization,
            "layers_kept": self.layers_kept,
            "reader": "" if self.reader is None else self.reader.key,
        }

    def engine(self, night: Night) -> Engine:
        """What will serve it, as long as `write` has not moved its files. Raises EngineError."""
        if self.reader is not None:
            return HeadEngine(self.reader, Head.load(ModelFolder(self.folder).head))
        return night.engine(self.folder, self.quantization)


def candidate(night: Night, linear: Candidate, scratch: Path) -> Tried:
    """The language model of one night, written in `scratch`, or why there is none. Raises EngineUnavailable, OSError.

    `linear` is what it has to help: far behind it, the lessons are not read deeper.
    """
    prompts = night.prompts(night.lessons.texts)
    lengths = [len(prompt.ids) for prompt in prompts]
    folder = scratch / "language"
    folder.mkdir()
    report, advice = tuple[str, ...](), ""
    try:
        by = _reads(night)
        readings = _read(night, by.reading, prompts)
        night.progress("train", 0, 1, "fitting the language model")
        fitted = fit_language(readings, night.lessons, by.room, by.depth, night.recipe)
        if questions.possible(night.grounds.prepared.shape, by.depth, lengths, night.recipe.questions):
            if extra.missing():
                advice = _worth_it(night, fitted, linear)
            else:
                fitted, report = _deepened(night, fitted, linear, folder)
        night.progress("train", 1, 1, f"language model: {fitted.chosen}")
        return Tried(_served(night, fitted, by.reader, prompts, folder), fitted.chosen, report, advice)
    except TimeoutError:
        words = "The time limit was too short to read the lessons; only the linear model was trained."
        return Tried(None, "none: time limit", (words,))
    except TrainingFailed as error:
        return Tried(None, "none: failed", (f"{error} Only the linear model was trained.",))
    except EngineUnavailable:
        raise  # the server's trouble, not the model's
    except EngineError as error:
        words = f"The engine cannot run what was trained ({error}). Only the linear model was trained."
        return Tried(None, "none: refused by the engine", (*report, words))


@dataclass(frozen=True)
class _Reads:
    """What reads the lessons: `depth` layers, and the `reader` that is to serve or the `room` in a model to write."""

    reading: CachedReadings
    depth: int
    reader: SharedReader | None
    room: Room | None


def _reads(night: Night) -> _Reads:
    """Raises EngineError, TimeoutError, OSError."""
    prepared, recipe, cache = night.grounds.prepared, night.recipe, night.job.own_cache
    night.in_time(0, len(night.lessons.examples))  # making the reader takes a while
    depth = depth_of(prepared.shape.layers, recipe.pooled)
    if night.forms.shared:
        night.progress("cache", 0, 1, "opening the shared reader")
        folder = prepare_reader(prepared, depth, night.forms.ct2, night.job.cache, recipe.rounding)
        reader = shared_reader(folder, night.job.threads, side_by_side=True)
        return _Reads(ByShared(reader, prepared.shape.width, cache, recipe.pooled), depth, reader, None)
    from trainer.candidates.whole_model import exact_reader

    reading, room = exact_reader(night, depth)
    return _Reads(reading, depth, None, room)


def _deepened(
    night: Night, start: LanguageModel, linear: Candidate, folder: Path
) -> tuple[LanguageModel, tuple[str, ...]]:
    """The start, or one that reads deeper; and what people should know of it."""
    if questions.behind(start.answers, linear.answers, night.lessons.labels, night.recipe.evidence):
        return replace(start, chosen=f"{start.chosen}; too far behind the linear model for more"), ()
    from trainer.candidates.whole_model import deepened

    fitted, report = deepened(night, start, linear, ModelFolder(folder).lora)
    if not fitted.layers:
        rmtree(ModelFolder(folder).adapter, ignore_errors=True)
    return fitted, report


def _worth_it(night: Night, start: LanguageModel, linear: Candidate) -> str:
    """What to install for a model that reads deeper, and what it promises; "" where that is nothing."""
    labels = night.lessons.labels
    if questions.behind(start.answers, linear.answers, labels, night.recipe.evidence):
        return ""
    points = questions.promised(start.answers, linear.answers, labels, night.recipe)
    if points is None:
        return ""
    return (
        "These lessons are short questions: by what is wrong on them now, a model that reads deeper would have "
        f"{points[0]:.1f} to {points[1]:.1f} more of 100 right. It needs PyTorch: {extra.INSTALL}"
    )


def _read(night: Night, reading: CachedReadings, prompts: Sequence[Prompt]) -> Readings:
    """What the lower layers make of the lessons. Raises TimeoutError."""

    def tick(done: int) -> None:
        night.in_time(done, len(prompts))
        night.progress("cache", done, len(prompts), "reading lessons")

    return reading.read(prompts, tick)


def _served(
    night: Night, fitted: LanguageModel, reader: SharedReader | None, prompts: Sequence[Prompt], folder: Path
) -> LanguageCandidate:
    """Write the model, and let what will serve take the exam. Raises EngineError, OSError."""
    forms, codes = night.forms, night.grounds.codes
    night.progress("write", 0, 2, "writing the language model")
    if fitted.pooling is None:
        head = Head(codes, fitted.space.matrix, fitted.head.rows, fitted.head.offsets)
        head.save(ModelFolder(folder).head)
    else:
        from trainer.candidates.whole_model import export

        export(fitted, night.grounds, forms, prompts, ModelFolder(folder), night.recipe)
        reader = None
    # What answered out of fold stays; the exam's answers are those of what serves.
    nothing = np.zeros((0, len(codes)), np.float32)
    kept = fitted.depth + (reader is None)
    made = LanguageCandidate(
        "llm", fitted.answers, nothing, fitted.chosen, folder, night.grounds, forms.named, kept, reader
    )
    night.progress("write", 1, 2, "asking it as it will serve")
    with made.engine(night) as engine:
        exam = served(engine, night.prompts(night.exam.texts), codes)
        if night.job.engine.ELSEWHERE:  # of the form that serves, or of the exact one where a server restarts
            known = Fingerprint.taken(engine, night.renderer, codes, night.grounds.tokenizer)
            known.save(folder)
            night.job.engine.serving().recognise(engine, known)  # what is not known again would never file a mail
    night.progress("write", 2, 2, "language model written")
    return replace(made, exam=exam)


def served(engine: Engine, prompts: Sequence[Prompt], codes: Sequence[str]) -> Floats:
    """The exported model's own answers, by the engine that will serve it. Raises EngineError."""
    if not prompts:
        return np.zeros((0, len(codes)), np.float32)
    return renormalised(engine.code_logprobs(prompts, codes))
