"""From the base model's file to what a training reads of it: tokenizer and shapes, once per file. No torch.

    BaseFile | header | config.json, tokenizer.json beside | rename                     ->  PreparedBase
    what only tuning by gradient needs: all weights in float32, Hugging Face form, once   ->  PreparedBase.whole()

The result is cached under the file's checksum. Weights are read from the file itself (trainer.base_weights), so that a
night which tunes no layer writes none of them.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gguf

from daemon.model.base_file import BaseFile
from daemon.model.engines.engine import ModelRefused
from trainer.base_tokenizer import UnknownTokenizer, tokenizer_of
from trainer.base_weights import EMBEDDING, HEAD, BaseWeights, GgufWeights, refused_if_odd, weights_of

# Raised when the folder's content changes: older caches are then left alone and made again.
LAYOUT = 3
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Shape:
    """Of a whole base: its layers, the width of its states, and the weights of the embedding and of one layer."""

    layers: int
    width: int
    embedding: int
    layer: int


@dataclass(frozen=True)
class PreparedBase:
    """A folder with config.json and tokenizer.json, and the file that it is about."""

    folder: Path
    base: BaseFile

    @property
    def sha256(self) -> str:
        """Of the base file, not of the folder."""
        return self.base.sha256

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """config.json, as transformers names things. Raises OSError."""
        found: Mapping[str, Any] = json.loads((self.folder / "config.json").read_text("utf-8"))
        return found

    def weights(self) -> BaseWeights:
        """The weights, to be read one by one. Raises ModelRefused, OSError."""
        return weights_of(self.base)

    @cached_property
    def shape(self) -> Shape:
        """How large it is, without reading a weight. Raises ModelRefused, OSError."""
        with refused_if_odd(self.base):
            sizes = {name: math.prod(shape) for name, shape in self.weights().shapes.items()}
            return Shape(
                layers=int(self.config["num_hidden_layers"]),
                width=int(self.config["hidden_size"]),
                embedding=sizes[EMBEDDING],
                layer=sum(size for name, size in sizes.items() if name.startswith("model.layers.0.")),
            )

    def whole(self) -> Path:
        """The folder in Hugging Face form with all weights in float32, written now or long ago. Needs the extra
        `tune`. Raises ModelRefused, and what `disk_trouble` words when the disk is full."""
        file = self.folder / WEIGHTS
        if not file.is_file():
            from safetensors.numpy import save_file

            weights = self.weights()
            tied = bool(self.config.get("tie_word_embeddings"))
            names = [name for name in weights.shapes if not (tied and name == HEAD)]
            # Trainings work side by side; what a killed one leaves is swept with half-made bases.
            with tempfile.TemporaryDirectory(prefix=".base-", dir=self.folder.resolve().parent) as scratch:
                made = Path(scratch, WEIGHTS)
                save_file({name: weights.get(name) for name in names}, made, {"format": "pt"})
                made.rename(file)
        return self.folder


def prepare_base(base: BaseFile, cache_dir: Path) -> PreparedBase:
    """The base model ready for training, made now or long ago.

    Raises ModelRefused for a file that can't be read, and what `disk_trouble` words when the disk is full.
    """
    folder = cache_dir / f"base-{base.sha256[:24]}-{LAYOUT}"
    if not folder.is_dir():
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".base-", dir=cache_dir) as scratch:
            made = Path(scratch, "made")
            made.mkdir()
            _describe(base, made)
            try:
                made.rename(folder)
            except OSError:
                # Somebody else made it meanwhile; theirs is as good as ours.
                if not folder.is_dir():
                    raise
    return PreparedBase(folder, base)


def check_window(prepared: PreparedBase, max_tokens: int) -> None:
    """Can this base read prompts of so many tokens? Raises ModelRefused.

    Gemma 3 sees only the last 512 tokens or so in most layers. CTranslate2 4.8 fails on prompts longer than that
    ("buffer to copy is of size ..."), and the pooling layer's mean would miss the beginning of a mail.
    """
    window = prepared.config.get("sliding_window")
    if window and max_tokens > int(window):
        raise ModelRefused(
            f"The base model looks back {window} tokens only, and max_tokens is {max_tokens}. "
            f"Set max_tokens under [engine] to {window} or less, or choose another base model."
        )


def _describe(base: BaseFile, folder: Path) -> None:
    """Write config.json, tokenizer.json and base.json."""
    if base.path.is_dir():
        for name in ("config.json", "tokenizer.json"):
            shutil.copyfile(base.path / name, folder / name)
    else:
        with refused_if_odd(base):
            weights = GgufWeights(base.path, base.architecture)
            config = _config(base.architecture, weights)
            _tokenizer(base, folder / "tokenizer.json")
        (folder / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    note = {"base": base.name, "sha256": base.sha256, "architecture": base.architecture, "license": base.license}
    (folder / "base.json").write_text(json.dumps(note, indent=1), "utf-8")


def _config(architecture: str, weights: GgufWeights) -> dict[str, Any]:
    """What transformers calls what the header says."""
    width, heads = int(weights.value("embedding_length")), int(weights.value("attention.head_count"))
    size = int(weights.value("attention.key_length", weights.value("rope.dimension_count", width // heads)))
    layers, theta = int(weights.value("block_count")), float(weights.value("rope.freq_base", 10_000.0))
    rope = {"rope_theta": theta, "rope_type": "default"}
    found: dict[str, Any] = {
        "architectures": [_CLASSES[architecture]],
        "model_type": architecture,
        "vocab_size": weights.shapes[EMBEDDING][0],
        "hidden_size": width,
        "intermediate_size": int(weights.value("feed_forward_length")),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": int(weights.value("attention.head_count_kv", heads)),
        "head_dim": size,
        "hidden_act": "silu",
        "max_position_embeddings": int(weights.value("context_length")),
        "rms_norm_eps": float(weights.value("attention.layer_norm_rms_epsilon")),
        "rope_theta": theta,
        "rope_parameters": rope,
        "tie_word_embeddings": HEAD not in weights.shapes,
        "dtype": "float32",
        "bos_token_id": weights.token("bos"),
        "eos_token_id": weights.token("eos"),
    }
    if architecture == "gemma3":
        found |= {
            "model_type": "gemma3_text",
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": size,
            "sliding_window": int(weights.value("attention.sliding_window")),
            "rope_local_base_freq": GEMMA_LOCAL,
            "rope_parameters": {"full_attention": rope, "sliding_attention": {**rope, "rope_theta": GEMMA_LOCAL}},
            "layer_types": [
                "sliding_attention" if (layer + 1) % GEMMA_PATTERN else "full_attention" for layer in range(layers)
            ],
        }
        del found["hidden_act"]
    return found


_CLASSES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "gemma3": "Gemma3ForCausalLM",
}
GEMMA_LOCAL, GEMMA_PATTERN = 10_000.0, 6
"""Gemma 3's, which its GGUF files don't say: the base of the rotation in layers with a window, and every n-th layer has
none."""


def _tokenizer(base: BaseFile, path: Path) -> None:
    try:
        tokenizer_of(gguf.GGUFReader(base.path).fields).save(str(path))
    except UnknownTokenizer as unknown:
        try:
            from transformers import AutoTokenizer
        except ImportError:
            raise ModelRefused(
                f"{base.path}: it has {unknown}, which only transformers can read. "
                "Install the extra `tune` (docs/installing.md), or choose another base model."
            ) from unknown
        read = AutoTokenizer.from_pretrained(base.path.parent, gguf_file=base.path.name, local_files_only=True)
        read.backend_tokenizer.save(str(path))
