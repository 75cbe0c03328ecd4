"""Both back ends of the training, for real: part of `make test`, which makes Unsloth's environment first.

A LoRA through Unsloth on this machine's CPU: its adapter loads into peft and answers as Unsloth's own process said it
does.
"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.model.base_file import find_base
from daemon.model.codebook import usable_codes
from daemon.model.prompt import PromptSettings, Renderer
from tests import ROOT
from tests.lessons import office_rows
from trainer.answer.adapters import read_adapter
from trainer.answer.answer_tree import after_prompt
from trainer.answer.answering import Limits, Task
from trainer.answer.backends import Work, fine_tune
from trainer.answer.scoring import score
from trainer.finetune.loading import load_base
from trainer.prepare import prepare_base
from trainer.recipe import Answer

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(1800)]
PYTHON = ROOT / ".venv-unsloth" / "bin" / "python"


def test_the_environment_that_make_unsloth_makes_holds_the_versions_that_the_extra_names() -> None:
    script = "import importlib.metadata as m; print(m.version('unsloth'))"
    assert subprocess.run([str(PYTHON), "-c", script], capture_output=True, text=True, check=True).stdout[:2] == "20"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = [line.split("==") for line in project["optional-dependencies"]["unsloth"]]
    script = "import importlib.metadata as m, sys; print(*(m.version(name).split('+')[0] for name in sys.argv[1:]))"
    asked = subprocess.run(
        [str(PYTHON), "-c", script, *(name for name, _ in pins)], capture_output=True, text=True, check=True
    )
    assert asked.stdout.split() == [version for _, version in pins]


def test_real_lora_through_unsloth_answers_the_same_in_peft(tmp_path: Path) -> None:
    prepared = prepare_base(find_base(), Path(".models"))
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    rows = office_rows(32)
    names = sorted({row["category"] for row in rows})
    codes = [code for code, _ in zip(usable_codes(tokenizer), names, strict=False)]
    renderer = Renderer(tokenizer, PromptSettings())
    task = Task(
        prompts=tuple(renderer.render(MailText(body=row["text"]["body"])).ids for row in rows),
        labels=tuple(names.index(row["category"]) for row in rows),
        weights=(1.0,) * len(rows),
        answers=after_prompt(codes, tokenizer),
        learnt=tuple(range(24)),
        validation=tuple(range(24, 32)),
        base=prepared.sha256,
        recipe=Answer(epochs=2, tuned_share=0.2),
    )
    asked = task.prompts[24:]
    seen: list[tuple[int, int]] = []
    work = Work(prepared, task, Limits(1), tmp_path / "out", tmp_path / "cache", asked)
    out = fine_tune("unsloth", work, lambda done, total: seen.append((done, total)), PYTHON)
    assert out.trained.losses[out.trained.best] < out.trained.losses[0]
    assert seen[-1][0] == seen[-1][1] > 1
    adapted = read_adapter(load_base(prepared.whole()), out.adapter)
    np.testing.assert_allclose(score(adapted, asked, task.answers), out.answers, atol=2e-3)
    plain = load_base(prepared.whole())
    plain.load_state_dict(out.layers, strict=False)
    np.testing.assert_allclose(score(plain, asked, task.answers), out.answers, atol=2e-3)
    assert {path.name for path in (tmp_path / "out").iterdir()}.isdisjoint({"task.json", "layers.safetensors"})
    assert list((tmp_path / "cache").glob("*")) == []
