"""The language candidate of a night with `tuning = "answer"`: the whole base, fine-tuned where the answer stands.

lessons | the newest fold: one half ends the training, the other is asked | peft or Unsloth
(trainer.answer.backends) | merged weights into the base | export | the exam's answers by what will serve
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt
from trainer.answer.answer_tree import after_prompt
from trainer.answer.answering import Limits, Task
from trainer.answer.backends import Outcome, Work, fine_tune
from trainer.candidates.candidate import Tried
from trainer.candidates.language import LanguageCandidate, served
from trainer.context import Night
from trainer.export.exporting import export_ct2
from trainer.export.smoothing import smooth
from trainer.finetune.loading import load_base, quiet
from trainer.folds import Rows
from trainer.job import TrainingFailed


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


def _words(night: Night, out: Outcome) -> str:
    trained = out.trained
    return f"{night.job.backend}, whole base tuned, {trained.best} epochs, loss {min(trained.losses):.3f}"


def _served(night: Night, out: Outcome, prompts: Sequence[Prompt], judging: Rows, folder: Path) -> LanguageCandidate:
    """Write `folder`/ct2 and /adapter, and let what will serve answer. Raises EngineError, OSError."""
    grounds = night.grounds
    forms = night.job.engine.serving().forms(gguf_base=not grounds.base.path.is_dir())
    shown = [prompt.ids for prompt in prompts]
    folder.mkdir()
    night.progress("write", 0, 2, "writing the language model")
    with tempfile.TemporaryDirectory(prefix="model-", dir=folder.parent) as name:
        whole = Path(name)
        model = load_base(grounds.prepared.folder)
        model.load_state_dict(out.layers, strict=False)
        with quiet():
            model.save_pretrained(whole)
        shutil.copyfile(grounds.prepared.tokenizer, whole / "tokenizer.json")
        rounding = night.recipe.rounding
        export_ct2(whole, ModelFolder(folder).ct2, forms.ct2, grounds.codes, lambda base: smooth(base, shown, rounding))
    shutil.move(out.adapter, ModelFolder(folder).adapter)
    night.progress("write", 1, 2, "asking the language model as it will serve")
    answers = night.lessons.unanswered()
    with night.engine(folder) as engine:
        answers[judging] = served(engine, [prompts[row] for row in judging], grounds.codes)
        exam = served(engine, night.prompts(night.exam.texts), grounds.codes)
    night.progress("write", 2, 2, "language model written")
    return LanguageCandidate("llm", answers, exam, _words(night, out), folder, grounds, forms.named)
