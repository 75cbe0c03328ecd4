"""LoRA on the kept layers: it learns, it can be repeated, it changes what it says, and it knows when to give up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from daemon.training.order import LoraTried
from tests.tiny_models import tiny_qwen3
from trainer.candidates import tuning
from trainer.candidates.language import LanguageModel, fit_language
from trainer.candidates.tuning import Lessons, behind, fine_tune, worth_trying
from trainer.finetune.lora import Tuned, tune
from trainer.finetune.pooling import room_of
from trainer.finetune.reading import Reader

pytestmark = pytest.mark.model
DEPTH = 2


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


def start(prompts: list[list[int]], labels: Any, parts: Any) -> tuple[LanguageModel, Lessons]:
    model = tiny_qwen3()
    room = room_of(model)
    reader = Reader(model, DEPTH, "tiny", None)
    rows = [type("Ids", (), {"ids": tuple(prompt)})() for prompt in prompts]
    readings = reader.read(rows)
    weights = np.ones(len(labels), np.float32)
    begun = fit_language(readings, labels, weights, 2, parts, room, DEPTH)
    nobody = np.full((len(labels), 2), np.nan, np.float32)
    return begun, Lessons(readings, prompts, labels, weights, 2, parts, nobody, room)


def parts_of(count: int) -> Any:
    rows = np.arange(count)
    return [(rows[: count * 3 // 4], rows[count * 3 // 4 :])]


def tuned(folder: Path, seed: int = 1) -> Tuned | None:
    prompts, labels = order_matters(320)
    parts = parts_of(320)
    begun, lessons = start(prompts, labels, parts)
    (learnt, held_out) = parts[0]
    return tune(
        tiny_qwen3(), 0, DEPTH, begun.pooling, prompts, labels, lessons.weights, learnt, held_out, folder, seed,
        lambda _done, _total: None,
    )  # fmt: skip


def test_tuning_lowers_the_loss_on_mail_it_has_not_learnt_and_keeps_the_adapter(tmp_path: Path) -> None:
    found = tuned(tmp_path / "lora")
    assert found is not None
    assert found.loss < found.start_loss
    assert {path.name for path in (tmp_path / "lora").iterdir()} >= {"adapter_model.safetensors", "adapter_config.json"}
    assert {name.split(".")[2] for name in found.layers} == {"0", "1"}


def test_tuning_is_the_same_twice(tmp_path: Path) -> None:
    one, two = tuned(tmp_path / "one"), tuned(tmp_path / "two")
    assert one is not None
    assert two is not None
    assert one.loss == two.loss
    assert all(torch.equal(one.layers[name], two.layers[name]) for name in one.layers)


def test_readings_of_the_tuned_layers_are_those_of_the_merged_model(tmp_path: Path) -> None:
    found = tuned(tmp_path / "lora")
    assert found is not None
    model = tiny_qwen3()
    model.load_state_dict(found.layers, strict=False)
    prompts, _ = order_matters(320)
    rows = [type("Ids", (), {"ids": tuple(prompt)})() for prompt in prompts]
    readings = Reader(model, DEPTH, "tuned", None).read(rows)
    # The states between are kept in half precision.
    np.testing.assert_allclose(found.readings.means, readings.means, atol=0.02)


def no_better(lessons: Lessons) -> Tuned:
    return Tuned({"model.layers.0.mlp.up_proj.weight": torch.zeros(1)}, lessons.readings, 2, 0.7, 0.6)


@pytest.mark.parametrize(("found", "said"), [(lambda _: None, "LoRA got no better"), (no_better, "LoRA, 2 epochs")])
def test_start_is_kept_where_tuning_does_not_pay(
    found: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, labels = order_matters(60)
    begun, lessons = start(prompts, labels, parts_of(60))
    monkeypatch.setattr(tuning, "tune", lambda *_arguments: found(lessons))
    kept = fine_tune(tiny_qwen3(), begun, lessons, tmp_path / "lora", 1, lambda _done, _total: None)
    assert not kept.layers
    assert kept.pooling is begun.pooling
    assert said in kept.chosen


def test_time_limit_in_the_middle_leaves_no_adapter(tmp_path: Path) -> None:
    prompts, labels = order_matters(60)
    begun, lessons = start(prompts, labels, parts_of(60))

    def out_of_time(done: int, _total: int) -> None:
        if done == 2:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        fine_tune(tiny_qwen3(), begun, lessons, tmp_path / "lora", 1, out_of_time)
    assert not (tmp_path / "lora").exists()


@pytest.mark.parametrize(
    ("before", "newest", "worth"),
    [
        (None, 100, True),
        (LoraTried(newest=100, paid=True), 100, True),
        (LoraTried(newest=100, paid=False), 100, False),
        (LoraTried(newest=100, paid=False), 124, False),
        (LoraTried(newest=100, paid=False), 125, True),
    ],
)
def test_lora_that_did_not_pay_is_tried_again_on_enough_new_lessons(
    before: LoraTried | None, newest: int, worth: bool
) -> None:
    assert worth_trying(before, range(1, newest + 1)) is worth


@pytest.mark.parametrize(
    ("ours", "linear", "is_behind"),
    [(80, 90, True), (88, 90, False), (90, 90, False), (90, 80, False)],  # of 100 lessons, so many right
)
def test_lora_is_spared_where_the_start_is_behind_the_linear_model_by_more_than_luck(
    ours: int, linear: int, is_behind: bool
) -> None:
    labels = np.zeros(101, np.int64)

    def answers(right: int) -> Any:
        rows = np.tile(np.array([-2.0, -0.1], np.float32), (101, 1))
        rows[:right] = [-0.1, -2.0]
        return rows

    language, rival = answers(ours), answers(linear)
    language[100] = np.nan  # no fold judged it
    assert behind(language, rival, labels) is is_behind
    rival[:] = np.nan
    assert not behind(language, rival, labels), "nothing to compare"
