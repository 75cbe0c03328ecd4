"""Models that several test modules share: a tiny Qwen3 as base, prepared and trained; and the real SmolLM2."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tokenizers import Tokenizer

from daemon.model.base_file import BaseFile, find_base
from tests.tiny_models import save_gguf, tiny_qwen3, tiny_tokenizer

if TYPE_CHECKING:
    from trainer.prepare import PreparedBase


@dataclass(frozen=True)
class Trained:
    """What training leaves behind: a merged model, in memory and as a folder, and the base that it grew from."""

    base: BaseFile
    folder: Path
    model: Any

    @property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseFile:
    return find_base(save_gguf(tiny_qwen3(), tmp_path_factory.mktemp("tiny") / "tiny-qwen3.gguf"))


@pytest.fixture(scope="session")
def tiny_prepared(tiny_base: BaseFile, tmp_path_factory: pytest.TempPathFactory) -> PreparedBase:
    from trainer.prepare import prepare_base

    return prepare_base(tiny_base, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_trained(tiny_base: BaseFile, tiny_prepared: PreparedBase, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Two of three layers kept, every weight moved a little, the head untied and trained."""
    return trained(tiny_base, tiny_prepared, tmp_path_factory.mktemp("trained-tiny"), layers=2)


@pytest.fixture(scope="session")
def smol_base() -> BaseFile:
    return find_base()


@pytest.fixture(scope="session")
def smol_prepared(smol_base: BaseFile) -> PreparedBase:
    from trainer.prepare import prepare_base

    return prepare_base(smol_base, Path(".models"))


@pytest.fixture(scope="session")
def smol_trained(smol_base: BaseFile, smol_prepared: PreparedBase, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """SmolLM2 with 8 of its 30 layers, small enough for a quick test and real enough for its rotary permutation."""
    return trained(smol_base, smol_prepared, tmp_path_factory.mktemp("trained-smol"), layers=8)


def trained(base: BaseFile, prepared: PreparedBase, folder: Path, layers: int) -> Trained:
    """As after training: fewer layers, weights moved by a few percent, a head of its own."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(prepared.whole()).eval()
    model.model.layers = model.model.layers[:layers]
    model.config.num_hidden_layers = layers
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = model.config.layer_types[:layers]
    model.config.tie_word_embeddings = False
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter += 0.03 * parameter.std() * noise
    model.save_pretrained(folder)
    shutil.copyfile(prepared.tokenizer, folder / "tokenizer.json")
    return Trained(base, folder, model)
