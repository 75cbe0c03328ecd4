"""In which form a model is written, and when int8 gives way to float32."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from connectors.base import MailText
from daemon.model.codebook import usable_codes
from daemon.model.engines.embedded import EmbeddedEngine
from daemon.model.engines.engine_kinds import KINDS, engine_from
from daemon.model.engines.serving import Forms
from daemon.model.prompt import PromptSettings, Renderer
from tests.model_fixtures import Trained
from trainer.export.exporting import export_ct2, write_for_vllm
from trainer.export.forms import exact_if_better, rounding_costs
from trainer.prepare import PreparedBase


@pytest.mark.parametrize(
    ("engine", "quantization", "gguf_base", "expected"),
    [
        ("embedded", "auto", True, Forms("int8", "int8", exact=True)),
        ("embedded", "int8", True, Forms("int8", "int8")),
        ("embedded", "float32", True, Forms("float32", "float32")),
        ("embedded", "int8_float32", False, Forms("int8_float32", "int8_float32")),
        ("ollama", "auto", True, Forms("q8_0", gguf="Q8_0")),
        ("ollama", "f16", True, Forms("f16", gguf="F16")),
        ("ollama", "q5_1", True, Forms("q5_1", gguf="Q5_1")),
        ("ollama", "q4_0", True, Forms("q4_0", gguf="Q4_0")),
        ("ollama", "q4_K_M", True, Forms("q4_K_M", gguf="F16", whole=True)),
        ("openai", "auto", True, Forms("f16", "float32", gguf="F16")),
        ("openai", "auto", False, Forms("float32", "float32", safetensors=True)),
        ("openai", "q8_0", True, Forms("q8_0", "float32", gguf="Q8_0")),
        ("openai", "float32", True, Forms("float32", "float32", safetensors=True)),
    ],
)
def test_each_engine_gets_its_forms(engine: str, quantization: str, gguf_base: bool, expected: Forms) -> None:
    assert engine_from({"kind": engine, "quantization": quantization}).serving().forms(gguf_base) == expected


def test_every_setting_has_a_form_that_its_engine_can_read() -> None:
    for engine, settings in KINDS.items():
        for quantization in settings.FORMS:
            forms = settings(quantization=quantization).serving().forms(gguf_base=True)
            assert engine == "embedded" or forms.gguf or forms.safetensors


def answers(*columns: int) -> np.ndarray:
    return np.log(np.eye(3, dtype=np.float32)[list(columns)] + 0.1)


def test_rounding_costs_only_what_is_more_than_chance() -> None:
    labels = np.array([0, 1, 2, 0, 1, -1])
    right = answers(0, 1, 2, 0, 1, 0)
    assert rounding_costs(right, right, labels) == 0
    assert rounding_costs(answers(1, 1, 2, 0, 1, 0), right, labels) == 0  # one lesson proves nothing
    assert rounding_costs(answers(1, 2, 2, 0, 1, 0), right, labels) == 2
    some = np.zeros(35, np.int64)  # an exam of 35 lessons: two lost are luck, three are not
    assert rounding_costs(answers(*[1] * 2, *[0] * 33), answers(*[0] * 35), some) == 0
    assert rounding_costs(answers(*[1] * 3, *[0] * 32), answers(*[0] * 35), some) == 3
    assert rounding_costs(right, answers(1, 2, 2, 0, 1, 0), labels) == 0
    many = np.zeros(400, np.int64)
    assert rounding_costs(answers(*[1] * 3, *[0] * 397), answers(*[0] * 400), many) == 0  # less than a hundredth
    assert rounding_costs(answers(*[1] * 4, *[0] * 396), answers(*[0] * 400), many) == 4
    assert rounding_costs(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), np.zeros(0, np.int64)) == 0


@pytest.mark.model
def test_a_form_that_costs_lessons_gives_way_and_says_so(
    tiny_trained: Trained, tiny_prepared: PreparedBase, tmp_path: Path
) -> None:
    codes = list(islice(usable_codes(tiny_trained.tokenizer), 8))
    renderer = Renderer(tiny_trained.tokenizer, PromptSettings(max_tokens=64))
    prompts = [renderer.render(MailText(subject=f"Order {number}", body="paper " * number)) for number in range(12)]
    # Rounding rarely costs anything, so the base before its training stands for a badly rounded form of the model.
    export_ct2(tiny_prepared.folder, tmp_path / "ct2", "int8", codes)
    exact = export_ct2(tiny_trained.folder, tmp_path / "exact", "float32", codes)
    with EmbeddedEngine(tmp_path / "ct2", 1) as rounded, EmbeddedEngine(exact, 1) as whole:
        worse, better = rounded.code_logprobs(prompts, codes), whole.code_logprobs(prompts, codes)
    kept, words = exact_if_better(tmp_path, exact, worse, worse.argmax(axis=1), prompts, codes, 1)
    assert (words, exact.is_dir()) == ("", True)
    assert kept is worse
    labels = better.argmax(axis=1)
    lost = int((worse.argmax(axis=1) != labels).sum())
    assert lost >= 2
    kept, words = exact_if_better(tmp_path, exact, worse, labels, prompts, codes, 1)
    assert words == f"It is kept in float32, because int8 had {lost} of 12 exam lessons fewer right."
    assert np.allclose(kept, better)
    assert ctranslate2.Generator(str(tmp_path / "ct2")).compute_type == "float32"
    with EmbeddedEngine(tmp_path / "ct2", 1) as engine:
        assert np.allclose(engine.code_logprobs(prompts, codes), better, atol=1e-5)


@pytest.mark.model
def test_the_folder_for_vllm_opens_by_itself(tiny_trained: Trained, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = write_for_vllm(tiny_trained.folder, tmp_path / "hf")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    renderer = Renderer(tiny_trained.tokenizer, PromptSettings(max_tokens=64))
    prompt = renderer.render(MailText(subject="½ 中文 <|im_start|>", body="an order of paper\n" * 9))
    assert tuple(tokenizer(prompt.text)["input_ids"]) == prompt.ids
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        found = model(torch.tensor([prompt.ids])).logits
        assert torch.allclose(found, tiny_trained.model(torch.tensor([prompt.ids])).logits, atol=1e-4)
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["Qwen3ForCausalLM"]
