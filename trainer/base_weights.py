"""A base model's weights by their Hugging Face names, one at a time, as numbers of float32. No torch.

    GGUF file | GGUF's names and order of rows undone | dequantised        ->  array
    folder in Hugging Face form | safetensors' header | from 16 bits       ->  array

A file is mapped into memory, and what is asked for alone is read. safetensors' layout: eight bytes with the header's
length, the header in JSON, the data (github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from daemon.model.base_file import BaseFile, read_header
from daemon.model.engines.engine import Floats, ModelRefused

ROWS_AT_ONCE = 2048
Rows = slice | npt.NDArray[np.int64]
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma3": gguf.MODEL_ARCH.GEMMA3,
}


class BaseWeights(ABC):
    """`shapes`: of every weight, by its name."""

    shapes: Mapping[str, tuple[int, ...]]

    @abstractmethod
    def rows(self, name: str, which: Rows) -> Floats:
        """These rows of a weight as the file holds it. Raises ModelRefused for one that is not there or not read."""

    def get(self, name: str) -> Floats:
        """This weight, a copy of the caller's own. Raises as `rows`."""
        return self.rows(name, slice(None))


@contextmanager
def refused_if_odd(base: BaseFile) -> Iterator[None]:
    """Whatever goes wrong in here is the file's fault: its parts are damaged, or don't fit each other. Raises
    ModelRefused."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, NotImplementedError) as error:
        raise ModelRefused(
            f"{base.path}: this {base.architecture} model can't be read ({type(error).__name__}: {error}). "
            "Fetch it again, or choose another base model."
        ) from error


def weights_of(base: BaseFile) -> BaseWeights:
    """Of this base. Raises ModelRefused for a file that is damaged."""
    with refused_if_odd(base):
        return FolderWeights(base.path) if base.path.is_dir() else GgufWeights(base.path, base.architecture)


class GgufWeights(BaseWeights):
    """Of a GGUF file."""

    def __init__(self, path: Path, architecture: str) -> None:
        self._path = path
        self._architecture = architecture
        header = read_header(path)
        self._values = header.values
        layers = int(self.value("block_count"))
        scaled = str(self._values.get(f"{architecture}.rope.scaling.type", "none"))
        if scaled != "none" or "rope_freqs.weight" in header.tensors:  # the latter: Llama 3's way
            way = "llama3" if scaled == "none" else scaled
            raise ModelRefused(f"{path}: the base model's positions are scaled ({way}). Choose another base model.")
        places = gguf.get_tensor_name_map(ARCHITECTURES[architecture], layers)
        self._places = {
            name: header.tensors[found]
            for name in names_of(architecture, layers)
            if (found := places.get_name(name, try_suffixes=(".weight", ".bias"))) in header.tensors
        }
        self.shapes = {name: place.shape for name, place in self._places.items()}

    def value(self, key: str, default: float | None = None) -> float:
        """What the header says under the architecture's own `key`. Raises KeyError without a default."""
        name = f"{self._architecture}.{key}"
        if name not in self._values and default is not None:
            return default
        return float(self._values[name])

    def token(self, name: str) -> int | None:
        """The id of a special token ("bos", "eos"), where the header names one."""
        found = self._values.get(f"tokenizer.ggml.{name}_token_id")
        return None if found is None else int(found)

    def get(self, name: str) -> Floats:
        return self._turned_back(name, super().get(name).reshape(self.shapes.get(name, ())))

    def rows(self, name: str, which: Rows) -> Floats:
        try:
            place = self._places[name]
            kind = gguf.GGMLQuantizationType(place.kind)
            weights, size = gguf.GGML_QUANT_SIZES[kind]
            *rows, columns = place.shape
            bytes_ = (math.prod(rows), columns // weights * size)
            data = np.memmap(self._path, np.uint8, "r", place.offset, bytes_)[which]
            values = np.empty((len(data), columns), np.float32)
            for start in range(0, len(values), ROWS_AT_ONCE):  # a whole embedding takes four times its size on the way
                some = slice(start, start + ROWS_AT_ONCE)
                values[some] = gguf.dequantize(data[some], kind)
            return values
        except (KeyError, NotImplementedError, ValueError) as error:
            raise ModelRefused(
                f"{self._path}: {name} is missing or in a form that can't be read ({error}). Choose another base model."
            ) from error

    def _turned_back(self, name: str, values: Floats) -> Floats:
        """llama.cpp rotates neighbours where Hugging Face rotates halves, so llama's rows of q and k are interleaved
        within each head; Gemma's norms are stored with the one already added (convert_hf_to_gguf.py)."""
        if self._architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = int(self.value("attention.head_count"))
            if "k_proj" in name:
                heads = int(self.value("attention.head_count_kv", heads))
            rows, columns = values.shape
            return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
        if self._architecture == "gemma3" and name.endswith("norm.weight"):
            return values - np.float32(1)
        return values


_PARTS = (
    *(f"self_attn.{part}_proj.{kind}" for part in "qkv" for kind in ("weight", "bias")),
    *("self_attn.o_proj.weight", "self_attn.q_norm.weight", "self_attn.k_norm.weight"),
    *(f"mlp.{part}_proj.weight" for part in ("gate", "up", "down")),
    *("input_layernorm.weight", "post_attention_layernorm.weight"),
)
_GEMMA = ("pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight")


def names_of(architecture: str, layers: int) -> list[str]:
    """The weights that a model of this architecture may have."""
    parts = (*_PARTS, *_GEMMA) if architecture == "gemma3" else _PARTS
    inside = [f"model.layers.{layer}.{part}" for layer in range(layers) for part in parts]
    return [EMBEDDING, *inside, "model.norm.weight", HEAD]


_KINDS: Mapping[str, Any] = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "F64": np.float64}


class FolderWeights(BaseWeights):
    """Of a folder in Hugging Face form, in any number of files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, tuple[Path, str, int]] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for file in sorted(folder.glob("*.safetensors")):
            with file.open("rb") as opened:
                length = int.from_bytes(opened.read(8), "little")
                if length > file.stat().st_size:  # never trusted with memory
                    raise ValueError(f"{file.name} is truncated")
                header: dict[str, Any] = json.loads(opened.read(length))
            header.pop("__metadata__", None)
            for name, tensor in header.items():
                self._places[name] = file, tensor["dtype"], 8 + length + tensor["data_offsets"][0]
                shapes[name] = tuple(tensor["shape"])
        self.shapes = shapes

    def rows(self, name: str, which: Rows) -> Floats:
        try:
            file, kind, start = self._places[name]
            mapped: npt.NDArray[Any] = np.memmap(file, _KINDS[kind], "r", start, self.shapes[name])
            values = np.array(mapped[which])
        except (KeyError, ValueError) as error:
            raise ModelRefused(
                f"{self._folder}: {name} is missing or in a form that can't be read ({error}). "
                "Download the whole model directory again, or choose another base model."
            ) from error
        if kind == "BF16":  # the upper half of a float32
            return np.asarray((values.astype(np.uint32) << 16).view(np.float32))
        return values.astype(np.float32)
