"""A base read and made alike without torch: the same numbers as torch's, weight by weight and position by position."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.model.base_file import BaseFile, find_base
from daemon.model.engines.engine import ModelRefused
from daemon.model.prompt import PromptSettings, Renderer
from tests import ROOT
from tests.tiny_models import ARCHITECTURES, save_folder, save_gguf, tiny_model
from trainer.base_tokenizer import UnknownTokenizer, tokenizer_of
from trainer.export.office_mail import office_mail
from trainer.export.reader_export import prepare_reader, smoothed
from trainer.export.smoothing import smooth
from trainer.finetune.decoder import Decoder, Geometry
from trainer.finetune.loading import load_base, quiet
from trainer.prepare import PreparedBase, prepare_base
from trainer.recipe import Rounding

pytestmark = pytest.mark.model

LAYERS = {"gemma3": 7}
ODD = "中文 😀 don't  \n\n<|im_start|> <think> <bos> 4711\tend  "
STRANGE = [MailText(subject="½ ١٢٣", body=ODD + "an order of paper\n" * 12), *office_mail()[:4]]


class Both:
    """One base, prepared by us and loaded by torch."""

    def __init__(self, architecture: str, folder: Path) -> None:
        self.depth = LAYERS.get(architecture, 3)
        self.base: BaseFile = find_base(save_gguf(tiny_model(architecture, self.depth), folder / "base.gguf"))
        self.prepared: PreparedBase = prepare_base(self.base, folder / "cache")
        renderer = Renderer(Tokenizer.from_file(str(self.prepared.tokenizer)), PromptSettings(max_tokens=128))
        self.prompts = [renderer.render(mail).ids for mail in STRANGE]

    def decoder(self) -> Decoder:
        return Decoder(self.prepared.weights(), self.prepared.config, self.depth)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(request.param, tmp_path_factory.mktemp(request.param))


def test_states_are_those_of_torch(both: Both) -> None:
    model = load_base(both.prepared.whole())
    model.model.norm = torch.nn.Identity()
    decoder = both.decoder()
    for ids in both.prompts:
        with torch.no_grad():
            wanted = model.model(input_ids=torch.tensor([list(ids)]), use_cache=False).last_hidden_state[0].numpy()
        assert np.abs(decoder.states(ids) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_channels_are_made_as_alike_as_by_torch(both: Both) -> None:
    model, decoder, recipe = load_base(both.prepared.whole()), both.decoder(), Rounding()
    smooth(model, both.prompts, recipe)
    before = {name: values.copy() for layer in decoder.layers for name, values in layer.items()}
    smoothed(decoder, both.prompts, recipe)
    state = model.state_dict()
    for number, layer in enumerate(decoder.layers):
        for name, values in layer.items():
            wanted = state[f"model.layers.{number}.{name}"].numpy()
            assert np.abs(values - wanted).max() < 1e-4 * max(np.abs(wanted).max(), 1), name
    assert np.abs(decoder.layers[-1]["mlp.down_proj.weight"] - before["mlp.down_proj.weight"]).max() > 0.01


def test_a_gguf_file_is_read_as_transformers_reads_it(both: Both) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place: dict[str, Any] = {"gguf_file": both.base.path.name, "local_files_only": True}
    with quiet():
        theirs = AutoTokenizer.from_pretrained(both.base.path.parent, **place).backend_tokenizer
    ours = Tokenizer.from_file(str(both.prepared.tokenizer))
    for mail in STRANGE:
        assert ours.encode(mail.body).ids == theirs.encode(mail.body).ids
    if both.base.architecture == "qwen3":
        return  # whose heads it takes to be 128 wide; what the weights are is held to the model in test_bases.py
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(both.base.path.parent, dtype=torch.float32, **place)
    weights, state = both.prepared.weights(), model.state_dict()
    assert set(state) - set(weights.shapes) <= {"lm_head.weight"}
    for name in weights.shapes:
        assert np.array_equal(weights.get(name), state[name].numpy()), name


def test_smollm2_is_read_without_torch_and_within_memory(tmp_path: Path) -> None:
    """Prepared, and its reader made, in a process that cannot import torch."""
    script = f"""
import re, sys
sys.modules.update(dict.fromkeys({TORCH!r}))
from pathlib import Path
from daemon.model.base_file import find_base
from trainer.export.reader_export import prepare_reader
from trainer.prepare import prepare_base
from trainer.recipe import Rounding
cache = Path({str(tmp_path)!r})
prepare_reader(prepare_base(find_base(), cache), 6, "int8", cache, Rounding())
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""
    environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as the daemon starts a trainer
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 500
    assert [file.name for file in tmp_path.glob("base-*/*.safetensors")] == []


TORCH = ("torch", "transformers", "peft", "accelerate", "safetensors")


def test_a_folder_in_sixteen_bits_is_read_as_float32(tmp_path: Path) -> None:
    model = tiny_model("llama").to(torch.bfloat16)
    base = find_base(save_folder(model, tmp_path / "base"))
    weights = prepare_base(base, tmp_path / "cache").weights()
    for name, wanted in model.state_dict().items():
        if name in weights.shapes:
            assert np.array_equal(weights.get(name), wanted.float().numpy()), name


@pytest.mark.parametrize("way", ["yarn", "llama3"])
def test_a_file_whose_positions_are_scaled_is_refused_as_a_folder_is(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gguf.GGUFWriter.add_file_type

    def scaled(writer: gguf.GGUFWriter, kind: Any) -> None:
        real(writer, kind)
        if way == "yarn":
            writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        else:
            writer.add_tensor("rope_freqs.weight", np.ones(8, np.float32))

    monkeypatch.setattr(gguf.GGUFWriter, "add_file_type", scaled)
    base = find_base(save_gguf(tiny_model("llama"), tmp_path / "base.gguf"))
    with pytest.raises(ModelRefused, match=rf"positions are scaled \({way}\)"):
        prepare_base(base, tmp_path / "cache")


def test_what_is_not_known_is_refused_in_words(tmp_path: Path, tiny_prepared: PreparedBase) -> None:
    with pytest.raises(ModelRefused, match=r"positions are scaled \(yarn\)"):
        Geometry.of({**tiny_prepared.config, "rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}})
    with pytest.raises(ModelRefused, match=r"model\.layers\.99\.x is missing"):
        tiny_prepared.weights().get("model.layers.99.x")

    class Said:
        def __init__(self, value: Any) -> None:
            self.value = value

        def contents(self) -> Any:
            return self.value

    header = {"tokenizer.ggml.model": Said("t5"), "tokenizer.ggml.tokens": Said(["a"])}
    with pytest.raises(UnknownTokenizer, match="a tokenizer 't5' that splits text by 'default'"):
        tokenizer_of(header)
    strange = PreparedBase(tiny_prepared.folder, tiny_prepared.base)
    object.__setattr__(strange, "config", {**tiny_prepared.config, "model_type": "unheard"})
    with pytest.raises(ModelRefused, match="no conversion is known for unheard"):
        prepare_reader(strange, 2, "int8", tmp_path, Rounding())
