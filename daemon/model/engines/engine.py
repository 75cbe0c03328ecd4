"""The contract between Postroom and any place that runs the language model, and its error tree.

    Engine.code_logprobs(prompts, codes) -> float32 (prompts, codes)     log-probabilities, renormalised over the codes

    EngineError
      EngineUnavailable   the server is down, busy or slow: leave the mail, try again at the next poll
      ModelMissing        the model or its file is not where the settings say: a person must act
      ModelRefused        the model is there but damaged, or made for other codes: serve the previous one
        OtherModel        a server answers under our name with a model that is not ours: file nothing by it

One prompt, one pass, one position: nothing is generated and nothing is parsed, so an answer that isn't a category
cannot come out. No other exception leaves an engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

from connectors.printable import printable
from daemon.model.prompt import Prompt

Floats: TypeAlias = "npt.NDArray[np.float32]"


class EngineError(Exception):
    """The model could not answer. `str()` names the place, the fact and the next step."""

    def __init__(self, words: str) -> None:
        super().__init__(printable(words))  # a model server's word


class EngineUnavailable(EngineError):
    """Nothing is wrong with the model; whoever runs it did not answer in time. Worth another try."""


class ModelMissing(EngineError):
    """There is no model at the place that the settings or the registry name."""


class ModelRefused(EngineError):
    """The model must not be used: it is damaged, or it does not fit the codebook or the vocabulary."""


class OtherModel(ModelRefused):
    """Somebody put another model behind the name of ours. Its answers mean nothing to our thresholds."""


class Engine(ABC):
    """A loaded language model. Use it as a context manager, or call `close`."""

    @abstractmethod
    def code_logprobs(self, prompts: Sequence[Prompt], codes: Sequence[str]) -> Floats:
        """One row a prompt, one column a code, natural logarithms; each row's probabilities sum to one.

        Raises EngineError.
        """

    def verify(self) -> None:  # noqa: B027 - most engines loaded their model themselves
        """Is it the model that it should be? For servers that others start. Raises EngineError."""

    @abstractmethod
    def close(self) -> None:
        """Give back memory and connections. Never raises."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def places_of(codes: Sequence[str], known: Mapping[str, int], whose: str) -> list[int]:
    """Where a model that knows these codes has the answer of each. `whose`: how the sentence begins if it lacks one.

    Raises ModelRefused for a code that it does not know, and for none at all.
    """
    strange = [code for code in codes if code not in known]
    if strange or not codes:
        raise ModelRefused(
            f"{whose} has no answer for {', '.join(strange[:5]) or 'no codes at all'}. "
            "It was made for another codebook; train again."
        )
    return [known[code] for code in codes]


def renormalised(scores: npt.ArrayLike) -> Floats:
    """Log-probabilities from any log-scores: each row minus the logarithm of its sum of exponentials."""
    import numpy as np  # the errors above are wanted where nothing is calculated

    values = np.asarray(scores, dtype=np.float32)
    top = values.max(axis=-1, keepdims=True)
    logprobs: Floats = values - top - np.log(np.exp(values - top).sum(axis=-1, keepdims=True))
    return logprobs
