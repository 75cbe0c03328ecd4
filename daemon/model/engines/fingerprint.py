"""Is it our model? Four fixed prompts, and what the model that was examined answered to them.

The answers of the model that took the exam lie in fingerprint.json in its folder; a server's answers to the same
prompts are compared with them.

A server has models by name, and others can change what a name means: by a copy, an upload, a restart with another file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.base import MailText
from daemon.model.codebook import code_token
from daemon.model.engines.engine import Engine, ModelRefused, renormalised
from daemon.model.engines.top_tokens import Token
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Renderer

TOLERANCE = 0.1
"""In probability. Rounding (bfloat16, Q8_0) stays below; the models of two nights differ by more on some probe."""

PROBES = (
    MailText(sender="Ann Miller <ann@example.org>", subject="Invoice 4711", body="Please find our invoice attached."),
    MailText(subject="Login does not work", body="Since this morning I can't sign in. Can you reset my password?"),
    MailText(sender="news@example.com", subject="This week's offers", body="Order before Friday and save 20 percent."),
    MailText(subject="Meeting", body="Could we move Thursday's meeting to next week? The room is taken."),
)


class Probe(BaseModel):
    """One fixed prompt, as text and as token ids, and the log-probability of each code after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    text: str = ""
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]


class Fingerprint(BaseModel):
    """What a model can be recognised by: its answers to the probes. `tokens` are the codes' token ids, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tokens: dict[str, int]
    probes: tuple[Probe, ...]

    @classmethod
    def taken(cls, engine: Engine, renderer: Renderer, codes: Sequence[str], tokenizer: Any) -> Fingerprint:
        """The fingerprint of the model that `engine` serves. Raises EngineError."""
        prompts = [renderer.render(mail) for mail in PROBES]
        answers = engine.code_logprobs(prompts, codes)
        tokens = {code: token for code in codes if (token := code_token(code, tokenizer)) is not None}
        probes = [
            Probe(text=prompt.text, ids=prompt.ids, logprobs=tuple(round(float(value), 5) for value in row))
            for prompt, row in zip(prompts, answers, strict=True)
        ]
        return cls(tokens=tokens, probes=tuple(probes))

    def save(self, folder: Path) -> None:
        """Write it into a model folder. Raises OSError."""
        ModelFolder(folder).fingerprint.write_text(self.model_dump_json(), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Fingerprint:
        """Raises ModelRefused for a folder without one."""
        try:
            return cls.model_validate_json(ModelFolder(folder).fingerprint.read_bytes())
        except (OSError, ValidationError) as error:
            raise ModelRefused(
                f"{folder}: there is nothing to recognise the model by on a server. Train again."
            ) from error


def difference(shown: Mapping[Token, float], tokens: Sequence[Token], expected: Sequence[float]) -> float:
    """How far a server's answer is from the expected one, in probability, among the codes that it shows.

    `tokens` are the codes' tokens, as ids or as texts, in the order of `expected`. 1.0 where the likeliest code is
    not shown at all: no rounding explains that.
    """
    best = tokens[int(np.argmax(expected))]
    seen = [index for index, token in enumerate(tokens) if token in shown]
    if best not in shown:
        return 1.0
    served = np.exp(renormalised([shown[tokens[index]] for index in seen]))
    wanted = np.exp(renormalised([expected[index] for index in seen]))
    return float(np.abs(served - wanted).max())
