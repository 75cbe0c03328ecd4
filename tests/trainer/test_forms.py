"""In which form a model is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.base import MailText
from daemon.model.engines.engine_kinds import KINDS, engine_from
from daemon.model.engines.serving import Forms
from daemon.model.prompt import PromptSettings, Renderer
from tests.model_fixtures import Trained
from trainer.export.exporting import write_for_vllm


@pytest.mark.parametrize(
    ("engine", "quantization", "gguf_base", "expected"),
    [
        ("embedded", "auto", True, Forms("int8", "int8", shared=True)),
        ("embedded", "int8", True, Forms("int8", "int8", shared=True)),
        ("embedded", "float32", True, Forms("float32", "float32", shared=True)),
        ("embedded", "int8_float32", False, Forms("int8_float32", "int8_float32", shared=True)),
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
