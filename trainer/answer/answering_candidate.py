"""The language candidate of a night with tuning = "answer": the whole base, fine-tuned where the answer stands.

lessons | the newest fold: one half ends the training, the other is asked | peft or Unsloth
(trainer.answer.backends) | merged weights into the base | export | the exam's answers by what will serve
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from daemon.model.engines.engine import Floats
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt
from trainer.answer.answer_tree import after_prompt
from trainer.answer.answering import Limits, Task
from trainer.answer.backends import Outcome, fine_tune
from trainer.candidates.heads import Labels
from trainer.candidates.language import load_base, served
from trainer.candidates.language_candidate import RESERVED_SECONDS
from trainer.context import Night
from trainer.export.exporting import export_ct2
from trainer.job import TrainingFailed
from trainer.prepare import quiet


def answering_candidate(
    night: Night, parts: Any, labels: Labels, exam: Sequence[Prompt], made: Path, scratch: Path
) -> tuple[Floats | None, Floats | None, str]:
    """The language model's answers out of fold and in the exam, exported into `made`; None where there is none."""
    if not parts:
        return None, None, "none: too few lessons to judge a fine-tuned model by"
    if night.job.engine.ELSEWHERE:
        night.report.append(
            'tuning = "answer" needs the embedded engine: a server tells the likeliest 20 tokens only, among which the '
            "codes may be missing. Only the linear model was trained."
        )
        return None, None, "none: this engine can't serve it"
    job, prompts = night.job, night.prompts(night.lessons)
    learnt, fold = parts[-1]
    # The half that ends the training flatters it, so the other half judges.
    stopping, judging = fold[::2], fold[1::2]
    codes = [night.book.code(category) for category in night.categories]
    task = Task(
        prompts=tuple(prompt.ids for prompt in prompts),
        labels=tuple(labels.tolist()),
        weights=tuple(example.weight for example in night.lessons),
        answers=after_prompt(codes, night.tokenizer),
        learnt=tuple(learnt.tolist()),
        validation=tuple(stopping.tolist()),
        seed=job.seed,
        base=night.prepared.sha256,
    )
    left = night.clock.left - RESERVED_SECONDS

    def tick(done: int, total: int) -> None:
        if night.clock.left < RESERVED_SECONDS and done < total:
            raise TimeoutError
        night.progress("train", done, total, "fine-tuning the language model")

    try:
        out = fine_tune(
            job.backend,
            night.prepared,
            task,
            [],
            Limits(job.threads, job.memory_mb << 20, None if left == float("inf") else left),
            scratch / "tuning",
            job.own_cache,
            job.unsloth_python,
            tick,
        )
    except TimeoutError:
        night.report.append(
            "The time limit was too short for the language model; only the linear model was trained. "
            "The next night goes on where this one stopped, if nothing was taught meanwhile."
        )
        return None, None, "none: time limit"
    except TrainingFailed as error:
        night.report.append(f"{error} Only the linear model was trained.")
        return None, None, "none: failed"
    _export(night, out, codes, prompts, made, scratch)
    answers = np.full((len(prompts), len(codes)), np.nan, np.float32)
    with night.engine(made) as engine:
        answers[judging] = served(engine, [prompts[row] for row in judging], codes)
        asked = served(engine, exam, codes)
    words = f"{job.backend}, whole base tuned, {out.trained.best} epochs, loss {min(out.trained.losses):.3f}"
    return answers, asked, words


def _export(
    night: Night, out: Outcome, codes: Sequence[str], prompts: Sequence[Prompt], made: Path, scratch: Path
) -> None:
    """Write the CTranslate2 form and the adapter. Raises OSError, ModelRefused."""
    with tempfile.TemporaryDirectory(prefix="model-", dir=scratch) as name:
        whole = Path(name)
        model = load_base(night.prepared)
        model.load_state_dict(out.layers, strict=False)
        with quiet():
            model.save_pretrained(whole)
        shutil.copyfile(night.prepared.tokenizer, whole / "tokenizer.json")
        forms = night.job.engine.serving().forms(gguf_base=not night.base.path.is_dir())
        export_ct2(whole, ModelFolder(made).ct2, forms.ct2, codes, [prompt.ids for prompt in prompts])
        night.quantization = forms.named
    shutil.move(out.adapter, ModelFolder(made).adapter)
