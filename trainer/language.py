"""The language candidate, from readings of the base model to files that serve.

readings of training part | pooling | strength that validates best on the folds | head  ->  LanguageModel
LanguageModel | Hugging Face folder | CTranslate2, and GGUF for Ollama | adapter
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from daemon.basemodel import BaseFile
from daemon.engines.base import Floats, renormalised
from daemon.labels import Codebook, code_token
from trainer.finetune.pooling import Pooling, fit_pooling, save_adapter, silence, write_model
from trainer.finetune.reading import Readings
from trainer.heads import Fold, Head, Labels, fit_head, mean_loss, out_of_fold, share_right
from trainer.job import Job, TrainingFailed
from trainer.prepare import PreparedBase, quiet

# How close the head follows the lessons; scikit-learn's C for features of length sqrt(width).
STRENGTHS = (0.003, 0.01, 0.03, 0.1)
# The base's lowest layers that are kept below the pooling layer (docs/experiments.md).
DEPTH = 4


@dataclass(frozen=True)
class LanguageModel:
    """`answers`: out of fold, NaN where no fold judged. `chosen`: what validated best, in words."""

    pooling: Pooling
    head: Head
    answers: Floats
    features: Floats
    chosen: str


def load_base(prepared: PreparedBase) -> Any:
    """The whole base model in float32, in evaluation mode."""
    from transformers import AutoModelForCausalLM

    with quiet():
        return AutoModelForCausalLM.from_pretrained(
            prepared.folder, dtype=torch.float32, local_files_only=True, attn_implementation="sdpa"
        ).eval()  # type: ignore[no-untyped-call]


def fit_language(
    readings: Readings, labels: Labels, weights: Floats, classes: int, parts: Sequence[Fold], pooling: Pooling
) -> LanguageModel:
    """Fit the head on pooled features. Raises TrainingFailed when the features are not numbers."""
    features = pooling.features(readings)
    if not np.isfinite(features).all():
        raise TrainingFailed("The base model's numbers overflowed (NaN); its file may be damaged.")
    tried: list[tuple[float, float, float, Floats]] = []
    for strength in STRENGTHS:
        answers = out_of_fold(
            lambda learnt, strength=strength: fit_head(
                features[learnt], labels[learnt], weights[learnt], classes, strength
            ).of(features),
            parts,
            len(labels),
            classes,
        )
        tried.append((round(share_right(answers, labels), 3), -mean_loss(answers, labels), strength, answers))
    _, _, strength, answers = max(tried, key=lambda entry: entry[:2])
    head = fit_head(features, labels, weights, classes, strength)
    # A model has no offsets: a class without lessons gets a row that scores low instead.
    rows = np.where((head.offsets < 0)[:, None], silence(features), head.rows)
    head = Head(rows.astype(np.float32), np.zeros_like(head.offsets))
    return LanguageModel(pooling, head, answers, features, f"pooled, strength {strength:g}")


def export(
    job: Job,
    base: BaseFile,
    prepared: PreparedBase,
    depth: int,
    language: LanguageModel,
    book: Codebook,
    categories: Sequence[str],
    folder: Path,
    scratch: Path,
    quantization: str,
) -> None:
    """Write `folder`/ct2, /adapter and, for Ollama, /gguf. Raises OSError, ModelRefused."""
    from trainer.export import export_ct2, export_gguf

    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    codes = [book.code(category) for category in categories]
    tokens = [code_token(code, tokenizer) for code in codes]
    rows = {int(token): row for token, row in zip(tokens, language.head.rows, strict=True) if token is not None}
    with tempfile.TemporaryDirectory(prefix="model-", dir=scratch) as name:
        merged = Path(name)
        changed = write_model(load_base(prepared), depth, language.pooling, rows, silence(language.features), merged)
        copyfile(prepared.tokenizer, merged / "tokenizer.json")
        export_ct2(merged, folder / "ct2", quantization, codes)  # type: ignore[arg-type]
    save_adapter(changed, rows, folder / "adapter")
    if job.engine == "ollama":
        export_gguf(base, changed, folder / "gguf" / "model.gguf", "Q8_0", depth + 1)
        copyfile(prepared.tokenizer, folder / "gguf" / "tokenizer.json")


def served(folder: Path, prompts: Sequence[Any], codes: Sequence[str], threads: int) -> Floats:
    """The exported model's own answers, by the engine that will serve it."""
    from daemon.engines.embedded import EmbeddedEngine

    if not prompts:
        return np.zeros((0, len(codes)), np.float32)
    with EmbeddedEngine(folder / "ct2", threads) as engine:
        return renormalised(engine.code_logprobs(prompts, codes))


__all__ = ["DEPTH", "LanguageModel", "export", "fit_language", "fit_pooling", "load_base", "served"]
