"""The language candidate of one night, from lessons to exported files and answers.

    lessons | read by the base's lower layers, from the cache where known | pooled start
    | short questions: a model that reads deeper, if it pays; else LoRA, if it pays | export
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

from daemon.model.engines.engine import EngineError, EngineUnavailable, Floats
from daemon.model.engines.fingerprint import Fingerprint
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt
from daemon.training.order import LoraTried
from trainer.candidates import language as languages
from trainer.candidates import questions
from trainer.candidates.heads import Labels
from trainer.candidates.tuning import Lessons, behind, fine_tune, worth_trying
from trainer.context import Night
from trainer.export.forms import exact_if_better
from trainer.finetune.contrast import contrast
from trainer.finetune.pooling import room_of
from trainer.finetune.reading import Reader, Readings
from trainer.finetune.upper import Merged
from trainer.job import TrainingFailed

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
    may_deepen = questions.possible(model, depth, [len(prompt.ids) for prompt in prompts])
    weights = np.array([example.weight for example in night.lessons], np.float32)
    try:
        readings = _read(night, model, depth, prompts)
        del model
        night.progress("train", 0, 1, "fitting the language model")
        fitted = languages.fit_language(readings, labels, weights, len(night.categories), parts, room, depth)
    except TimeoutError:
        night.report.append("The time limit was too short to read the lessons; only the linear model was trained.")
        return None, None, "none: time limit"
    except TrainingFailed as error:
        night.report.append(f"{error} Only the linear model was trained.")
        return None, None, "none: failed"

    ids, classes = [prompt.ids for prompt in prompts], len(night.categories)
    lessons = Lessons(readings, ids, labels, weights, classes, parts, linear, room)
    if behind(fitted.answers, linear, labels):
        fitted = replace(fitted, chosen=f"{fitted.chosen}; too far behind the linear model for more")
    else:
        fitted = _tuned(night, fitted, lessons, may_deepen, ModelFolder(made).lora)
    night.progress("train", 1, 1, f"language model: {fitted.chosen}")
    night.layers_kept = fitted.depth + 1
    if not fitted.layers:
        shutil.rmtree(ModelFolder(made).adapter, ignore_errors=True)
    codes = [night.book.code(category) for category in night.categories]
    forms = night.job.engine.serving().forms(gguf_base=not night.base.path.is_dir())
    arguments = (night.base, night.prepared, fitted, night.book, night.categories)
    try:
        languages.export(*arguments, ModelFolder(made), scratch, forms, prompts)
        night.quantization = forms.named
        with night.engine(made) as engine:
            answers = languages.served(engine, exam, codes)
            if night.job.engine.ELSEWHERE:  # of the form that serves, or of the exact one where a server restarts
                known = Fingerprint.taken(engine, night.renderer, codes, night.tokenizer)
                known.save(made)
                engine.recognise(known)  # what is not known again would never file a mail
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
        ModelFolder(made).without_language()
        night.report.append(f"The engine cannot run what was trained ({error}). Only the linear model was trained.")
        return None, None, "none: refused by the engine"
    return fitted.answers, answers, fitted.chosen


def _read(night: Night, model: Any, depth: int, prompts: Sequence[Prompt]) -> Readings:
    """What the lower `depth` layers make of the lessons; `model` is cut. Raises TimeoutError."""

    def tick(done: int) -> None:
        _in_time(night, done, len(prompts))
        night.progress("cache", done, len(prompts), "reading lessons")

    return Reader(model, depth, night.prepared.sha256, night.job.own_cache).read(prompts, tick)


def _tuned(
    night: Night, start: languages.LanguageModel, lessons: Lessons, deep: bool, adapter: Path
) -> languages.LanguageModel:
    """The start, or a tuned model: one that reads deeper if `deep`, else the start's own layers. `night.lora`
    remembers a try."""
    ids = [example.id for example in night.data.train]
    if not worth_trying(night.job.lora, ids):
        return replace(start, chosen=f"{start.chosen}; LoRA had not paid on most of these lessons")

    def tick(done: int, total: int) -> None:
        _in_time(night, done, total)
        night.progress("train", 1 + done, 1 + total, "fine-tuning the language model")

    def contrasted(learnt: Labels) -> Merged | None:
        layers, seed = (questions.LOWEST, questions.DEPTH), night.job.seed
        return contrast(base, *layers, lessons.prompts, lessons.labels, learnt, adapter, seed, tick)

    base = languages.load_base(night.prepared)
    try:
        if deep:
            fitted = questions.deepened(start, lessons, contrasted)
        else:
            fitted = fine_tune(base, start, lessons, adapter, night.job.seed, tick)
    except TimeoutError:
        night.report.append("The time limit was too short for fine-tuning; the language model serves as it was begun.")
        return start
    except TrainingFailed as error:
        night.report.append(f"{error} The language model serves as it was begun.")
        return start
    newest = max(ids, default=0)
    night.lora = LoraTried(newest=newest, paid=bool(fitted.layers))
    return fitted


def _in_time(night: Night, done: int, total: int) -> None:
    """Raises TimeoutError when too little time is left for the steps that follow this one."""
    if night.clock.left < RESERVED_SECONDS and done < total:
        raise TimeoutError
