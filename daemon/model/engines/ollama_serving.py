"""Serving by Ollama: models are uploaded, and its names current and previous mean what the registry says.

What the server lost goes up again; what is in use nowhere goes from it, and stays in the models' folders here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from daemon.model import model_folder
from daemon.model.engines.engine import Engine, EngineError, ModelMissing, ModelRefused, OtherModel
from daemon.model.engines.fingerprint import Fingerprint
from daemon.model.engines.ollama import OllamaEngine, Publisher, engine_on, name_on_server, names_of, serve_folder
from daemon.model.engines.serving import GGUF_TYPES, Forms, Serving
from daemon.model.model_folder import ModelFolder

if TYPE_CHECKING:
    from daemon.model.classifier import Classifier

log = structlog.get_logger()


class OllamaServing(Serving):
    """One server for all mailboxes; the names of each begin with its own."""

    def engine(self, folder: Path, box: str, anew: bool = False) -> OllamaEngine | None:
        if not ModelFolder(folder).has_gguf:
            return None
        form, known = model_folder.load(folder, check_files=False).quantization, Fingerprint.load(folder)
        host, threads, longest = self.settings.host, self.settings.threads, self.settings.max_tokens
        return serve_folder(host, folder, box, folder.name, longest, threads, form, known, anew)

    def still_there(self, classifier: Classifier) -> bool:
        try:
            classifier.verify()
        except ModelMissing:
            return False  # somebody emptied it: loading publishes again
        return True

    def promote(self, folder: Path, box: str) -> None:
        """Let the server's names say which model is in use and which one rollback returns to."""
        engine = self.engine(folder, box)
        if engine is None:
            return
        with engine, Publisher(self.settings.host) as publisher:
            publisher.promote(engine.model, f"{names_of(box)}current", f"{names_of(box)}previous")

    def prove(self, opened: Callable[[bool], AbstractContextManager[Classifier]], version: str) -> None:
        """Where another model has its name, it is published again."""
        with opened(False) as classifier:
            try:
                classifier.verify()
                return
            except OtherModel as error:
                log.warning("published-again", model=version, problem=str(error))
        with opened(True) as classifier:
            classifier.verify()

    def tidy(self, box: str, kept: Mapping[str, Path], only_names: bool) -> list[str]:
        prefix, there = names_of(box), dict[str, str]()
        try:
            with Publisher(self.settings.host) as publisher:
                listed = publisher.names()
                for state, folder in kept.items():
                    if ModelFolder(folder).has_gguf and (name := _there(publisher, listed, folder, box)):
                        publisher.point(f"{prefix}{state}", name)
                        there[f"{prefix}{state}"] = name
                if not only_names:
                    return publisher.keep_only(prefix, {*there, *there.values()})
                stale = [name for name in (f"{prefix}current", f"{prefix}previous") if name not in there]
                for name in stale:
                    publisher.remove(name)
                return stale
        except (EngineError, OSError) as error:
            log.warning("server-not-tidied", problem=str(error))
            return []

    def problem(self) -> str | None:
        try:
            with Publisher(self.settings.host, timeout=10) as publisher:
                publisher.ready(self.settings.quantization)
        except EngineError as error:
            return str(error)
        return None

    def left_behind(self, box: str, in_use: bool) -> list[str]:
        try:
            with Publisher(self.settings.host, timeout=10) as server:
                left = [name for name in server.names() if name.startswith(names_of(box))]
        except EngineError as error:
            return [f"The model server could not be asked to remove its copies: {error}"]
        return [f"The model server still has {', '.join(left)}."] if left and not in_use else []

    def looks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "model server", self._answers

    def _answers(self) -> str:
        """Does Ollama answer, and can it serve what the next training makes? Raises EngineError."""
        with Publisher(self.settings.host, timeout=10) as server:
            version, count = server.ready(self.settings.quantization), len(server.names())
        models = "model" if count == 1 else "models"
        return f"Ollama {version} at {self.settings.host} answers; it has {count} {models}"

    def look_at(self, home: Path, in_use: Callable[[], Path | None], box: str) -> str:  # noqa: ARG002
        """Is it this mailbox's model in use that answers to its name?"""
        folder, engine = in_use(), self.settings
        if folder is None:
            return "not asked: there is no model yet"
        meta = model_folder.load(folder, check_files=False)
        if meta.kind == "linear":
            return "not asked: the model in use has no language part"
        name = name_on_server(folder, box, folder.name, meta.quantization)
        known = Fingerprint.load(folder)
        try:
            with engine_on(engine.host, name, box, folder.name, engine.max_tokens, engine.threads, known) as server:
                server.verify()
        except ModelMissing:
            return f"{engine.host} has not got the model in use, {folder.name}; the next pass publishes it"
        return f"{engine.host} serves the model in use, {folder.name}"

    def forms(self, gguf_base: bool) -> Forms:  # noqa: ARG002
        named = "q8_0" if self.settings.quantization == "auto" else self.settings.quantization
        # A K-quant is made by Ollama, of a file that is F16 throughout.
        return Forms(named, gguf=GGUF_TYPES.get(named, "F16"), whole=named not in GGUF_TYPES)

    def examined(self, folder: Path, box: str, version: str, form: str, threads: int) -> OllamaEngine:
        """By the server. A model that has taken its exam is recognised by what it answered then."""
        known = None
        if ModelFolder(folder).meta.is_file():
            meta, known = model_folder.load(folder, check_files=False), Fingerprint.load(folder)
            version, form = meta.version, meta.quantization
        host, longest = self.settings.host, self.settings.max_tokens
        return serve_folder(host, folder, box, version, longest, threads, form, known)

    def recognise(self, engine: Engine, known: Fingerprint) -> None:
        """By what the server answers now."""
        assert isinstance(engine, OllamaEngine)
        engine.recognise(known)


def _there(publisher: Publisher, listed: Sequence[str], folder: Path, box: str) -> str:
    """The name of a model on the server, published if it is not `listed`; "" if the server takes it no more."""
    form = model_folder.load(folder, check_files=False).quantization
    name = name_on_server(folder, box, folder.name, form)
    try:
        if name not in listed:
            publisher.publish_folder(folder, name, form)
    except ModelRefused as error:
        log.warning("not-published", model=folder.name, problem=str(error))
        return ""
    return name
