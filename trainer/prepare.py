"""From the base model's file to what training loads: float32 weights in Hugging Face form, once per file.

    BaseFile | dequantise | detach the quantiser | mend the tokenizer | write beside | rename  ->  PreparedBase

The result is cached under the file's checksum: the first start takes half a minute, every later one nothing.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from daemon.model.base_file import BaseFile, read_header
from daemon.model.engines.engine import ModelRefused
from trainer.finetune.loading import quiet

# Raised when the folder's content changes: older caches are then left alone and made again.
LAYOUT = 1


@dataclass(frozen=True)
class Shape:
    """Of a whole base: its layers, the width of its states, and the weights of the embedding and of one layer."""

    layers: int
    width: int
    embedding: int
    layer: int


@dataclass(frozen=True)
class PreparedBase:
    """A folder with config.json, model.safetensors (float32) and tokenizer.json."""

    folder: Path
    sha256: str
    """Of the base file, not of this folder."""

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    @cached_property
    def shape(self) -> Shape:
        """How large it is, without loading it. Raises OSError."""
        config = json.loads((self.folder / "config.json").read_text("utf-8"))
        with (self.folder / "model.safetensors").open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        sizes = {name: math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"}
        return Shape(
            layers=int(config["num_hidden_layers"]),
            width=int(config["hidden_size"]),
            embedding=sizes["model.embed_tokens.weight"],
            layer=sum(size for name, size in sizes.items() if name.startswith("model.layers.0.")),
        )


def prepare_base(base: BaseFile, cache_dir: Path) -> PreparedBase:
    """The base model ready for training, made now or long ago.

    Raises ModelRefused when transformers can't read the file, and what `disk_trouble` words when the disk is full.
    """
    folder = cache_dir / f"base-{base.sha256[:24]}-{LAYOUT}"
    if not folder.is_dir():
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".base-", dir=cache_dir) as scratch:
            made = Path(scratch, "made")
            _convert(base, made)
            try:
                made.rename(folder)
            except OSError:
                # Somebody else made it meanwhile; theirs is as good as ours.
                if not folder.is_dir():
                    raise
    return PreparedBase(folder, base.sha256)


def check_window(prepared: PreparedBase, max_tokens: int) -> None:
    """Can this base read prompts of so many tokens? Raises ModelRefused.

    Gemma 3 sees only the last 512 tokens or so in most layers. CTranslate2 4.8 fails on prompts longer than that
    ("buffer to copy is of size ..."), and the pooling layer's mean would miss the beginning of a mail.
    """
    config = json.loads((prepared.folder / "config.json").read_text("utf-8"))
    window = config.get("sliding_window")
    if window and max_tokens > int(window):
        raise ModelRefused(
            f"The base model looks back {window} tokens only, and max_tokens is {max_tokens}. "
            f"Set max_tokens under [engine] to {window} or less, or choose another base model."
        )


def _convert(base: BaseFile, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = base.path if base.path.is_dir() else base.path.parent
    options = {} if base.path.is_dir() else {"gguf_file": base.path.name}
    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(
                source, dtype=torch.float32, local_files_only=True, **options, **_mended_config(base, options)
            )
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True, **options)
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError, NotImplementedError) as error:
        raise ModelRefused(
            f"{base.path}: transformers can't load this {base.architecture} model ({type(error).__name__}: {error}). "
            "Fetch the file again, or choose another base model."
        ) from error
    # transformers refuses to save a model that it read from GGUF until it forgets that it did.
    model.hf_quantizer = None  # type: ignore[assignment]
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    with quiet():
        model.save_pretrained(folder)
    if base.path.is_dir():
        shutil.copyfile(base.path / "tokenizer.json", folder / "tokenizer.json")
    else:
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        _mend_tokenizer(base.path, folder / "tokenizer.json")
    note = {"base": base.name, "sha256": base.sha256, "architecture": base.architecture, "license": base.license}
    (folder / "base.json").write_text(json.dumps(note, indent=1), "utf-8")


def _mended_config(base: BaseFile, options: dict[str, str]) -> dict[str, Any]:
    """transformers 5.23 takes Qwen3's heads to be 128 wide whatever the GGUF file says. Reading the file again costs
    seconds, so only for one that says something else."""
    from transformers import AutoConfig

    if not options or base.architecture != "qwen3":
        return {}
    width = int(read_header(base.path).values.get("qwen3.attention.key_length", 128))
    if width == 128:
        return {}
    config = AutoConfig.from_pretrained(base.path.parent, local_files_only=True, **options)
    config.head_dim = width
    return {"config": config}


def _mend_tokenizer(gguf: Path, tokenizer: Path) -> None:
    """SmolLM2 splits digits before anything else. transformers 5.23 forgets that when it reads a GGUF file, and "½" and
    Arabic digits would be other tokens for training than for llama.cpp (its pre-tokenizer "smollm")."""
    if read_header(gguf).values.get("tokenizer.ggml.pre") != "smollm":
        return
    content = json.loads(tokenizer.read_text("utf-8"))
    content["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }
    tokenizer.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
