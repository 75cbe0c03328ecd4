"""The language candidate of one night, from lessons to exported files and answers.

    lessons | read by the base's lower layers, from the cache where known | pooled start
    | a second model that reads deeper, if it pays | else LoRA, if it pays | export
    | the exam's answers by the engine that will serve

Imports torch and transformers, which take seconds: only a night that has lessons comes here.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from daemon.engines.base import EngineError, EngineUnavailable, Floats
from daemon.engines.openai import Fingerprint
from daemon.prompt import Prompt
from trainer import deeper
from trainer import language as languages
from trainer.finetune.pooling import Room, room_of
from trainer.finetune.reading import Reader, Readings
from trainer.forms import exact_if_better, forms_for
from trainer.heads import Labels
from trainer.job import LoraTried, TrainingFailed
from trainer.night import Night
from trainer.tuning import Lessons, behind, fine_tune, worth_trying

# What fitting, export and exam need at the end; reading and tuning stop in time for it.
RESERVED_SECONDS = 25.0


def language_candidate(
    night: Night, linear: Floats, parts: Any, labels: Labels, exam: Sequence[Prompt], made: Path, scratch: Path
) -> tuple[Floats | None, Floats | None, str]:
    """The language model's answers out of fold and in the exam, exported into `made`; None where there is none.

    `linear`: the linear model's answers out of fold, NaN where no fold judged.
    """
    torch.set_num_threads(night.job.threads)
    torch.manual_seed(night.job.seed)
    prompts = night.prompts(night.lessons)
    model = languages.load_base(night.prepared)
    depth, room = languages.depth_of(model.config.num_hidden_layers), room_of(model)
    # Other engines serve one model.
    may_deepen = night.job.engine == "embedded" and deeper.possible(
        model, depth, [len(prompt.ids) for prompt in prompts]
    )
    night.layers_kept = depth + 1
    weights = np.array([example.weight for example in night.lessons], np.float32)
    try:
        readings = _read(night, model, depth, prompts, "reading lessons")
        del model
        night.progress("train", 0, 1, "fitting the language model")
        fitted = languages.fit_language(readings, labels, weights, len(night.categories), parts, room, depth)
    except TimeoutError:
        night.report.append("The time limit was too short to read the lessons; only the linear model was trained.")
        return None, None, "none: time limit"
    except TrainingFailed as error:
        night.report.append(f"{error} Only the linear model was trained.")
        return None, None, "none: failed"

    lessons = Lessons(readings, [prompt.ids for prompt in prompts], labels, weights, len(night.categories), parts)
    layers: dict[str, Any] = {}
    if behind(fitted.answers, linear, labels):
        fitted = replace(fitted, chosen=f"{fitted.chosen}; too far behind the linear model for more")
    else:
        if may_deepen:
            fitted = _deepened(night, fitted, lessons, linear, room, prompts)
        if fitted.deeper is None:
            fitted, layers = _tuned(night, fitted, lessons, room, made / "adapter" / "lora")
    night.progress("train", 1, 1, f"language model: {fitted.chosen}")
    if fitted.deeper is not None:
        night.remarks.append("A second language model, which reads deeper, answers beside the first.")
    if not layers:
        shutil.rmtree(made / "adapter", ignore_errors=True)
    codes = [night.book.code(category) for category in night.categories]
    forms = forms_for(night.job.engine, night.job.quantization, not night.base.path.is_dir())
    arguments = (night.base, night.prepared, fitted, layers, night.book, night.categories)
    try:
        languages.export(*arguments, made, scratch, forms, prompts)
        night.quantization = forms.named
        with night.engine(made) as engine:
            answers = languages.served(engine, exam, codes)
            if night.job.engine == "openai":
                Fingerprint.taken(engine, night.renderer, codes, night.tokenizer).save(made)
        if forms.exact:
            labels_asked = night.labels(night.data.exam)
            exact = scratch / "exact"
            answers, words = exact_if_better(made, exact, answers, labels_asked, exam, codes, night.job.threads)
            if words:
                night.remarks.append(words)
                night.quantization = "float32"
    except EngineUnavailable:
        raise  # the server's trouble, not the model's
    except EngineError as error:
        for part in ("ct2", "gguf", "hf", "adapter"):
            shutil.rmtree(made / part, ignore_errors=True)
        night.report.append(f"The engine cannot run what was trained ({error}). Only the linear model was trained.")
        return None, None, "none: refused by the engine"
    return fitted.answers, answers, fitted.chosen


def _read(night: Night, model: Any, depth: int, prompts: Sequence[Prompt], words: str) -> Readings:
    """What the lower `depth` layers make of the lessons; `model` is cut. Raises TimeoutError."""

    def tick(done: int) -> None:
        if night.clock.left < RESERVED_SECONDS and done < len(prompts):
            raise TimeoutError
        night.progress("cache", done, len(prompts), words)

    return Reader(model, depth, night.prepared.sha256, night.job.cache).read(prompts, tick)


def _deepened(
    night: Night,
    start: languages.LanguageModel,
    lessons: Lessons,
    linear: Floats,
    room: Room,
    prompts: Sequence[Prompt],
) -> languages.LanguageModel:
    """The start, with a model that reads deeper beside it where that pays."""

    def read() -> Readings:
        base = languages.load_base(night.prepared)
        return _read(night, base, deeper.DEPTH, prompts, "reading lessons deeper")

    try:
        return deeper.deepened(start, lessons, linear, room, read)
    except TimeoutError:
        night.report.append("The time limit was too short to read the lessons deeper; that goes on next time.")
    except TrainingFailed as error:
        night.report.append(f"{error} The language model serves as it was begun.")
    return start


def _tuned(
    night: Night, start: languages.LanguageModel, lessons: Lessons, room: Room, adapter: Path
) -> tuple[languages.LanguageModel, dict[str, Any]]:
    """The start, or its form tuned by LoRA with the layers to change; `night.lora` remembers a try."""
    ids = [example.id for example in night.data.train]
    if not worth_trying(night.job.lora, ids):
        return replace(start, chosen=f"{start.chosen}; LoRA had not paid on most of these lessons"), {}

    def tick(done: int, total: int) -> None:
        if night.clock.left < RESERVED_SECONDS and done < total:
            raise TimeoutError
        night.progress("train", 1 + done, 1 + total, "fine-tuning the language model")

    base = languages.load_base(night.prepared)
    try:
        fitted, layers = fine_tune(base, start, lessons, room, adapter, night.job.seed, tick)
    except TimeoutError:
        night.report.append("The time limit was too short for fine-tuning; the language model serves as it was begun.")
        return start, {}
    except TrainingFailed as error:
        night.report.append(f"{error} The language model serves as it was begun.")
        return start, {}
    newest = max((each for each in ids if isinstance(each, int)), default=0)
    night.lora = LoraTried(newest=newest, paid=bool(layers))
    return fitted, layers
