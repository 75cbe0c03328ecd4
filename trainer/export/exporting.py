"""From trained weights to what serves: a CTranslate2 folder for the embedded engine, a GGUF file for llama.cpp.

    Hugging Face folder (merged) | channels made alike | CTranslate2's converter | only the codes' rows of the head
    | tokenizer  ->  folder
    Hugging Face folder (merged) | what vLLM's loader asks for  ->  folder
    base GGUF + merged tensors   | GGUF names, GGUF order of rows | quantise | a header that is true       ->  file

The embedded form answers nothing but codes, so its output head holds a row for each code and nothing else. That makes
a single pass over the prompt enough, saves a third of the time, and the result is bit for bit the full model's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import torch
from ctranslate2.converters import TransformersConverter  # type: ignore[import-untyped]
from tokenizers import Tokenizer

from daemon.model.base_file import BaseFile
from daemon.model.codebook import code_token, usable_codes
from daemon.model.engines.embedded import ANSWERS
from daemon.model.engines.engine import ModelRefused
from daemon.model.engines.serving import Ct2Type, GgufType
from trainer.export.gguf_header import Written, header
from trainer.finetune.loading import quiet

Values = npt.NDArray[np.float32]

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def export_ct2(
    hf_dir: Path,
    out: Path,
    quantization: Ct2Type = "int8",
    codes: Sequence[str] | None = None,
    before_rounding: Callable[[Any], None] = lambda _: None,
) -> Path:
    """Write the CTranslate2 folder that EmbeddedEngine serves, and return it.

    `hf_dir` holds config.json, safetensors (any number of layers, tied or untied head) and tokenizer.json. `codes` are
    the answers that it can give; all usable codes of the vocabulary by default. `before_rounding` may change the model
    where it is rounded (trainer.export.smoothing). Raises ModelRefused for an architecture that CTranslate2 doesn't
    know or a code that isn't one token.
    """
    tokenizer = Tokenizer.from_file(str(hf_dir / "tokenizer.json"))
    answers = {code: code_token(code, tokenizer) for code in (codes or usable_codes(tokenizer))}
    strange = [code for code, token in answers.items() if token is None]
    if strange or not answers:
        raise ModelRefused(f"{hf_dir}: not one token in this vocabulary: {', '.join(strange) or 'any code'}.")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with quiet():
            change = (lambda _: None) if quantization == "float32" else before_rounding
            _CodesOnly(hf_dir, tokenizer, list(answers.values()), change).convert(str(out), quantization=quantization)
    except (ValueError, NotImplementedError) as error:
        raise ModelRefused(f"{hf_dir}: CTranslate2 can't convert this model: {error}") from error
    (out / ANSWERS).write_text(json.dumps({"codes": list(answers)}), "utf-8")
    shutil.copyfile(hf_dir / "tokenizer.json", out / "tokenizer.json")
    return out


def write_for_vllm(merged: Path, out: Path) -> Path:
    """A copy of the merged model in Hugging Face form that vLLM opens by itself; return it. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    for file in [*merged.glob("*.json"), *merged.glob("*.safetensors")]:
        shutil.copyfile(file, out / file.name)
    # Without this, AutoTokenizer guesses a class by the architecture, and may split text in that class's way.
    (out / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}), "utf-8")
    return out


class Converter(TransformersConverter):  # type: ignore[misc]
    """CTranslate2's converter for a folder in Hugging Face form, whose model `change` may change before it is
    rounded."""

    def __init__(self, hf_dir: Path, tokenizer: Tokenizer, change: Callable[[Any], None]) -> None:
        super().__init__(str(hf_dir))
        self._tokenizer = tokenizer
        self._change = change

    def load_tokenizer(self, *_: Any, **__: Any) -> _Vocabulary:
        return _Vocabulary(self._tokenizer)

    def load_model(self, model_class: Any, path: str, **options: Any) -> Any:
        # float32 whatever the file holds: quantising from anything less would round twice.
        model = model_class.from_pretrained(path, **{**options, "dtype": torch.float32, "local_files_only": True})
        self._change(model)
        return model


class _CodesOnly(Converter):
    """The same, with the output head cut down to the given rows."""

    def __init__(
        self, hf_dir: Path, tokenizer: Tokenizer, rows: Sequence[int | None], change: Callable[[Any], None]
    ) -> None:
        super().__init__(hf_dir, tokenizer, change)
        self._rows = rows

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


