"""CTranslate2's files of a decoder whose weights are numpy's. No torch.

    weights, config | handed to CTranslate2's own loader in the places where it looks | validate, round  ->  folder

Which weight goes where for an architecture, CTranslate2's converter knows (ctranslate2/converters/transformers.py). It
is written for modules of transformers, of which it asks attributes alone: plain objects with the same attributes do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daemon.model.engines.serving import Ct2Type
from trainer.base_weights import ROWS_AT_ONCE

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from trainer.finetune.decoder import Decoder

_LOADERS = {
    "llama": "LlamaConfig",
    "qwen2": "Qwen2Config",
    "qwen3": "Qwen3Config",
    "gemma3_text": "Gemma3TextConfig",
}


def write_decoder(
    decoder: Decoder,
    config: Mapping[str, Any],
    tokenizer: Tokenizer,
    norm: npt.NDArray[np.float32],
    head: npt.NDArray[np.float32],
    folder: Path,
    form: Ct2Type,
) -> None:
    """Write `decoder`, closed by `norm` and `head`, as `folder`; its weights are used up. Raises ValueError and
    NotImplementedError for a model that CTranslate2 doesn't know, OSError."""
    # Here, because CTranslate2's converters load torch where it is installed: only who makes a reader should wait.
    from ctranslate2.converters import transformers as known  # type: ignore[import-untyped]

    name = _LOADERS.get(str(config["model_type"]))
    if name not in known._MODEL_LOADERS:
        raise NotImplementedError(f"no conversion is known for {config['model_type']}")

    class Loader(type(known._MODEL_LOADERS[name])):  # type: ignore[misc]
        """The architecture's own, which asks transformers for nothing."""

        def set_linear(self, spec: Any, module: Any, **_: Any) -> None:
            spec.weight = module.weight
            if module.bias is not None:
                spec.bias = module.bias

    # What is rounded in parts below has a place of the right shape until then.
    whole = form == "float32"
    embedding = (
        decoder.embedded(slice(None)) if whole else np.broadcast_to(np.float32(0), (decoder.vocabulary, decoder.width))
    )
    spec = Loader()(_model(decoder, config, embedding, norm, head), _Vocabulary(tokenizer))
    spec.validate()
    embeddings = spec.decoder.embeddings
    if whole:
        spec.optimize(quantization=form)
    else:  # the embedding is half of the weights; in parts it never is in memory as float32
        embeddings.weight = "__optional"
        spec.optimize(quantization=form)
        embeddings.weight, embeddings.weight_scale = _rounded(decoder)
        embeddings.validate()
    folder.mkdir(parents=True)
    spec.save(str(folder))


def _rounded(decoder: Decoder) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """The embedding as CTranslate2 rounds it: each row as whole numbers up to 127, and what they were multiplied by."""
    rounded: npt.NDArray[np.int8] = np.empty((decoder.vocabulary, decoder.width), np.int8)
    scales: npt.NDArray[np.float32] = np.empty(decoder.vocabulary, np.float32)
    for start in range(0, decoder.vocabulary, ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        values = decoder.embedded(some)
        largest = np.abs(values).max(1)
        scales[some] = np.float32(127) / np.where(largest == 0, np.float32(127), largest)
        rounded[some] = np.rint(values * scales[some, None])
    return rounded, scales


def _model(decoder: Decoder, config: Mapping[str, Any], embedding: Any, norm: Any, head: Any) -> Any:
    """What the loader looks at."""
    geometry = decoder.geometry
    said = {
        **config,
        "num_hidden_layers": len(decoder.layers),
        "num_key_value_heads": geometry.shared,
        "head_dim": geometry.size,
        "rope_theta": next((theta for theta, w in zip(geometry.thetas, geometry.windows, strict=True) if w is None), 0),
        "rope_scaling": None,
        "quantization_config": None,
        "vocab_size": decoder.vocabulary,
    }
    if geometry.gemma:
        said["layer_types"] = list(config["layer_types"])[: len(decoder.layers)]
        local = [theta for theta, w in zip(geometry.thetas, geometry.windows, strict=True) if w is not None]
        said["rope_local_base_freq"] = (local or geometry.thetas)[0]
    core = SimpleNamespace(
        embed_tokens=_module(embedding), norm=_module(norm), layers=[_layer(layer) for layer in decoder.layers]
    )
    return SimpleNamespace(config=SimpleNamespace(**said), model=core, lm_head=_module(head))


def _module(weight: Any, bias: Any = None) -> SimpleNamespace:
    return SimpleNamespace(weight=weight, bias=bias)


def _layer(weights: Mapping[str, npt.NDArray[np.float32]]) -> SimpleNamespace:
    """ "self_attn.q_proj.weight" becomes `layer.self_attn.q_proj.weight`."""
    layer = SimpleNamespace()
    for name, values in weights.items():
        *path, kind = name.split(".")
        place = layer
        for part in path:
            if not hasattr(place, part):
                setattr(place, part, SimpleNamespace(weight=None, bias=None))
            place = getattr(place, part)
        setattr(place, kind, values)
    return layer


class _Vocabulary:
    """What the converter asks of a tokenizer, answered from tokenizer.json alone."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._vocabulary = tokenizer.get_vocab()
        # CTranslate2 wants names for these; nothing is generated here, so they never matter.
        self.bos_token = self.eos_token = self.pad_token = self.unk_token = tokenizer.id_to_token(0)

    def get_vocab(self) -> dict[str, int]:
        return self._vocabulary
