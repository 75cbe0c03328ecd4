"""In which forms one language model is written: engine and quantization say.

The embedded engine gets int8, which trainer.export.smoothing makes cost next to nothing. CTranslate2's int8_float32 is
no third choice here: it differs from int8 only for models whose other weights are stored in half precision, and ours
are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True)
class Forms:
    """`ct2` is always written, `gguf` for servers that read it, `safetensors` (Hugging Face form) for vLLM.

    `named` is what model.json says. `whole`: all of the GGUF file in its type, also what training did not touch, for a
    server that quantises it further.
    """

    named: str
    ct2: Quantization = "int8"
    gguf: GgufType | None = None
    safetensors: bool = False
    whole: bool = False


def forms_for(engine: str, quantization: str, gguf_base: bool) -> Forms:
    """What to write for this engine and setting; `gguf_base`: the base is a GGUF file."""
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
    return Forms(ct2, ct2)
