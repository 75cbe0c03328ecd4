"""Which model is in use. The database says it, the models' files lie beside it, and this loads them.

    state_dir/models/<mailbox>/<version>/     model.json, ct2/, linear/, ...      complete or not there at all

Promote and roll back are one transaction each. A running daemon notices at its next pass, since it asks the database.
"""

from __future__ import annotations

import shutil
import threading
from datetime import datetime
from pathlib import Path

import structlog

from daemon.classifier import Classifier
from daemon.engines.base import Engine, EngineError, EngineUnavailable
from daemon.engines.ollama import OllamaEngine, Publisher, serve_folder
from daemon.errors import PostroomError
from daemon.labels import Codebook, Entry
from daemon.settings import EngineSettings
from daemon.store import learning, mailboxes
from daemon.store.database import Database
from daemon.store.records import ModelRecord

log = structlog.get_logger()


class ModelError(PostroomError):
    """A model that was asked for cannot be used. Yesterday's goes on serving."""


class Registry:
    """The models of all mailboxes, each loaded at most once. Safe to share between threads."""

    def __init__(self, database: Database, engine: EngineSettings, models_dir: Path) -> None:
        self._database = database
        self._engine = engine
        self.models_dir = models_dir
        self._loaded: dict[int, tuple[str, Classifier | None]] = {}
        self._lock = threading.Lock()

    def classifier(self, mailbox: int) -> Classifier | None:
        """The current model, loaded; the previous one if that is damaged (which is logged once); None without either.

        Raises EngineUnavailable if a model server does not answer.
        """
        with self._database.begin() as tx:
            known = {model.state: model for model in learning.models(tx, mailbox)}
        current = known.get("current")
        with self._lock:
            version, classifier = self._loaded.get(mailbox, ("", None))
            if current is None or current.version == version:
                return classifier if current is not None else None
            if classifier is not None:
                classifier.close()
            fresh = self._load(mailbox, current)
            if fresh is None and "previous" in known:
                fresh = self._load(mailbox, known["previous"])
            self._loaded[mailbox] = (current.version, fresh)
            return fresh

    def _load(self, mailbox: int, model: ModelRecord) -> Classifier | None:
        try:
            return self._open(mailbox, model)
        except EngineUnavailable:
            raise  # nothing is wrong with the model: try again at the next poll
        except EngineError as error:
            log.error("model-refused", model=model.version, problem=str(error))
            return None

    def _open(self, mailbox: int, model: ModelRecord) -> Classifier:
        """Raises EngineError: damaged, of another codebook, or its server does not answer."""
        with self._database.begin() as tx:
            book = Codebook(tuple(Entry(code, uid) for code, uid in mailboxes.codebook(tx, mailbox)))
        folder = self.folder_of(model)
        return Classifier.load(folder, self._engine_for(folder), threads=self._engine.threads, codebook=book)

    def _engine_for(self, folder: Path) -> Engine | None:
        """The server's engine, where one serves and the model has a language part; None: the embedded one."""
        if self._engine.kind == "embedded" or not (folder / "gguf").is_dir():
            return None
        threads, longest = self._engine.threads, self._engine.max_tokens
        return serve_folder(self._engine.host, folder, folder.name, longest, threads)

    def _name_on_server(self, mailbox: int, model: ModelRecord) -> None:
        """Let the server's names say which model is in use and which one rollback returns to. Raises EngineError."""
        engine = self._engine_for(self.folder_of(model))
        if not isinstance(engine, OllamaEngine):
            return
        with self._database.begin() as tx:
            box = mailboxes.name_of(tx, mailbox)
        with engine, Publisher(self._engine.host) as publisher:
            publisher.promote(engine.model, f"postroom-{box}:current", f"postroom-{box}:previous")

    def folder_of(self, model: ModelRecord) -> Path:
        """Where its files lie."""
        return self.models_dir / model.folder

    def promote(self, mailbox: int, version: str, now: datetime) -> ModelRecord:
        """Put a model into use. Raises ModelError if there is none of this version or its files are damaged."""
        with self._database.begin() as tx:
            known = {model.version: model for model in learning.models(tx, mailbox)}
        model = known.get(version)
        if model is None:
            there = ", ".join(known) or "none yet"
            raise ModelError(version, "there is no such model.", f"There are: {there}.")
        if model.state == "removed":
            raise ModelError(version, "its files were removed to save space.", "Train again: `postroom train`.")
        try:
            self._open(mailbox, model).close()
            self._name_on_server(mailbox, model)
        except EngineError as error:
            raise ModelError(version, f"it cannot be used ({error}).", "The model in use stays.") from error
        with self._database.begin() as tx:
            learning.promote(tx, mailbox, version, now)
        return model

    def rollback(self, mailbox: int, now: datetime) -> ModelRecord:
        """Back to the previous model. Raises ModelError without one."""
        with self._database.begin() as tx:
            previous = next((each for each in learning.models(tx, mailbox) if each.state == "previous"), None)
        if previous is None:
            raise ModelError("models", "there is no previous model to go back to.", "See `postroom models`.")
        return self.promote(mailbox, previous.version, now)

    def prune(self, mailbox: int, keep: int) -> list[str]:
        """Remove the files of the oldest models beyond `keep`; never those of the current and the previous one."""
        with self._database.begin() as tx:
            present = [model for model in learning.models(tx, mailbox) if model.state != "removed"]
        spare = [model for model in present[keep:] if model.state not in ("current", "previous")]
        for model in spare:
            with self._database.begin() as tx:
                learning.mark_removed(tx, mailbox, model.version)
            shutil.rmtree(self.folder_of(model), ignore_errors=True)
        return [model.version for model in spare]

    def close(self) -> None:
        """Unload everything."""
        with self._lock:
            for _version, classifier in self._loaded.values():
                if classifier is not None:
                    classifier.close()
            self._loaded.clear()
