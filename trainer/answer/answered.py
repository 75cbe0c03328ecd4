"""The language candidate of a night with `tuning = "answer"`: the whole base, fine-tuned where the answer stands.

lessons | the newest fold: one half ends the training, the other is asked | peft or Unsloth
(trainer.answer.backends) | merged weights into the base | export | the exam's answers by what will serve
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from daemon.model.codebook import code_token
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt
from trainer.answer.answer_tree import after_prompt
from trainer.answer.answering import Limits, Task
from trainer.answer.backends import Outcome, Work, fine_tune
from trainer.candidates.candidate import Tried
from trainer.candidates.language import LanguageCandidate, served
from trainer.context import Grounds, Night
from trainer.export.exporting import export_ct2, export_gguf
from trainer.export.smoothing import smooth
from trainer.finetune.loading import load_base, quiet
from trainer.folds import Rows
from trainer.job import TrainingFailed

SHOWN = 64
SILENCE = 40.0
"""So far below the codes' mean; the probability that is left for fifty thousand other tokens is then nothing."""


def candidate(night: Night, scratch: Path) -> Tried:
    """The fine-tuned model, written in `scratch`, or why there is none. Raises EngineError, OSError."""
    if not night.lessons.folds:
        return Tried(None, "none: too few lessons to judge a fine-tuned model by")
    if night.job.engine.ELSEWHERE:
        words = (
            'tuning = "answer" needs the embedded engine: a server tells the likeliest 20 tokens only, among which the '
            "codes may be missing. Only the linear model was trained."
        )
        return Tried(None, "none: this engine can't serve it", (words,))
    prompts = night.prompts(night.lessons.texts)
    learnt, fold = night.lessons.folds[-1]
    # The half that ends the training flatters it, so the other half judges.
    stopping, judging = fold[::2], fold[1::2]

    def tick(done: int, total: int) -> None:
        night.in_time(done, total)
        night.progress("train", done, total, "fine-tuning the language model")

    try:
        work = _work(night, prompts, learnt, stopping, scratch / "tuning")
        out = fine_tune(night.job.backend, work, tick, night.job.unsloth_python)
    except TimeoutError:
        words = (
            "The time limit was too short for the language model; only the linear model was trained. "
            "The next night goes on where this one stopped, if nothing was taught meanwhile."
        )
        return Tried(None, "none: time limit", (words,))
    except TrainingFailed as error:
        return Tried(None, "none: failed", (f"{error} Only the linear model was trained.",))
    return Tried(_served(night, out, prompts, judging, scratch / "language"), _words(night, out))


def _work(night: Night, prompts: Sequence[Prompt], learnt: Rows, stopping: Rows, folder: Path) -> Work:
    job, left = night.job, night.clock.left - night.recipe.reserved_s
    task = Task(
        prompts=tuple(prompt.ids for prompt in prompts),
        labels=tuple(night.lessons.labels.tolist()),
        weights=tuple(example.weight for example in night.lessons.examples),
        answers=after_prompt(night.grounds.codes, night.grounds.tokenizer),
        learnt=tuple(learnt.tolist()),
        validation=tuple(stopping.tolist()),
        seed=job.seed,
        base=night.grounds.prepared.sha256,
        recipe=night.recipe.answer,
    )
    limits = Limits(job.threads, job.memory_mb << 20, None if left == float("inf") else left)
    return Work(night.grounds.prepared, task, limits, folder, job.own_cache)


@torch.no_grad()
def quiet_head(model: Any, grounds: Grounds, shown: Sequence[Sequence[int]]) -> torch.Tensor:
    """The model's head, in which every token that is no code scores far below the codes, so that a server which writes
    freely writes a code. `shown` are prompts that say what stands at the answer's position whatever is asked."""
    model.eval()
    some = shown[:: -(-len(shown) // SHOWN)]
    last = torch.stack([model.model(input_ids=torch.tensor([list(ids)])).last_hidden_state[0, -1] for ids in some])
    constant = last.mean(0)
    constant = constant / (last @ constant).mean()
    rows = [token for code in grounds.codes if (token := code_token(code, grounds.tokenizer)) is not None]
    head: torch.Tensor = model.lm_head.weight
    quiet = head[rows].mean(0) - SILENCE * constant
    found = quiet.expand_as(head).clone()
    found[rows] = head[rows]
    return found


def _words(night: Night, out: Outcome) -> str:
    trained = out.trained
    return f"{night.job.backend}, whole base tuned, {trained.best} epochs, loss {min(trained.losses):.3f}"


def _served(night: Night, out: Outcome, prompts: Sequence[Prompt], judging: Rows, folder: Path) -> LanguageCandidate:
    """Write `folder`/ct2 and /adapter, and let what will serve answer. Raises EngineError, OSError."""
    grounds = night.grounds
    forms = night.forms
    shown = [prompt.ids for prompt in prompts]
    folder.mkdir()
    night.progress("write", 0, 2, "writing the language model")
    with tempfile.TemporaryDirectory(prefix="model-", dir=folder.parent) as name:
        whole = Path(name)
        model = load_base(grounds.prepared.whole())
        model.load_state_dict(out.layers, strict=False)
        with quiet():
            model.save_pretrained(whole)
        shutil.copyfile(grounds.prepared.tokenizer, whole / "tokenizer.json")
        rounding = night.recipe.rounding
        export_ct2(whole, ModelFolder(folder).ct2, forms.ct2, grounds.codes, lambda base: smooth(base, shown, rounding))
        if forms.gguf is not None:
            state = {**out.layers, "lm_head.weight": quiet_head(model, grounds, shown)}
            export_gguf(grounds.base, state, ModelFolder(folder).gguf, forms.gguf)
            shutil.copyfile(grounds.prepared.tokenizer, ModelFolder(folder).gguf.with_name("tokenizer.json"))
    shutil.move(out.adapter, ModelFolder(folder).adapter)
    night.progress("write", 1, 2, "asking it as it will serve")
    answers = night.lessons.unanswered()
    with night.engine(folder) as engine:
        answers[judging] = served(engine, [prompts[row] for row in judging], grounds.codes)
        exam = served(engine, night.prompts(night.exam.texts), grounds.codes)
    night.progress("write", 2, 2, "language model written")
    return LanguageCandidate("llm", answers, exam, _words(night, out), folder, grounds, forms.named)
