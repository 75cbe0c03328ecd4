"""The language candidate, from readings of the base model to files that serve.

readings of training part | pooling | strength that validates best on the folds | head  ->  LanguageModel
LanguageModel | Hugging Face folder | CTranslate2, and GGUF for Ollama | adapter
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from daemon.model.base_file import BaseFile
from daemon.model.codebook import Codebook, code_token
from daemon.model.engines.engine import Engine, Floats, renormalised
from daemon.model.engines.serving import Forms
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt
from trainer.calibrate import calibrated_loss
from trainer.candidates.heads import Fold, Labels, fit_head, share_right
from trainer.finetune.pooling import Pooling, Room, fit_pooling, fit_space, save_adapter, silence, write_model
from trainer.finetune.reading import Readings
from trainer.job import TrainingFailed
from trainer.prepare import PreparedBase, quiet

# How close the head follows the lessons; scikit-learn's C for features of length one.
STRENGTHS = (3.0, 10.0, 30.0)
# The base's lowest layers that are kept below the pooling layer (docs/experiments.md).
DEPTH = 6


def depth_of(layers: int) -> int:
    """How many layers are kept below the pooling layer, of a base with so many: one must be left to become it."""
    return min(DEPTH, layers - 1)


@dataclass(frozen=True)
class LanguageModel:
    """`answers`: out of fold, NaN where no fold judged."""

    pooling: Pooling
    depth: int
    strength: float
    answers: Floats
    chosen: str
    layers: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """The fine-tuned weights by their full name."""


def load_base(prepared: PreparedBase) -> Any:
    """The whole base model in float32, in evaluation mode."""
    from transformers import AutoModelForCausalLM

    with quiet():
        return AutoModelForCausalLM.from_pretrained(
            prepared.folder, dtype=torch.float32, local_files_only=True, attn_implementation="sdpa"
        ).eval()  # type: ignore[no-untyped-call]


def fit_language(
    readings: Readings,
    labels: Labels,
    weights: Floats,
    classes: int,
    parts: Sequence[Fold],
    room: Room,
    depth: int,
    strengths: Sequence[float] = STRENGTHS,
) -> LanguageModel:
    """Fit head and pooling layer on what `depth` layers read. Raises TrainingFailed when that is not numbers."""
    if not (np.isfinite(readings.means).all() and np.isfinite(readings.lasts).all()):
        raise TrainingFailed("The base model's numbers overflowed (NaN); its file may be damaged.")
    # The space knows the labels, so each fold needs its own: judged lessons must not shape it.
    seen = [fit_space(readings.means[learnt], labels[learnt]).features(readings.means) for learnt, _ in parts]
    tried: list[tuple[float, float, float, Floats]] = []
    for strength in strengths:
        answers = np.full((len(labels), classes), np.nan, np.float32)
        for (learnt, judged), features in zip(parts, seen, strict=True):
            head = fit_head(features[learnt], labels[learnt], weights[learnt], classes, strength, offset=True)
            answers[judged] = head.logprobs(features[judged])
        tried.append((round(share_right(answers, labels), 3), -calibrated(answers, labels), strength, answers))
    _, _, strength, answers = max(tried, key=lambda entry: entry[:2])
    pooling = fit_once(readings, labels, weights, classes, strength, room)
    chosen = f"pooled, strength {strength:g}"
    return LanguageModel(pooling, depth, strength, answers, chosen)


def fit_once(readings: Readings, labels: Labels, weights: Floats, classes: int, strength: float, room: Room) -> Pooling:
    """Pooling layer and head for these lessons at one strength."""
    space = fit_space(readings.means, labels)
    head = fit_head(space.features(readings.means), labels, weights, classes, strength, offset=True)
    return fit_pooling(readings, space, head.rows, head.offsets, room)


def calibrated(answers: Floats, labels: Labels) -> float:
    """The mean loss of the judged answers at their best temperature; infinite without any."""
    judged = ~np.isnan(answers[:, 0])
    return calibrated_loss(answers[judged], labels[judged]) if judged.any() else float("inf")


def export(
    base: BaseFile,
    prepared: PreparedBase,
    language: LanguageModel,
    book: Codebook,
    categories: Sequence[str],
    made: ModelFolder,
    scratch: Path,
    forms: Forms,
    prompts: Sequence[Prompt],
) -> None:
    """Write the parts of `made` that `forms` names, and `scratch`/exact if it asks for that;
    `prompts` are the lessons that show how large the model's channels grow.

    Raises OSError, ModelRefused.
    """
    from trainer.export.exporting import export_ct2, export_gguf, write_for_vllm

    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    codes = [book.code(category) for category in categories]
    tokens = [code_token(code, tokenizer) for code in codes]
    rows = {int(token): row for token, row in zip(tokens, language.pooling.rows, strict=True) if token is not None}
    with tempfile.TemporaryDirectory(prefix="model-", dir=scratch) as name:
        merged = Path(name)
        model = load_base(prepared)
        model.load_state_dict(dict(language.layers), strict=False)
        changed = write_model(model, language.depth, language.pooling, rows, silence(language.pooling), merged)
        copyfile(prepared.tokenizer, merged / "tokenizer.json")
        export_ct2(merged, made.ct2, forms.ct2, codes, [prompt.ids for prompt in prompts])
        if forms.exact:
            export_ct2(merged, scratch / "exact", "float32", codes)
        if forms.safetensors:
            write_for_vllm(merged, made.hf)
    save_adapter(changed, rows, made.adapter)
    if forms.gguf is not None:
        state = {**language.layers, **changed}
        export_gguf(base, state, made.gguf, forms.gguf, language.depth + 1, forms.whole)
        copyfile(prepared.tokenizer, made.gguf.with_name("tokenizer.json"))


def served(engine: Engine, prompts: Sequence[Any], codes: Sequence[str]) -> Floats:
    """The exported model's own answers, by the engine that will serve it. Raises EngineError."""
    if not prompts:
        return np.zeros((0, len(codes)), np.float32)
    return renormalised(engine.code_logprobs(prompts, codes))
