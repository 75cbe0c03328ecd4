"""The header of a GGUF file that Postroom writes: what describes the weights is true of the weights that are in it.

    the base's header, the tensors that are written  ->  the keys to write, each with its GGUF types

Whoever reads a GGUF believes its header: Ollama's `create` looks at `general.file_type` to decide whether it may
quantise, and `ollama list` shows it (server/create.go, fs/ggml/type.go). Tokenizer, shapes and licence stay the base's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import gguf

VERSION_OF_QUANTS = int(gguf.GGML_QUANT_VERSION)
_FILE_TYPES = {
    gguf.GGMLQuantizationType.F32: gguf.LlamaFileType.ALL_F32,
    gguf.GGMLQuantizationType.F16: gguf.LlamaFileType.MOSTLY_F16,
    gguf.GGMLQuantizationType.BF16: gguf.LlamaFileType.MOSTLY_BF16,
    gguf.GGMLQuantizationType.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0,
    gguf.GGMLQuantizationType.Q4_1: gguf.LlamaFileType.MOSTLY_Q4_1,
    gguf.GGMLQuantizationType.Q5_0: gguf.LlamaFileType.MOSTLY_Q5_0,
    gguf.GGMLQuantizationType.Q5_1: gguf.LlamaFileType.MOSTLY_Q5_1,
    gguf.GGMLQuantizationType.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
    gguf.GGMLQuantizationType.Q2_K: gguf.LlamaFileType.MOSTLY_Q2_K,
    gguf.GGMLQuantizationType.Q3_K: gguf.LlamaFileType.MOSTLY_Q3_K_M,
    gguf.GGMLQuantizationType.Q4_K: gguf.LlamaFileType.MOSTLY_Q4_K_M,
    gguf.GGMLQuantizationType.Q5_K: gguf.LlamaFileType.MOSTLY_Q5_K_M,
    gguf.GGMLQuantizationType.Q6_K: gguf.LlamaFileType.MOSTLY_Q6_K,
}

# What the base's maker says of his own file: how it was rounded and cut up, where it lies, which model it is.
_OF_ANOTHER_FILE = (
    "general.file_type",
    "general.quantization_version",
    "general.name",
    "general.basename",
    "general.finetune",
    "general.version",
    "general.size_label",
    "general.parameter_count",
    "general.description",
    "general.quantized_by",
    "general.uuid",
    "general.url",
    "general.doi",
    "general.repo_url",
    "general.source.",
    "general.base_model.",
    "quantize.",
    "split.",
)


class Entry(NamedTuple):
    """One key's value, and its GGUF types: the second one is that of an array's members."""

    value: Any
    types: tuple[gguf.GGUFValueType, ...]


class Written(NamedTuple):
    """What the header has to know of one tensor."""

    kind: gguf.GGMLQuantizationType
    shape: tuple[int, ...]

    @property
    def weights(self) -> int:
        """How many numbers it holds."""
        count = 1
        for length in self.shape:
            count *= length
        return count


def header(base: Mapping[str, gguf.ReaderField], layers: int, tensors: Iterable[Written]) -> dict[str, Entry]:
    """The keys of a file that holds `tensors` and keeps `layers` of the base's layers.

    `general.architecture` and the reader's own entries ("GGUF.version") are left out: the writer makes these.
    """
    written = list(tensors)
    architecture = str(base[gguf.Keys.General.ARCHITECTURE].contents())
    found = {
        name: Entry(field.contents(), tuple(field.types))
        for name, field in base.items()
        if not name.startswith(("GGUF.", *_OF_ANOTHER_FILE)) and name != gguf.Keys.General.ARCHITECTURE
    }
    count = f"{architecture}.block_count"
    found[count] = Entry(layers, found[count].types)
    weights = sum(tensor.weights for tensor in written)
    text, number = (gguf.GGUFValueType.STRING,), (gguf.GGUFValueType.UINT32,)
    parent = _text(base, "general.name") or _text(base, "general.basename") or architecture
    found |= {
        "general.file_type": Entry(int(file_type(written)), number),
        "general.quantization_version": Entry(VERSION_OF_QUANTS, number),
        "general.name": Entry(f"Postroom, grown from {parent}", text),
        "general.basename": Entry("postroom", text),
        "general.size_label": Entry(size_label(weights), text),
        "general.parameter_count": Entry(weights, (gguf.GGUFValueType.UINT64,)),
        "general.base_model.count": Entry(1, number),
        "general.base_model.0.name": Entry(parent, text),
    }
    for key, source in (("organization", "general.organization"), ("repo_url", "general.repo_url")):
        if said := _text(base, source):
            found[f"general.base_model.0.{key}"] = Entry(said, text)
    found.pop("general.organization", None)  # they made the base, not this
    return found


def file_type(tensors: Iterable[Written]) -> gguf.LlamaFileType:
    """In which type most weights are, vectors apart, which always stay float32."""
    weights: Counter[gguf.GGMLQuantizationType] = Counter()
    for tensor in tensors:
        if len(tensor.shape) > 1:
            weights[tensor.kind] += tensor.weights
    [(most, _)] = weights.most_common(1)
    return _FILE_TYPES.get(most, gguf.LlamaFileType.GUESSED)


def size_label(weights: int) -> str:
    """ "135M" for 134,515,008 weights, as llama.cpp's converter writes it."""
    label: str = gguf.size_label(weights, weights, 0, 0)
    return label


def _text(fields: Mapping[str, gguf.ReaderField], name: str) -> str:
    return str(fields[name].contents()) if name in fields else ""
