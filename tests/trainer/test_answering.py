"""LoRA where the answer stands: scored by the closed set, repeatable, resumable, bounded, and loadable by peft."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from daemon.model.codebook import usable_codes
from daemon.model.prompt import TAIL
from tests.tiny_models import tiny_qwen3, tiny_tokenizer
from trainer.answer.adapters import merged, read_adapter, with_lora
from trainer.answer.answer_tree import AnswerTree, after_prompt
from trainer.answer.answering import Limits, LossIsNotANumber, Task, Trained, train
from trainer.answer.backends import Work, fine_tune
from trainer.answer.scoring import score
from trainer.finetune.states import lower_states, split
from trainer.job import TrainingFailed
from trainer.recipe import Answer

pytestmark = pytest.mark.model
NAMES = ("car", "car wash", "garden", "garden lights", "gutters")
ONE = Limits(threads=1)
RECIPE = Answer(rank=8, rate=5e-3, epochs=3, tuned_share=0.67)


def nothing(_done: int, _total: int) -> None:
    """Nobody watches."""


def task_of(count: int = 90, answers: AnswerTree | None = None, **more: Any) -> Task:
    """Which of three words a prompt holds is its answer."""
    tokenizer, random = tiny_tokenizer(), np.random.default_rng(5)
    codes = [code for code, _ in zip(usable_codes(tokenizer), range(3), strict=False)]
    tail = tokenizer.encode(TAIL).ids
    prompts, labels = [], []
    for _ in range(count):
        label = int(random.integers(3))
        words = random.integers(20, 120, size=random.integers(3, 12)).tolist()
        words[int(random.integers(len(words)))] = 200 + label
        prompts.append((*words, *tail))
        labels.append(label)
    cut = count * 3 // 4
    return Task(
        tuple(prompts),
        tuple(labels),
        (1.0,) * count,
        answers or after_prompt(codes, tokenizer),
        tuple(range(cut)),
        tuple(range(cut, count)),
        recipe=RECIPE,
        **more,
    )


def trained(
    task: Task, scratch: Path, limits: Limits = ONE, tick: Callable[[int, int], None] = nothing
) -> tuple[Any, Trained]:
    model = with_lora(tiny_qwen3(), task.recipe, task.seed)
    return model, train(model, task, limits, scratch, scratch / "checkpoint.pt", tick)


def test_names_of_several_tokens_are_scored_as_if_each_were_read_alone() -> None:
    tree, model = after_prompt(NAMES, tiny_tokenizer()), tiny_qwen3()
    prompts = [[31, 44, 90, 17], [25, 26], [200] * 9]
    found = score(model, prompts, tree)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-4)
    for row, prompt in enumerate(prompts):
        for label, path in enumerate(tree.paths):
            with torch.inference_mode():
                logits = model(torch.tensor([[*prompt, *path]])).logits[0]
            alone = sum(
                float(torch.log_softmax(logits[len(prompt) - 1 + part.depth, list(part.choices)], 0)[part.right])
                for part in tree.partings[label]
            )
            assert found[row, label] == pytest.approx(alone, abs=2e-4)


def test_codes_are_the_softmax_over_the_codes_at_one_position() -> None:
    task, model = task_of(4), tiny_qwen3()
    tokens = [path[0] for path in task.answers.paths]
    assert task.answers.nodes == ()
    with torch.inference_mode():
        logits = torch.stack([model(torch.tensor([ids])).logits[0, -1, tokens] for ids in task.prompts])
    np.testing.assert_allclose(score(model, task.prompts, task.answers), torch.log_softmax(logits, 1), atol=1e-4)


def test_answers_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="same tokens"):
        after_prompt(["car", "car"], tiny_tokenizer())
    with pytest.raises(ValueError, match="beginning of another"):
        AnswerTree(((1, 2), (1, 2, 3)))


def test_training_learns_and_is_the_same_twice(tmp_path: Path) -> None:
    task = task_of()
    (one, first), (two, second) = trained(task, tmp_path), trained(task, tmp_path)
    assert first.losses == second.losses
    assert first.best > 0
    assert first.losses[first.best] < 0.8 * first.losses[0]
    np.testing.assert_array_equal(
        score(one, task.prompts[:5], task.answers), score(two, task.prompts[:5], task.answers)
    )


def test_names_are_learnt_by_the_same_loop(tmp_path: Path) -> None:
    task = task_of(answers=after_prompt(NAMES[:3], tiny_tokenizer()))
    model, found = trained(task, tmp_path)
    rows = list(task.validation)
    answers = score(model, [task.prompts[row] for row in rows], task.answers)
    right = [task.labels[row] for row in rows]
    # What the training called its loss is what scoring finds.
    assert -answers[np.arange(len(rows)), right].mean() == pytest.approx(found.losses[found.best], abs=1e-3)
    assert found.losses[found.best] < found.losses[0]


def test_killed_training_goes_on_and_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    task = replace(task_of(), recipe=replace(RECIPE, checkpoint_s=0.0))
    whole, undisturbed = trained(task, tmp_path)

    def killed(done: int, total: int) -> None:
        if done == total // 2 > 1:
            raise KeyboardInterrupt

    (tmp_path / "b").mkdir()
    with pytest.raises(KeyboardInterrupt):
        trained(task, tmp_path / "b", tick=killed)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["checkpoint.pt"]
    seen: list[int] = []
    again, resumed = trained(task, tmp_path / "b", tick=lambda done, _: seen.append(done))
    assert resumed.resumed
    assert next(done for done in seen if done) > 2
    assert resumed.losses == undisturbed.losses
    np.testing.assert_array_equal(
        score(again, task.prompts[:5], task.answers), score(whole, task.prompts[:5], task.answers)
    )
    assert list((tmp_path / "b").iterdir()) == []


def test_damaged_checkpoint_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    _, found = trained(task_of(30), tmp_path)
    assert not found.resumed


def test_states_that_are_too_many_for_memory_lie_in_a_file_and_are_the_same(tmp_path: Path) -> None:
    lower, _ = split(tiny_qwen3().model, 1)
    rows = [[30, 31, 32], [40, 41], [50, 51, 52, 53]]
    with (
        lower_states(lower, rows, 64, 1 << 20, tmp_path) as small,
        lower_states(lower, rows, 64, 10, tmp_path) as large,
    ):
        assert [isinstance(states.values, np.memmap) for states in (small, large)] == [False, True]
        torch.testing.assert_close(small.batch([0, 2]), large.batch([0, 2]))
        assert any(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_room_for_states_is_taken_before_they_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def full(_file: int, start: int, size: int) -> None:
        asked.append((start, size))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    lower, _ = split(tiny_qwen3().model, 1)
    with pytest.raises(OSError, match="No space left"), lower_states(lower, [[30, 31, 32]], 64, 10, tmp_path):
        pass
    assert asked == [(0, 4 * 3 * 64)]
    assert list(tmp_path.iterdir()) == []


def test_time_limit_ends_after_an_epoch_with_what_was_learnt(tmp_path: Path) -> None:
    task = replace(task_of(), recipe=replace(RECIPE, epochs=50, patience=50))
    _, found = trained(task, tmp_path, Limits(1, seconds=0.01))
    assert len(found.losses) == 2


def test_early_stop_keeps_the_best_epoch(tmp_path: Path) -> None:
    task = replace(task_of(40), recipe=replace(RECIPE, epochs=40, rate=2e-2))
    model, found = trained(task, tmp_path)
    assert len(found.losses) - 1 <= found.best + task.recipe.patience
    rows = list(task.validation)
    answers = score(model, [task.prompts[row] for row in rows], task.answers)
    loss = -answers[np.arange(len(rows)), [task.labels[row] for row in rows]].mean()
    assert loss == pytest.approx(min(found.losses), abs=1e-3)


def test_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    task = task_of(30)
    model = with_lora(tiny_qwen3(), task.recipe, 1)
    with torch.no_grad():
        model.get_base_model().lm_head.weight.fill_(float("nan"))
    with pytest.raises(LossIsNotANumber):
        train(model, task, Limits(1), tmp_path, None, nothing)


def test_adapter_and_merged_weights_answer_as_the_training_did(tmp_path: Path, tiny_prepared: Any) -> None:
    task = task_of()
    out = fine_tune("peft", Work(tiny_prepared, task, ONE, tmp_path, tmp_path / "cache", task.prompts[:8]), nothing)
    from trainer.finetune.loading import load_base

    loaded = read_adapter(load_base(tiny_prepared.whole()), out.adapter)
    np.testing.assert_allclose(score(loaded, task.prompts[:8], task.answers), out.answers, atol=1e-4)
    plain = load_base(tiny_prepared.whole())
    assert {name.split(".")[2] for name in out.layers} == {"1", "2"}
    plain.load_state_dict(out.layers, strict=False)
    np.testing.assert_allclose(score(plain, task.prompts[:8], task.answers), out.answers, atol=1e-3)
    assert set(merged(loaded)) == set(out.layers)


def test_checkpoints_of_other_lessons_are_removed_and_the_same_task_finds_its_own(tmp_path: Path) -> None:
    task = task_of(30)
    assert task.key() == Task.from_json(task.to_json()).key() != replace(task, seed=2).key()
    work = Work(None, task, ONE, tmp_path / "out", tmp_path)  # type: ignore[arg-type]
    other = replace(work, task=replace(task, seed=2)).checkpoint
    other.touch()
    with pytest.raises(TrainingFailed, match="make unsloth"):
        fine_tune("unsloth", work, nothing)
    assert not other.exists()


def test_night_with_tuning_answer_makes_a_model_of_the_whole_base_that_serves(tmp_path: Path) -> None:
    from daemon.model import model_folder
    from daemon.model.classifier import Classifier
    from tests.lessons import KEY, office_rows, write_job
    from tests.tiny_models import save_folder
    from trainer.night import run

    base = save_folder(tiny_qwen3(), tmp_path / "base")
    write_job(tmp_path / "job", office_rows(80), tmp_path / "cache", base=str(base), threads=1, tuning="answer")
    result = run(tmp_path / "job", lambda *_: None)
    assert result.outcome == "candidate"
    assert "whole base tuned" in result.exam.details["language"]
    assert list((tmp_path / "cache").glob("tuning-*")) == []
    folder = tmp_path / "job" / "candidate"
    model_folder.load(folder)
    with Classifier.load(folder, KEY, threads=1) as classifier:
        assert classifier.classify([examples_text()])[0].best is not None


def test_night_without_unsloth_says_so_and_trains_the_linear_model(tmp_path: Path) -> None:
    from tests.lessons import office_rows, write_job
    from tests.tiny_models import save_folder
    from trainer.night import run

    base = save_folder(tiny_qwen3(), tmp_path / "base")
    write_job(
        tmp_path / "job", office_rows(80), tmp_path / "cache", base=str(base), threads=1, tuning="answer",
        backend="unsloth", unsloth_python="/nowhere/python",
    )  # fmt: skip
    result = run(tmp_path / "job", lambda *_: None)
    assert result.outcome == "candidate"
    assert any("make unsloth" in line for line in result.report)
    assert result.exam.kind == "linear"


def test_comparison_gives_one_table_that_fits_the_terminal(tmp_path: Path) -> None:
    from tests.lessons import office_rows, write_job
    from tests.tiny_models import save_folder
    from trainer import compare

    base = save_folder(tiny_qwen3(), tmp_path / "base")
    folder = write_job(tmp_path / "job", office_rows(48), tmp_path / "cache", base=str(base), threads=1)
    assert compare.main(["--job", str(folder), "--seeds", "1,2", "--epochs", "1"]) == 0
    result = json.loads((folder / "result.json").read_text())
    lines = result["verdict"].splitlines()
    assert max(map(len, lines)) <= 80
    assert [row["row"] for row in result["comparison"]["rows"]] == [
        "codes, closed set", "codes, free decoding", "names, closed set", "names, free decoding",
    ]  # fmt: skip
    assert all(len(row["by_seed"]) == 2 for row in result["comparison"]["rows"])
    assert len(result["comparison"]["pairs"]) == 1


def test_the_benchmark_compares_the_first_recipe_on_any_two_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import labels
    from tests.lessons import office_rows
    from tests.tiny_models import save_folder

    base = save_folder(tiny_qwen3(), tmp_path / "base")
    rows = [json.dumps({"text": row["text"]["body"], "label": row["category"]}) for row in office_rows(48)]
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    train.write_text("\n".join(rows[:36]))
    test.write_text("\n".join(rows[36:]))
    arguments = ["--train", str(train), "--test", str(test), "--base", str(base), "--cache", str(tmp_path / "cache")]
    assert labels.main([*arguments, "--seeds", "1,2", "--epochs", "1", "--threads", "1", "--original", "all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line[:26].strip() for line in lines if line[27:32].strip().replace(".", "").isdigit()] == [
        "codes, closed set", "codes, free decoding", "names, closed set", "names, free decoding",
        "original recipe, codes", "original recipe, names",
    ]  # fmt: skip
    assert sum("codes against names" in line for line in lines) == 2


def examples_text() -> Any:
    from connectors.base import MailText

    return MailText(subject="invoice 7 is due")