def export_gguf(
    base: BaseFile,
    state: Mapping[str, torch.Tensor],
    out: Path,
    type: GgufType = "Q8_0",
    layers: int | None = None,
    whole: bool = False,
) -> Path:
    """Write the base GGUF with the trained tensors in it, for Ollama and every other user of llama.cpp; return `out`.

    `state` holds merged tensors by their Hugging Face names: all of them or only those that training touched. A tensor
    that equals the base's stays as it was, bit for bit, unless that takes more room than `type` or `whole` wants all of
    the file in it; the others become `type` (vectors stay float32). `layers` keeps only the lower ones; by default as
    many as a whole `state` has. A head that differs from the embedding is written untied. The tokenizer and the shapes
    in the header are the base's; what describes the weights is true of these (trainer.export.gguf_header). Raises
    ModelRefused for a base without a GGUF file and for tensors that the base has no place for.
    """
    if base.path.is_dir():
        raise ModelRefused(
            f"{base.path}: Ollama needs a base model in GGUF form. Name its GGUF file as `base` under [engine]."
        )
    reader = gguf.GGUFReader(base.path)
    metadata = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    total = int(metadata[f"{base.architecture}.block_count"].contents())
    kept = _layers(state, total, layers)
    names = gguf.get_tensor_name_map(_ARCHITECTURES[base.architecture], total)
    trained = {_gguf_name(name, names): name for name in state}
    strange = [name for found, name in trained.items() if found is None]
    if strange:
        raise ModelRefused(f"{base.path}: the base has no place for {', '.join(strange[:3])}. Export the merged model.")

    place = _placing(base.architecture, metadata)
    written: dict[str, _Tensor] = {}
    for tensor in reader.tensors:
        if _layer(tensor.name) >= kept:
            continue
        source = trained.get(tensor.name)
        before = gguf.dequantize(tensor.data, tensor.tensor_type)
        values = before if source is None else place(tensor.name, _values(state[source]))
        wanted = _kind(values, type)
        if (
            not whole
            and _room(tensor.tensor_type) <= _room(wanted)
            and (values is before or np.array_equal(values, before))
        ):
            written[tensor.name] = _Tensor(tensor.data, tensor.tensor_type, values.shape)
        else:
            written[tensor.name] = _rounded(values, wanted)
    if "output.weight" not in written and HEAD in state and _is_untied(state, reader):
        head = _values(state[HEAD])
        written["output.weight"] = _rounded(head, _kind(head, type))
    lost = [name for found, name in trained.items() if found not in written and name != HEAD and _layer(found) < kept]
    if lost:
        raise ModelRefused(f"{base.path}: the base file has no tensor for {', '.join(lost[:3])}.")

    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}")
    writer = gguf.GGUFWriter(beside, base.architecture)
    for name, entry in header(
        metadata, kept, [Written(tensor.kind, tensor.shape) for tensor in written.values()]
    ).items():
        inner = entry.types[-1] if len(entry.types) > 1 else None
        writer.add_key_value(name, entry.value, entry.types[0], inner)
    for name, kept_as in written.items():
        writer.add_tensor(name, kept_as.data, raw_dtype=kept_as.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    beside.rename(out)
    return out


_ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma3": gguf.MODEL_ARCH.GEMMA3,
}


def _layers(state: Mapping[str, torch.Tensor], total: int, layers: int | None) -> int:
    if layers is None and EMBEDDING in state:
        layers = 1 + max((int(name.split(".")[2]) for name in state if name.startswith("model.layers.")), default=-1)
    if layers is None:
        return total
    if not 1 <= layers <= total:
        raise ModelRefused(f"can't keep {layers} of the base model's {total} layers.")
    return layers


def _layer(gguf_name: str | None) -> int:
    """The layer that a tensor belongs to, -1 for those outside the layers."""
    return int(gguf_name.split(".")[1]) if gguf_name and gguf_name.startswith("blk.") else -1


def _gguf_name(name: str, names: gguf.TensorNameMap) -> str | None:
    found: str | None = names.get_name(name, try_suffixes=(".weight", ".bias"))
    return found


def _placing(architecture: str, metadata: Mapping[str, gguf.ReaderField]) -> Callable[[str, Values], Values]:
    """How this architecture's GGUF files differ from Hugging Face's in the values themselves.

    llama.cpp rotates neighbours where Hugging Face rotates halves, so llama's rows of q and k are interleaved within
    each head. Gemma's norms are stored with the one already added. (convert_hf_to_gguf.py, LlamaModel.permute and
    Gemma3Model.norm_shift)
    """

    def place(name: str, values: Values) -> Values:
        if architecture == "llama" and name.endswith(("attn_q.weight", "attn_k.weight")):
            key = "llama.attention.head_count" if "attn_q" in name else "llama.attention.head_count_kv"
            heads = int(metadata[key if key in metadata else "llama.attention.head_count"].contents())
            rows, columns = values.shape
            return values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        if architecture == "gemma3" and name.endswith("norm.weight"):
            return values + np.float32(1)
        return values

    return place


def _is_untied(state: Mapping[str, torch.Tensor], reader: gguf.GGUFReader) -> bool:
    """Does the trained head differ from the embedding that it would otherwise share?"""
    if EMBEDDING in state:
        return not torch.equal(state[EMBEDDING], state[HEAD])
    embedding = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    return not np.array_equal(gguf.dequantize(embedding.data, embedding.tensor_type), _values(state[HEAD]))


def _values(tensor: torch.Tensor) -> Values:
    return tensor.detach().to("cpu", torch.float32).numpy()


@dataclass(frozen=True)
class _Tensor:
    """One tensor as it goes into the file."""

    data: npt.NDArray[Any]
    kind: gguf.GGMLQuantizationType
    shape: tuple[int, ...]


def _kind(values: Values, type: GgufType) -> gguf.GGMLQuantizationType:
    """In which type these values are written where `type` is wanted."""
    wanted = gguf.GGMLQuantizationType[type]
    if values.ndim == 1:
        return gguf.GGMLQuantizationType.F32
    if values.shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0]:
        return gguf.GGMLQuantizationType.F16  # a row must fill its blocks
    return wanted


def _rounded(values: Values, kind: gguf.GGMLQuantizationType) -> _Tensor:
    return _Tensor(gguf.quantize(np.ascontiguousarray(values), kind), kind, values.shape)


def _room(kind: gguf.GGMLQuantizationType) -> float:
    """Bytes for one weight."""
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    return float(size / weights)
