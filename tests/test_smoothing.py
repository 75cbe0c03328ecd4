"""Channels made alike before rounding: nothing changes in float32, and int8 loses less."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.engines.base import Floats
from daemon.engines.embedded import EmbeddedEngine
from daemon.labels import usable_codes
from daemon.prompt import PromptSettings, Renderer
from tests.lessons import examples_of, office_rows
from tests.tiny_models import ARCHITECTURES, tiny_model, tiny_tokenizer
from trainer.export import Quantization, export_ct2
from trainer.prepare import PreparedBase
from trainer.smoothing import smooth

pytestmark = pytest.mark.model

TOKENIZER = tiny_tokenizer()
PROMPTS = [
    Renderer(TOKENIZER, PromptSettings(max_tokens=64)).render(MailText(subject=f"Order {n}", body="paper and ink " * n))
    for n in range(1, 13)
]
IDS = [prompt.ids for prompt in PROMPTS]


def with_large_channels(architecture: str) -> torch.nn.Module:
    """A few channels of everything that a linear layer reads are many times as large as the others."""
    model = tiny_model(architecture)
    with torch.no_grad():
        for layer in model.model.layers:
            norms = [layer.input_layernorm, layer.post_attention_layernorm]
            norms += [layer.pre_feedforward_layernorm] if hasattr(layer, "pre_feedforward_layernorm") else []
            for norm in norms:
                norm.weight[:2] += 40
            for reader in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.mlp.gate_proj, layer.mlp.up_proj):
                reader.weight[:, :2] /= 40
            layer.mlp.up_proj.weight[:2] *= 40
            layer.mlp.down_proj.weight[:, :2] /= 40
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_model_computes_the_same(architecture: str) -> None:
    model = with_large_channels(architecture)
    smoothed = copy.deepcopy(model)
    smooth(smoothed, IDS)
    before = dict(model.named_parameters())
    changed = {name for name, value in smoothed.named_parameters() if not torch.equal(value, before[name])}
    last = f"model.layers.{len(model.model.layers) - 1}"
    assert {f"{last}.input_layernorm.weight", f"{last}.mlp.down_proj.weight"} <= changed
    assert not [name for name in changed if "embed" in name or "lm_head" in name]
    with torch.no_grad():
        for ids in IDS:
            tokens = torch.tensor([list(ids)])
            assert torch.allclose(model(tokens).logits, smoothed(tokens).logits, atol=2e-3, rtol=1e-3)


def test_without_prompts_nothing_changes() -> None:
    model = with_large_channels("qwen3")
    smoothed = copy.deepcopy(model)
    smooth(smoothed, [])
    before = dict(model.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in smoothed.named_parameters())


def test_int8_loses_less_of_a_real_model(smol_prepared: PreparedBase, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(smol_prepared.tokenizer))
    codes = list(islice(usable_codes(tokenizer), 20))
    renderer = Renderer(tokenizer, PromptSettings())
    prompts = [renderer.render(example.text) for example in examples_of(office_rows(40))[0]]
    shown, asked = [prompt.ids for prompt in prompts[:16]], prompts[16:]

    def served(quantization: Quantization, shown: Sequence[Sequence[int]]) -> Floats:
        folder = export_ct2(smol_prepared.folder, tmp_path / "ct2", quantization, codes, shown)
        with EmbeddedEngine(folder, 1) as engine:
            answers = engine.code_logprobs(asked, codes)
        shutil.rmtree(folder)
        return np.exp(answers)

    exact, rough, smoothed = served("float32", ()), served("int8", ()), served("int8", shown)
    assert np.abs(smoothed - exact).mean() < 0.8 * np.abs(rough - exact).mean()
