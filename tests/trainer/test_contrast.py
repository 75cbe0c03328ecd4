"""Tuning by likeness: the loss, what a step draws, and that it learns what no mean of words tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.lessons import labelled
from tests.tiny_models import tiny_qwen3
from trainer.finetune import contrast as contrasting
from trainer.finetune import upper
from trainer.finetune.contrast import Likening, contrast, draws, likeness
from trainer.finetune.descent import Descent
from trainer.finetune.exact_reading import Reader
from trainer.finetune.heads import fit_head
from trainer.finetune.pooling import fit_space
from trainer.finetune.upper import TunedLayers
from trainer.recipe import Questions, Recipe

pytestmark = pytest.mark.model
DEPTH = 2
QUESTIONS = Questions()
SMALL = Recipe(questions=Questions(lowest=0, depth=DEPTH, hidden=0.0))


def order_matters(count: int, seed: int = 1) -> tuple[list[list[int]], Any]:
    """Prompts whose class is which of two tokens comes first: the mean of the words says nothing about it."""
    random = np.random.default_rng(seed)
    prompts, labels = [], []
    for _ in range(count):
        words = random.integers(20, 120, size=random.integers(4, 9)).tolist()
        first, second = sorted(random.choice(len(words) + 2, size=2, replace=False).tolist())
        label = int(random.integers(2))
        words.insert(first, 200 if label else 201)
        words.insert(second, 201 if label else 200)
        prompts.append([*words, 7])
        labels.append(label)
    return prompts, np.array(labels, np.int64)


def test_the_loss_is_lowest_where_each_category_lies_together() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    together = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    across = together[[0, 2, 1, 3]]
    # Cosine 1 with its own, 0 with the two others, at temperature 0.1.
    assert likeness(together, labels, 0.1).item() == pytest.approx(np.log1p(2 * np.exp(-10)), abs=1e-6)
    assert likeness(across, labels, 0.1).item() > 10
    every = likeness(torch.ones(4, 2), labels, 0.1).item()
    assert every == pytest.approx(np.log(3)), "none told apart: a third for each of the others"


def test_a_step_draws_all_categories_alike_and_a_small_one_twice() -> None:
    labels = np.array([0] * 40 + [1] * 3 + [2] * 7)
    learnt = np.flatnonzero(np.arange(50) != 41)
    steps = draws(labels, learnt, [20] * 50, np.random.default_rng(1), QUESTIONS)
    assert len(steps) == QUESTIONS.tokens // (48 * 20)
    for rows in steps:
        assert np.bincount(labels[rows]).tolist() == [16, 16, 16]
        assert 41 not in rows, "a lesson that is held out"
    assert len(set(steps[0][labels[steps[0]] == 0])) == 16, "none twice where there are enough"


def test_many_categories_come_in_turn() -> None:
    labels = np.arange(300) % 100
    steps = draws(labels, np.arange(300), [50] * 300, np.random.default_rng(1), QUESTIONS)
    assert all(len(np.unique(labels[rows])) == 24 and len(rows) == 48 for rows in steps)
    seen = np.bincount(labels[np.concatenate(steps)], minlength=100)
    assert seen.max() - seen.min() <= 2


def tuned(folder: Path, seed: int = 1, recipe: Recipe = SMALL) -> TunedLayers:
    prompts, labels = order_matters(320)
    task = Likening(prompts, labels, np.arange(240), seed)
    found = contrast(tiny_qwen3(), task, folder, recipe, lambda _done, _total: None)
    assert found is not None
    return found


def right(means: Any, labels: Any) -> float:
    """The share of the last eighty rows that a head on the others gets right."""
    features = fit_space(means[:240], labels[:240], SMALL.pooled).features(means)
    head = fit_head(features[:240], labelled(labels, 2), np.arange(240), 10.0)
    return float((head.logprobs(features[240:]).argmax(axis=1) == labels[240:]).mean())


def test_it_learns_what_no_mean_of_words_tells(tmp_path: Path) -> None:
    prompts, labels = order_matters(320)
    rows: Any = [type("Ids", (), {"ids": tuple(prompt)})() for prompt in prompts]
    before = Reader(tiny_qwen3(), DEPTH, "tiny", None, SMALL.pooled).read(rows)
    found = tuned(tmp_path / "lora")
    assert right(found.readings.means, labels) > right(before.means, labels) + 0.1
    assert {path.name for path in (tmp_path / "lora").iterdir()} >= {"adapter_model.safetensors", "adapter_config.json"}
    model = tiny_qwen3()
    model.load_state_dict(found.layers, strict=False)
    merged = Reader(model, DEPTH, "tuned", None, SMALL.pooled).read(rows)
    # The states between are kept in half precision.
    np.testing.assert_allclose(found.readings.means, merged.means, atol=0.02)


def test_it_is_the_same_twice_with_words_hidden(tmp_path: Path) -> None:
    recipe = replace(SMALL, questions=replace(SMALL.questions, tokens=4000, hidden=0.1))
    one, two = (tuned(tmp_path / name, recipe=recipe) for name in ("one", "two"))
    assert all(torch.equal(one.layers[name], two.layers[name]) for name in one.layers)
    other = tuned(tmp_path / "other", seed=2, recipe=recipe)
    assert any(not torch.equal(one.layers[name], other.layers[name]) for name in one.layers)


def test_a_loss_that_is_no_number_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, labels = order_matters(40)
    monkeypatch.setattr(contrasting, "likeness", lambda *_: torch.tensor(float("nan"), requires_grad=True))
    task = Likening(prompts, labels, np.arange(40), 1)
    assert contrast(tiny_qwen3(), task, tmp_path / "lora", SMALL, lambda *_: None) is None
    assert not (tmp_path / "lora").exists()


@pytest.mark.parametrize("steps", [1, 2, 8, 9, 10, 100])
def test_the_rate_goes_up_and_down_over_any_number_of_steps(steps: int) -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    descent = Descent([parameter], 1.0, steps)
    schedule = descent.schedule
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        assert descent.step((parameter**2).sum())
    assert max(rates) == pytest.approx(1.0, rel=0.2) or steps < 10
    assert schedule.get_last_lr()[0] < 0.01


def test_lessons_that_it_does_not_learn_are_read_and_forgotten(tmp_path: Path) -> None:
    prompts, _ = order_matters(40)
    tuned_layers = upper.Upper(tiny_qwen3(), prompts, Questions(lowest=1, depth=DEPTH))
    tuned_layers.read_lower(np.arange(10))
    calls: list[int] = []
    readings = tuned_layers.merge(tmp_path / "lora", lambda: calls.append(1)).readings
    assert len(readings.means) == 40
    assert [len(state) > 0 for state in tuned_layers.states] == [True] * 10 + [False] * 30
    assert len(calls) >= 3, "a time limit is heard of"
