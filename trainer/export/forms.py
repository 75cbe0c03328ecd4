"""In which forms one language model is written, and whether the smaller one is as good.

    engine, quantization | what to write  ->  Forms
    answers of int8, answers of float32, the exam's labels  ->  does rounding cost lessons?

The embedded engine gets int8, which trainer.export.smoothing makes cost next to nothing, and float32 where the exam
says that it costs accuracy all the same. CTranslate2's int8_float32 is no third choice here: it differs from int8 only
for models whose other weights are stored in half precision, and ours are not.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
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
    from trainer.export.exporting import GgufType, Quantization

GGUF_TYPES: dict[str, GgufType] = {
    "f16": "F16",
    "q8_0": "Q8_0",
    "q5_1": "Q5_1",
    "q5_0": "Q5_0",
    "q4_1": "Q4_1",
    "q4_0": "Q4_0",
}
"""The settings that the gguf library can write itself, by its names."""
LEAST_LOST_SHARE = 0.01
"""Of the exam's lessons; float32 is four times as large."""


@dataclass(frozen=True)
class Forms:
    """`ct2` is always written, `gguf` for servers that read it, `safetensors` (Hugging Face form) for vLLM.

    `exact` asks for a float32 CTranslate2 form beside, to compare with. `named` is what model.json says. `whole`: all
    of the GGUF file in its type, also what training did not touch, for a server that quantises it further.
    """

    named: str
    ct2: Quantization = "int8"
    exact: bool = False
    gguf: GgufType | None = None
    safetensors: bool = False
    whole: bool = False


def forms_for(engine: str, quantization: str, gguf_base: bool) -> Forms:
    """What to write for this engine and setting; `gguf_base`: the base is a GGUF file. Pure."""
    auto = quantization == "auto"
    if engine == "ollama":
        named = "q8_0" if auto else quantization
        # A K-quant is made by Ollama, of a file that is F16 throughout.
        return Forms(named, gguf=GGUF_TYPES.get(named, "F16"), whole=named not in GGUF_TYPES)
    if engine == "openai":
        # The exam is taken in float32, which a server may then miss by rounding only (daemon.model.engines.openai).
        named = ("f16" if gguf_base else "float32") if auto else quantization
        return Forms(named, "float32", gguf=GGUF_TYPES.get(named), safetensors=named not in GGUF_TYPES)
    asked: dict[str, Quantization] = {"float32": "float32", "int8_float32": "int8_float32"}
    ct2 = asked.get(quantization, "int8")
    return Forms(ct2, ct2, exact=auto)


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
