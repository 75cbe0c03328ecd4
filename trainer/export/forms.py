"""Whether the smaller form of a language model is as good as the exact one.

    answers of int8, answers of float32, the exam's labels  ->  does rounding cost lessons?

The embedded engine gets int8, which trainer.export.smoothing makes cost next to nothing, and float32 where the exam
says that it costs accuracy all the same. CTranslate2's int8_float32 is no third choice here: it differs from int8 only
for models whose other weights are stored in half precision, and ours are not.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daemon.model.engines.embedded import EmbeddedEngine
from daemon.model.engines.engine import Floats
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt
from trainer.calibrate import really_more
from trainer.candidates.heads import Labels

if TYPE_CHECKING:
    pass

LEAST_LOST_SHARE = 0.01
"""Of the exam's lessons; float32 is four times as large."""


def rounding_costs(rounded: Floats, exact: Floats, labels: Labels) -> int:
    """How many more lessons the exact form has right, 0 where that is no more than chance would do. Pure."""
    known = labels >= 0
    less, more = ((answers.argmax(axis=1) == labels)[known].astype(float) for answers in (rounded, exact))
    lost = round(float(more.sum() - less.sum()))
    return lost if really_more(more, less) and lost >= LEAST_LOST_SHARE * len(more) else 0


def exact_if_better(
    folder: Path,
    exact: Path,
    answers: Floats,
    labels: Labels,
    prompts: Sequence[Prompt],
    codes: Sequence[str],
    threads: int,
) -> tuple[Floats, str]:
    """Take the exam with the float32 form too; where rounding costs lessons, it takes the int8 form's place.

    Returns the answers of the form that stays, and a sentence for the verdict if that is not int8. Raises EngineError.
    """
    if not len(prompts):
        return answers, ""
    with EmbeddedEngine(exact, threads) as engine:
        better = engine.code_logprobs(prompts, codes)
    lost = rounding_costs(answers, better, labels)
    if not lost:
        return answers, ""
    shutil.rmtree(ModelFolder(folder).ct2)
    shutil.move(exact, ModelFolder(folder).ct2)
    known = int((labels >= 0).sum())
    words = f"It is kept in float32, because int8 had {lost} of {known} exam lessons fewer right."
    return np.asarray(better, np.float32), words
