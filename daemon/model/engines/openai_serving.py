"""Serving by llama-server or vLLM: `current` beside the models' folders says what the server has to be started with.

    state_dir/models/<mailbox>/current            a link to the folder of the model in use
    state_dir/models/<mailbox>/current.version    its name, for a unit that watches it (docs/engines.md)

Until the server is restarted it answers as the previous model, which is recognised by its answers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from daemon.model.engines.engine import EngineError
from daemon.model.engines.fingerprint import Fingerprint
from daemon.model.engines.openai import OpenAIEngine
from daemon.model.engines.serving import GGUF_TYPES, Forms, Serving, pointers
from daemon.model.model_folder import ModelFolder


class OpenAIServing(Serving):
    """A server that others start with our files: nothing is uploaded."""

    others_restart = True

    def engine(self, folder: Path, box: str, anew: bool = False) -> OpenAIEngine | None:  # noqa: ARG002
        parts = ModelFolder(folder)
        if not (parts.has_gguf or parts.hf.is_dir()):
            return None
        name, key = self.settings.credential, None
        if name and self._read is not None:
            key = functools.partial(self._read, name)
        known, ca_file = Fingerprint.load(folder), self.settings.ca_file
        return OpenAIEngine(self.settings.host, f"postroom-{box}", known, key, ca_file=ca_file)

    def point_at(self, folder: Path) -> None:
        """Let `current` beside the models' folders mean this one, and `current.version` say so."""
        link, note = pointers(folder)
        try:
            if link.is_symlink() and link.readlink() == Path(folder.name) and note.is_file():
                return
            beside = folder.with_name(".current")
            beside.unlink(missing_ok=True)
            beside.symlink_to(folder.name)
            beside.replace(link)
            # The link first: a unit that watches the note finds the new model behind it (docs/engines.md).
            beside.write_text(f"{folder.name}\n", "utf-8")
            beside.replace(note)
        except OSError as error:
            raise EngineError(f"{link}: can't be set ({error.strerror}). Make room or mend its rights.") from error

    def promote(self, folder: Path, box: str) -> None:  # noqa: ARG002
        self.point_at(folder)

    def left_behind(self, box: str, in_use: bool) -> list[str]:  # noqa: ARG002
        return ["The model server still has the removed model in memory: stop it, or restart it after the training."]

    def look_at(self, home: Path, in_use: Callable[[], Path | None], box: str) -> str:  # noqa: ARG002
        current = home / "current"
        if not current.exists():  # it is started with the first model (docs/engines.md)
            return "not asked: there is no model yet"
        engine = self.engine(current, box)
        if engine is None:
            return "not needed: the model in use has no language part"
        with engine:
            engine.verify()
        return f"{self.settings.host} serves the model in use, {current.readlink().name}"

    def forms(self, gguf_base: bool) -> Forms:
        named = self.settings.quantization
        if named == "auto":
            named = "f16" if gguf_base else "float32"
        # The exam is taken in float32, which a server may then miss by rounding only (daemon.model.engines.openai).
        return Forms(named, "float32", gguf=GGUF_TYPES.get(named), safetensors=named not in GGUF_TYPES)
