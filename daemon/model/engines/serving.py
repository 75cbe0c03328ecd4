"""What an engine needs beyond answering: its models brought to it, named, proved, tidied up, examined and looked at.

    Serving          the model is loaded from its folder by this process: most of it is nothing to do
      OllamaServing    models are uploaded; the names current and previous follow the registry
      OpenAIServing    whoever runs the server starts it with our files: a link says which

The registry decides which model is in use; a Serving carries it out. None of it knows the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from daemon.model.engines.engine import Engine
from daemon.model.engines.engine_kinds import EngineSettings
from daemon.model.model_folder import ModelFolder

if TYPE_CHECKING:
    from daemon.model.classifier import Classifier
    from daemon.model.engines.fingerprint import Fingerprint

Ct2Type = Literal["int8", "int8_float32", "float32"]
GgufType = Literal["F32", "F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"]
GGUF_TYPES: Mapping[str, GgufType] = {
    "f16": "F16",
    "q8_0": "Q8_0",
    "q5_1": "Q5_1",
    "q5_0": "Q5_0",
    "q4_1": "Q4_1",
    "q4_0": "Q4_0",
}
"""The settings that training can write itself, by the gguf library's names."""


@dataclass(frozen=True)
class Forms:
    """In which forms a model is written: `ct2` always, `gguf` for servers that read it, `safetensors` (Hugging Face
    form) for vLLM.

    `shared`: a head on the reader of all mailboxes, whose form is `ct2`, is enough where training left the base's
    layers as they are. `named` is what model.json says. `whole`: all of the GGUF file in its type, also what training
    did not touch, for a server that quantises it further.
    """

    named: str
    ct2: Ct2Type = "int8"
    gguf: GgufType | None = None
    safetensors: bool = False
    whole: bool = False
    shared: bool = False


def pointers(folder: Path) -> tuple[Path, Path]:
    """What may lie beside the folder of the model in use: a link to it, and a note with its name."""
    return folder.with_name("current"), folder.with_name("current.version")


class Serving:
    """What an engine needs beyond answering. As it stands here, the embedded one: CTranslate2 loads the model's
    folder."""

    others_restart = False
    """Does somebody else give the server its new model? Then the one in use is asked for again at each pass."""

    def __init__(self, settings: EngineSettings, read: Callable[[str], str] | None = None) -> None:
        self.settings = settings
        self._read = read

    # -- answering

    def engine(self, folder: Path, box: str, anew: bool = False) -> Engine | None:  # noqa: ARG002
        """The engine for the model in `folder`, of the mailbox `box`; None: the embedded one. `anew`: brought again.

        Raises EngineError.
        """
        return None

    def still_there(self, classifier: Classifier) -> bool:  # noqa: ARG002
        """Does the server still have this loaded model? Raises EngineError: it does not answer, or has another one."""
        return True

    # -- which model is in use

    def point_at(self, folder: Path) -> None:
        """Say once more where the model in use lies, before it is loaded. Raises EngineError."""

    def promote(self, folder: Path, box: str) -> None:
        """This model is put into use. Raises EngineError."""

    def withdraw(self, folder: Path) -> None:
        """This model was in use, and its files go now; and what another kind of engine may have left to point at it."""
        for pointer in pointers(folder):
            pointer.unlink(missing_ok=True)

    def prove(self, opened: Callable[[bool], AbstractContextManager[Classifier]], version: str) -> None:  # noqa: ARG002
        """Can the model be used? `opened` loads it, with True after it was brought anew. Raises EngineError."""
        with opened(False):
            return

    def tidy(self, box: str, kept: Mapping[str, Path], only_names: bool) -> list[str]:  # noqa: ARG002
        """Let the server hold the models in `kept` (current, previous) alone; what was removed. Never raises."""
        return []

    # -- words

    def problem(self) -> str | None:
        """Why the server could not take what a training makes: in words, before anybody pays for the training."""
        return None

    def left_behind(self, box: str, in_use: bool) -> list[str]:  # noqa: ARG002
        """What the server may still hold of models that were forgotten, in sentences. `in_use`: others are in use."""
        return []

    def looks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """What `postroom check` looks at, whatever the mailbox: its name, and the look. That raises EngineError."""
        yield from ()

    def look_at(self, home: Path, in_use: Callable[[], Path | None], box: str) -> str:  # noqa: ARG002
        """What `postroom check` says of one mailbox's model on the server. `home` holds its models, `in_use` gives the
        folder of the one in use. Raises EngineError."""
        return ""

    # -- training

    def forms(self, gguf_base: bool) -> Forms:  # noqa: ARG002
        """What training writes for this engine. `gguf_base`: the base is a GGUF file."""
        types: Mapping[str, Ct2Type] = {"float32": "float32", "int8_float32": "int8_float32"}
        ct2 = types.get(self.settings.quantization, "int8")
        return Forms(ct2, ct2, shared=True)

    def examined(self, folder: Path, box: str, version: str, form: str, threads: int) -> Engine:  # noqa: ARG002
        """What takes the exam for the model in `folder`: where it can be, what people will get. Raises EngineError."""
        from daemon.model.engines.embedded import EmbeddedEngine

        return EmbeddedEngine(ModelFolder(folder).ct2, threads)

    def recognise(self, engine: Engine, known: Fingerprint) -> None:
        """Does it answer as the model did whose fingerprint this is? Raises OtherModel, EngineError."""
