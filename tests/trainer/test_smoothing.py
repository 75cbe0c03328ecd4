"""Channels made alike before rounding: nothing changes in float32, and int8 loses less."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from connectors.base import MailText
from connectors.mail.mime import parse
from daemon.demo.office.writer import write_office
from daemon.model.base_file import BaseFile
from daemon.model.codebook import Codebook
from daemon.model.engines.embedded import EmbeddedEngine
from daemon.model.engines.serving import Forms
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt, PromptSettings, Renderer
from tests.lessons import labelled
from tests.tiny_models import ARCHITECTURES, tiny_model, tiny_tokenizer
from trainer.candidates.pooled import depth_of, fit_language
from trainer.candidates.whole_model import export
from trainer.context import Grounds
from trainer.export.smoothing import smooth
from trainer.finetune.exact_reading import Reader
from trainer.finetune.loading import load_base
from trainer.finetune.pooling_layer import room_of
from trainer.prepare import PreparedBase
from trainer.recipe import Recipe, Rounding

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
    smooth(smoothed, IDS, Rounding())
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
    smooth(smoothed, [], Rounding())
    before = dict(model.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in smoothed.named_parameters())


def test_int8_loses_less_of_a_real_model(smol_base: BaseFile, smol_prepared: PreparedBase, tmp_path: Path) -> None:
    """SmolLM2's lower layers, pooled, on the subjects of an office's mail."""
    tokenizer = Tokenizer.from_file(str(smol_prepared.tokenizer))
    renderer = Renderer(tokenizer, PromptSettings())
    mails = write_office(1, 160)
    categories = tuple(sorted({mail.category for mail in mails}))
    labels = np.array([categories.index(mail.category) for mail in mails])
    prompts = [renderer.render(MailText(body=parse(mail.raw).text.subject)) for mail in mails]
    model, recipe = load_base(smol_prepared.whole()), Recipe()
    depth = depth_of(model.config.num_hidden_layers, recipe.pooled)
    readings = Reader(model, depth, "smol", None, recipe.pooled).read(prompts)
    language = fit_language(readings, labelled(labels, len(categories)), room_of(model), depth, recipe)
    book = Codebook().extended(categories, tokenizer)
    grounds = Grounds(smol_base, smol_prepared, tuple(book.code(category) for category in categories))
    assert language.pooling is not None
    exact = language.pooling.features(readings) @ language.pooling.rows.T

    def moved(shown: Sequence[Prompt]) -> float:
        """How far int8 moves a score, on average; scores count from each text's own mean."""
        with TemporaryDirectory(dir=tmp_path) as name:
            made = Path(name, "made")
            export(language, grounds, Forms("int8"), shown, ModelFolder(made), recipe)
            with EmbeddedEngine(made / "ct2", 1) as engine:
                answers = engine.code_logprobs(prompts, grounds.codes)
        off = answers - exact
        return float(np.abs(off - off.mean(axis=1, keepdims=True)).mean())

    assert moved(prompts) < 0.7 * moved([])
