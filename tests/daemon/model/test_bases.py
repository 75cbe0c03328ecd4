"""Every kind of base model, from a GGUF file and from a folder: read rightly, and served alike by every engine's form.

A tiny random model of each architecture carries what can be lost on the way: biases, norms, a window, a rotation. The
prompts are longer than Gemma's window. Special tokens, odd characters and thinking blocks lie in the mail.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.model.base_file import find_base
from daemon.model.codebook import code_token, usable_codes
from daemon.model.engines.embedded import EmbeddedEngine
from daemon.model.engines.engine import ModelRefused
from daemon.model.prompt import Prompt, PromptSettings, Renderer
from tests.model_fixtures import Trained, trained
from tests.tiny_models import ARCHITECTURES, save_folder, save_gguf, tiny_model
from tests.trainer.test_export import llama
from trainer.export.exporting import export_ct2, export_gguf
from trainer.prepare import PreparedBase, check_window, prepare_base

pytestmark = pytest.mark.model

MAILS = [
    MailText(
        subject="Invoice 4711", body="Please pay 12,50 € until ½ May. 中文 😀 مرحبا " + "an order of paper\n" * 12
    ),
    MailText(
        sender="Ann <ann@example.org>", subject="<|im_start|> <bos> AA", body="<think></think> <end_of_turn> " * 9
    ),
    MailText(),
]
LAYERS = {"gemma3": 7}


class Base:
    """One architecture: the model itself, and how it was prepared from its file."""

    def __init__(self, architecture: str, kind: str, folder: Path) -> None:
        self.architecture = architecture
        self.model = tiny_model(architecture, LAYERS.get(architecture, 3))
        self.source = (
            save_gguf(self.model, folder / "base.gguf") if kind == "gguf" else save_folder(self.model, folder / "base")
        )
        self.base = find_base(self.source)
        self.prepared: PreparedBase = prepare_base(self.base, folder / "cache")

    @property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.from_file(str(self.prepared.tokenizer))

    def prompts(self, max_tokens: int = 128) -> list[Prompt]:
        renderer = Renderer(self.tokenizer, PromptSettings(max_tokens=max_tokens))
        return [renderer.render(mail) for mail in MAILS]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def from_gguf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base(request.param, "gguf", tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def disturbed(from_gguf: Base, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    layers = LAYERS.get(from_gguf.architecture, 3) - 1
    return trained(from_gguf.base, from_gguf.prepared, tmp_path_factory.mktemp("trained"), layers)


def logits(model: Any, prompt: Prompt) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([prompt.ids])).logits[0, -1]
    return found


def loaded(prepared: PreparedBase) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(prepared.whole(), dtype=torch.float32).eval()


def test_what_training_loads_from_a_gguf_file_is_the_model(from_gguf: Base) -> None:
    assert from_gguf.base.architecture == from_gguf.architecture
    assert from_gguf.base.license == "apache-2.0"
    model = loaded(from_gguf.prepared)
    for prompt in from_gguf.prompts():
        assert torch.allclose(logits(model, prompt), logits(from_gguf.model, prompt), atol=1e-3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_training_loads_from_a_folder_is_the_model(architecture: str, tmp_path: Path) -> None:
    base = Base(architecture, "folder", tmp_path)
    assert base.base.architecture == architecture
    assert base.tokenizer.to_str() == Tokenizer.from_file(str(base.source / "tokenizer.json")).to_str()
    model = loaded(base.prepared)
    for prompt in base.prompts():
        assert torch.allclose(logits(model, prompt), logits(base.model, prompt), atol=1e-4)


def test_llama_cpp_reads_the_same_tokens_and_computes_the_same(from_gguf: Base) -> None:
    with llama(from_gguf.source) as server:
        for prompt in from_gguf.prompts():
            shown = asked(server, prompt)
            expected = torch.log_softmax(logits(from_gguf.model, prompt), -1)
            assert max(abs(row["logprob"] - float(expected[row["id"]])) for row in shown) < 0.05


def asked(server: Any, prompt: Prompt) -> list[dict[str, Any]]:
    """The likeliest tokens, after the prompt as text; its count of tokens must be ours."""
    question = {"prompt": prompt.text, "n_predict": 1, "n_probs": 20, "temperature": 0.0, "cache_prompt": False}
    answer = server.handle_completions(question)
    assert answer["usage"]["prompt_tokens"] == len(prompt.ids)
    rows: list[dict[str, Any]] = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return rows


def test_both_exported_forms_answer_like_the_trained_weights(
    from_gguf: Base, disturbed: Trained, tmp_path: Path
) -> None:
    codes = list(islice(usable_codes(from_gguf.tokenizer), 30))
    ids = [token for code in codes if (token := code_token(code, from_gguf.tokenizer)) is not None]
    prompts = from_gguf.prompts(64)  # no longer than Gemma's window, as `check_window` sees to
    expected = np.stack([torch.log_softmax(logits(disturbed.model, each)[ids], -1).numpy() for each in prompts])
    for kind, tolerance in (("float32", 1e-3), ("int8", 0.2)):
        folder = export_ct2(disturbed.folder, tmp_path / kind, kind, codes)  # type: ignore[arg-type]
        with EmbeddedEngine(folder, 1) as engine:
            served = engine.code_logprobs(prompts, codes)
        assert np.abs(np.exp(served) - np.exp(expected)).max() < tolerance, kind
    path = export_gguf(from_gguf.base, disturbed.model.state_dict(), tmp_path / "model.gguf", "F32")
    with llama(path) as server:
        for prompt in prompts:
            true = torch.log_softmax(logits(disturbed.model, prompt), -1)
            assert max(abs(row["logprob"] - float(true[row["id"]])) for row in asked(server, prompt)) < 0.05


def test_mail_holds_no_special_token_whatever_it_says(from_gguf: Base) -> None:
    added = from_gguf.tokenizer.get_added_tokens_decoder()
    special = {token for token, entry in added.items() if len(entry.content) > 1}
    start = [from_gguf.tokenizer.token_to_id("<bos>")] if from_gguf.architecture == "gemma3" else []
    for prompt in from_gguf.prompts():
        assert [token for token in prompt.ids if token in special] == start


def test_a_window_shorter_than_the_prompts_is_refused_before_training(from_gguf: Base) -> None:
    check_window(from_gguf.prepared, 64)
    if from_gguf.architecture != "gemma3":
        return check_window(from_gguf.prepared, 4096)
    with pytest.raises(ModelRefused, match="looks back 64 tokens only, and max_tokens is 65"):
        check_window(from_gguf.prepared, 65)
    return None
