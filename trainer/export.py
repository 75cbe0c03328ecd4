"""From trained weights to what serves: a CTranslate2 folder for the embedded engine, a GGUF file for Ollama.

    Hugging Face folder (merged) | CTranslate2's converter | only the codes' rows of the head | tokenizer  ->  folder

The embedded form answers nothing but codes, so its output head holds a row for each code and nothing else. That makes
a single pass over the prompt enough, saves a third of the time, and the result is bit for bit the full model's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from ctranslate2.converters import TransformersConverter  # type: ignore[import-untyped]
from tokenizers import Tokenizer

from daemon.engines.base import ModelRefused
from daemon.engines.embedded import ANSWERS
from daemon.labels import code_token, usable_codes
from trainer.prepare import quiet

Quantization = Literal["int8", "int8_float32", "float32"]


def export_ct2(
    hf_dir: Path, out: Path, quantization: Quantization = "int8", codes: Sequence[str] | None = None
) -> Path:
    """Write the CTranslate2 folder that EmbeddedEngine serves, and return it.

    `hf_dir` holds config.json, safetensors (any number of layers, tied or untied head) and tokenizer.json. `codes` are
    the answers that it can give; all usable codes of the vocabulary by default. Raises ModelRefused for an architecture
    that CTranslate2 doesn't know or a code that isn't one token.
    """
    tokenizer = Tokenizer.from_file(str(hf_dir / "tokenizer.json"))
    answers = {code: code_token(code, tokenizer) for code in (codes or usable_codes(tokenizer))}
    strange = [code for code, token in answers.items() if token is None]
    if strange or not answers:
        raise ModelRefused(f"{hf_dir}: not one token in this vocabulary: {', '.join(strange) or 'any code'}.")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with quiet():
            _CodesOnly(hf_dir, tokenizer, list(answers.values())).convert(str(out), quantization=quantization)
    except (ValueError, NotImplementedError) as error:
        raise ModelRefused(f"{hf_dir}: CTranslate2 can't convert this model: {error}") from error
    (out / ANSWERS).write_text(json.dumps({"codes": list(answers)}), "utf-8")
    shutil.copyfile(hf_dir / "tokenizer.json", out / "tokenizer.json")
    return out


class _CodesOnly(TransformersConverter):  # type: ignore[misc]
    """CTranslate2's converter, with the output head cut down to the given rows."""

    def __init__(self, hf_dir: Path, tokenizer: Tokenizer, rows: Sequence[int | None]) -> None:
        super().__init__(str(hf_dir))
        self._tokenizer = tokenizer
        self._rows = rows

    def load_tokenizer(self, *_: Any, **__: Any) -> _Vocabulary:
        return _Vocabulary(self._tokenizer)

    def load_model(self, model_class: Any, path: str, **options: Any) -> Any:
        # float32 whatever the file holds: quantising from anything less would round twice.
        return model_class.from_pretrained(path, **{**options, "dtype": torch.float32, "local_files_only": True})

    def _load(self) -> Any:
        spec = super()._load()
        spec.decoder.projection.weight = spec.decoder.projection.weight[np.array(self._rows)]
        return spec


class _Vocabulary:
    """What the converter asks of a tokenizer, answered from tokenizer.json alone."""

    bos_token = eos_token = pad_token = unk_token = None

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._vocabulary = tokenizer.get_vocab()
        # CTranslate2 wants names for these; nothing is generated here, so they never matter.
        self.bos_token = self.eos_token = self.pad_token = self.unk_token = tokenizer.id_to_token(0)

    def get_vocab(self) -> dict[str, int]:
        return self._vocabulary
