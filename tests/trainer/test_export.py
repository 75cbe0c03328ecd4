"""Each exported form, served by its engine, gives the trained weights' probabilities.

Tolerances: CTranslate2's in probability, GGUF's in its natural logarithm. float32 is exact but for the order of sums.
Q8_0 and int8 round weights (int8 activations too); random models are the worst case, for nothing in them is redundant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import xllamacpp

from connectors.base import MailText
from daemon.model.base_file import BaseFile
from daemon.model.codebook import code_token, usable_codes
from daemon.model.engines.embedded import EmbeddedEngine
from daemon.model.engines.engine import Floats, ModelRefused
from daemon.model.prompt import Prompt, PromptSettings, Renderer
from tests.model_fixtures import Trained
from trainer.export.exporting import export_ct2, export_gguf
from trainer.prepare import PreparedBase, prepare_base

pytestmark = pytest.mark.model

MAILS = [
    MailText(subject="Invoice 4711", body="Please pay 12,50 € until ½ May."),
    MailText(sender="Ann <ann@example.org>", subject="<|im_start|> AA", body="an order of paper\n" * 60),
    MailText(body="中文邮件 😀"),
]


@pytest.fixture(params=["tiny_trained", "smol_trained"])
def trained(request: pytest.FixtureRequest) -> Trained:
    model: Trained = request.getfixturevalue(request.param)
    return model


def prompts_and_codes(trained: Trained, codes: int = 30) -> tuple[list[Prompt], list[str], list[int]]:
    tokenizer = trained.tokenizer
    renderer = Renderer(tokenizer, PromptSettings(max_tokens=128))
    chosen = list(islice(usable_codes(tokenizer), codes))
    ids = [token for code in chosen if (token := code_token(code, tokenizer)) is not None]
    return [renderer.render(mail) for mail in MAILS], chosen, ids


def true_logits(trained: Trained, prompt: Prompt) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = trained.model(torch.tensor([prompt.ids])).logits[0, -1]
    return logits


def true_logprobs(trained: Trained, prompts: list[Prompt], ids: list[int]) -> Floats:
    rows = [torch.log_softmax(true_logits(trained, prompt)[ids], -1).numpy() for prompt in prompts]
    return np.stack(rows)


@contextmanager
def llama(path: Path) -> Iterator[Any]:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = 512
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
    parameters.warmup = False
    parameters.verbosity = -1
    yield xllamacpp.Server(parameters)


@pytest.mark.parametrize(("quantization", "tolerance"), [("float32", 1e-4), ("int8", 0.2)])
def test_the_ctranslate2_form_answers_like_the_trained_weights(
    trained: Trained, tmp_path: Path, quantization: Any, tolerance: float
) -> None:
    prompts, codes, ids = prompts_and_codes(trained)
    with EmbeddedEngine(export_ct2(trained.folder, tmp_path / "ct2", quantization, codes), threads=2) as engine:
        served = engine.code_logprobs(prompts, codes)
    assert np.abs(np.exp(served) - np.exp(true_logprobs(trained, prompts, ids))).max() < tolerance


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("F32", 0.02), ("F16", 0.05), ("Q8_0", 0.5), ("Q5_1", 2), ("Q5_0", 2), ("Q4_1", 2.5), ("Q4_0", 4)],
)
def test_the_gguf_form_reads_the_same_tokens_and_answers_like_the_trained_weights(
    trained: Trained, tmp_path: Path, kind: Any, tolerance: float
) -> None:
    path = export_gguf(trained.base, trained.model.state_dict(), tmp_path / "model.gguf", kind)
    prompts, _, _ = prompts_and_codes(trained)
    with llama(path) as server:
        for prompt in prompts:
            answer = server.handle_completions(
                {"prompt": prompt.text, "n_predict": 1, "n_probs": 20, "temperature": 0.0, "cache_prompt": False}
            )
            assert answer["usage"]["prompt_tokens"] == len(prompt.ids)
            expected = torch.log_softmax(true_logits(trained, prompt), -1)
            shown = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            assert max(abs(row["logprob"] - float(expected[row["id"]])) for row in shown) < tolerance


def test_dropped_layers_and_an_untied_head_are_in_both_forms(tiny_trained: Trained, tmp_path: Path) -> None:
    path = export_gguf(tiny_trained.base, tiny_trained.model.state_dict(), tmp_path / "model.gguf")
    reader = gguf.GGUFReader(path)
    names = {tensor.name for tensor in reader.tensors}
    assert reader.fields["qwen3.block_count"].contents() == 2
    assert "output.weight" in names
    assert not any(name.startswith("blk.2.") for name in names)


def test_tensors_that_training_did_not_touch_stay_bit_for_bit(
    smol_base: BaseFile, smol_prepared: PreparedBase, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    state = load_file(smol_prepared.whole() / "model.safetensors")
    touched = "model.layers.3.mlp.up_proj.weight"
    state[touched] = state[touched] * 1.5
    path = export_gguf(smol_base, state, tmp_path / "model.gguf")
    old = {tensor.name: tensor for tensor in gguf.GGUFReader(smol_base.path).tensors}
    new = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    changed = [name for name in old if not np.array_equal(old[name].data, new[name].data)]
    assert changed == ["blk.3.ffn_up.weight"]
    assert new["blk.3.ffn_up.weight"].tensor_type is gguf.GGMLQuantizationType.Q8_0
    assert set(new) == set(old)


def test_shapes_tokenizer_and_licence_of_the_base_survive(tiny_trained: Trained, tmp_path: Path) -> None:
    path = export_gguf(tiny_trained.base, tiny_trained.model.state_dict(), tmp_path / "model.gguf")
    old, new = gguf.GGUFReader(tiny_trained.base.path).fields, gguf.GGUFReader(path).fields
    of_the_weights = {"qwen3.block_count", "general.name", "general.file_type"}
    kept = {name for name in old if not name.startswith("GGUF.")} - of_the_weights
    assert {name: new[name].contents() for name in kept} == {name: old[name].contents() for name in kept}


@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"])
def test_the_header_says_what_the_file_is(trained: Trained, tmp_path: Path, kind: Any) -> None:
    path = export_gguf(trained.base, trained.model.state_dict(), tmp_path / "model.gguf", kind)
    reader = gguf.GGUFReader(path)
    told = {name: field.contents() for name, field in reader.fields.items() if name.startswith("general.")}
    kinds = [tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) > 1]
    assert set(kinds) == {kind}
    weights = sum(int(tensor.n_elements) for tensor in reader.tensors)
    parent = gguf.GGUFReader(trained.base.path).fields["general.name"].contents()
    named = "ALL_F32" if kind == "F32" else f"MOSTLY_{kind}"
    assert told["general.file_type"] == gguf.LlamaFileType[named]
    assert told["general.quantization_version"] == gguf.GGML_QUANT_VERSION
    assert told["general.parameter_count"] == weights
    assert told["general.size_label"] == gguf.size_label(weights, weights, 0, 0)
    assert told["general.name"] == f"Postroom, grown from {parent}"
    assert told["general.base_model.0.name"] == parent
    assert "general.finetune" not in told, "which was the base's"
    architecture = told["general.architecture"]
    layers = {tensor.name.split(".")[1] for tensor in reader.tensors if tensor.name.startswith("blk.")}
    assert reader.fields[f"{architecture}.block_count"].contents() == len(layers)


def test_a_file_of_several_types_is_called_by_the_one_that_most_weights_have(
    smol_base: BaseFile, smol_prepared: PreparedBase, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    state = load_file(smol_prepared.whole() / "model.safetensors")
    state["model.layers.3.mlp.up_proj.weight"] *= 1.5
    for kind, whole, expected in (
        ("F16", False, "MOSTLY_Q4_1"),
        ("F16", True, "MOSTLY_F16"),
        ("Q4_0", False, "MOSTLY_Q4_0"),
    ):
        path = export_gguf(smol_base, state, tmp_path / "model.gguf", kind, whole=whole)  # type: ignore[arg-type]
        reader = gguf.GGUFReader(path)
        assert reader.fields["general.file_type"].contents() == gguf.LlamaFileType[expected]
        kinds = {tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) > 1}
        assert kinds == {"F16"} if whole else kind in kinds
    assert kinds == {"Q4_0"}, "what took more room than was asked for is rounded as well"


def test_a_tensor_without_a_place_in_the_base_is_refused(tiny_base: BaseFile, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"no place for model\.extra"):
        export_gguf(tiny_base, {"model.extra.weight": torch.zeros(2, 2)}, tmp_path / "model.gguf")


def test_a_code_that_is_not_one_token_is_refused(tiny_trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="Invoices"):
        export_ct2(tiny_trained.folder, tmp_path / "ct2", codes=["AB", "Invoices"])


def test_preparing_twice_converts_once(tiny_base: BaseFile, tmp_path: Path) -> None:
    first = prepare_base(tiny_base, tmp_path)
    made = (first.whole() / "model.safetensors").stat().st_mtime_ns
    assert prepare_base(tiny_base, tmp_path) == first
    assert (first.whole() / "model.safetensors").stat().st_mtime_ns == made
    assert [path.name for path in tmp_path.iterdir()] == [first.folder.name]


def test_a_directory_in_hugging_face_form_is_a_base_as_well(tiny_trained: Trained, tmp_path: Path) -> None:
    from daemon.model.base_file import find_base

    base = find_base(tiny_trained.folder)
    prepared = prepare_base(base, tmp_path)
    assert base.architecture == "qwen3"
    assert prepared.tokenizer.read_text() == (tiny_trained.folder / "tokenizer.json").read_text()
    with pytest.raises(ModelRefused, match="GGUF form"):
        export_gguf(base, {}, tmp_path / "model.gguf")
