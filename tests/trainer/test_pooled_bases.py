"""The pooled model of every kind of base: what was fitted in closed form is what torch, CTranslate2 and llama.cpp
compute from the written files.

Beside the tiny models: two layers with the true widths of Qwen3 0.6B.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from daemon.model.base_file import find_base
from daemon.model.codebook import Codebook, code_token
from daemon.model.engines.embedded import EmbeddedEngine
from daemon.model.engines.serving import Forms
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt, PromptSettings, Renderer
from tests.daemon.model.test_bases import asked
from tests.lessons import lessons_of, office_rows
from tests.tiny_models import ARCHITECTURES, REAL_SHAPES, save_gguf, tiny_model
from tests.trainer.test_export import llama
from trainer.candidates.pooled import LanguageModel, depth_of, fit_language
from trainer.candidates.whole_model import export
from trainer.context import Grounds
from trainer.finetune.exact_reading import Reader
from trainer.finetune.loading import load_base
from trainer.finetune.pooling_layer import room_of
from trainer.finetune.reading import Readings
from trainer.prepare import prepare_base
from trainer.recipe import Recipe

pytestmark = [
    pytest.mark.model,
    # peft 0.21 asks transformers 5.23 by an old name.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

# Gemma's window in the tiny models; `check_window` refuses longer prompts.
TOKENS = 64
# Eight of Gemma's: the seventh, which becomes the pooling layer, is one with a window, behind one without.
LAYERS = {"gemma3": 8, "llama": 3, "qwen2": 2, "qwen3": 3} | dict.fromkeys(REAL_SHAPES, 2)


@dataclass(frozen=True)
class Pooled:
    """A pooled model with changed lower layers, fitted and exported in every form at full precision."""

    folder: Path
    prompts: list[Prompt]
    codes: list[str]
    tokens: list[int]
    wanted: np.ndarray[Any, Any]
    """Log-probabilities over the codes, by the closed form."""


@pytest.fixture(scope="module", params=[*ARCHITECTURES, *REAL_SHAPES])
def pooled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pooled:
    place = tmp_path_factory.mktemp(request.param)
    base = find_base(save_gguf(tiny_model(request.param, LAYERS[request.param]), place / "base.gguf"))
    prepared = prepare_base(base, place / "cache")
    lessons = replace(lessons_of(office_rows(36)), folds=())
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    renderer = Renderer(tokenizer, PromptSettings(max_tokens=TOKENS))
    prompts = [renderer.render(text) for text in lessons.texts]
    assert TOKENS - 1 <= max(len(prompt.ids) for prompt in prompts) <= TOKENS
    model, recipe = load_base(prepared.whole()), Recipe()
    depth, room = depth_of(model.config.num_hidden_layers, recipe.pooled), room_of(model)
    layers = disturbed(model, depth)
    model.load_state_dict(layers, strict=False)
    readings = Reader(model, depth, "tuned", None, recipe.pooled).read(prompts)
    language = replace(fit_language(readings, lessons, room, depth, recipe), layers=layers)
    book = Codebook().extended(lessons.categories, tokenizer)
    codes = [book.code(category) for category in lessons.categories]
    forms = Forms("float32", "float32", gguf="F32", safetensors=True)
    export(language, Grounds(base, prepared, tuple(codes)), forms, [], ModelFolder(place / "made"), recipe)
    tokens = [token for code in codes if (token := code_token(code, tokenizer)) is not None]
    chosen = [0, 7, 33]
    return Pooled(
        place / "made", [prompts[row] for row in chosen], codes, tokens, closed_form(language, readings)[chosen]
    )


def disturbed(model: Any, depth: int) -> dict[str, torch.Tensor]:
    """The lower layers as tuning leaves them: a little moved."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: value + 0.05 * value.std() * torch.randn(value.shape, generator=generator)
        for name, value in model.state_dict().items()
        if name.startswith("model.layers.") and int(name.split(".")[2]) < depth and name.endswith("_proj.weight")
    }


def closed_form(language: LanguageModel, readings: Readings) -> Any:
    scores = torch.from_numpy(language.pooling.features(readings) @ language.pooling.rows.T)
    return torch.log_softmax(scores, -1).numpy()


def test_every_form_computes_what_was_fitted(pooled: Pooled) -> None:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(pooled.folder / "hf", dtype=torch.float32).eval()
    with torch.no_grad():
        rows = [model(torch.tensor([prompt.ids])).logits[0, -1, pooled.tokens] for prompt in pooled.prompts]
    by_torch = torch.log_softmax(torch.stack(rows), -1).numpy()
    assert np.abs(by_torch - pooled.wanted).max() < 1e-3
    with EmbeddedEngine(pooled.folder / "ct2", 1) as engine:
        by_ctranslate2 = engine.code_logprobs(pooled.prompts, pooled.codes)
    assert np.abs(np.exp(by_ctranslate2) - np.exp(pooled.wanted)).max() < 1e-4
    with llama(pooled.folder / "gguf" / "model.gguf") as server:
        for prompt, wanted in zip(pooled.prompts, pooled.wanted, strict=True):
            shown = {row["id"]: row["logprob"] for row in asked(server, prompt)}
            assert set(pooled.tokens) <= set(shown), "a token that is no code crowds out one that is"
            scores = torch.log_softmax(torch.tensor([shown[token] for token in pooled.tokens]), -1).numpy()
            assert np.abs(scores - wanted).max() < 0.02
