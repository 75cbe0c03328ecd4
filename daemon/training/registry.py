"""Which model is in use. The database says it, the models' files lie beside it, and this loads them.

    state_dir/models/<mailbox>/<version>/     model.json, ct2/, linear/, ...      complete or not there at all
    state_dir/model.key                       under which all models' words are hashed (daemon/model/term_key.py)
    state_dir/models/<mailbox>/current        for kind = "openai": a link to the folder that the model server reads

Promote and roll back are one transaction each. A running daemon notices at its next pass, since it asks the database.
A model server of kind "openai" is restarted by whoever runs it. Until then it answers as the previous model, which is
recognised by its answers and goes on serving; the current one is tried again at every pass. Ollama gets its models from
here: what it lost is published again, and while another model answers to our name, mail waits.
"""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import structlog

from daemon.mistakes import PostroomError
from daemon.model import model_folder
from daemon.model.classifier import Classifier
from daemon.model.codebook import Codebook, Entry
from daemon.model.engines.engine import Engine, EngineError, EngineUnavailable, ModelMissing, ModelRefused, OtherModel
from daemon.model.engines.fingerprint import Fingerprint
from daemon.model.engines.ollama import OllamaEngine, Publisher, name_on_server, names_of, serve_folder
from daemon.model.engines.openai import OpenAIEngine
from daemon.model.model_folder import ModelFolder
from daemon.model.prediction import Point
from daemon.model.term_key import TermKey
from daemon.settings import EngineSettings
from daemon.settings.credentials import Credentials
from daemon.store import mailboxes, training
from daemon.store.database import Database
from daemon.store.records import ModelRecord
from daemon.training.in_use import ModelsInUse

log = structlog.get_logger()


class ModelError(PostroomError):
    """A model that was asked for cannot be used. Yesterday's goes on serving."""


class Registry(ModelsInUse):
    """The models of all mailboxes, each loaded at most once. Safe to share between threads."""

    def __init__(
        self, database: Database, engine: EngineSettings, models_dir: Path, credentials: Credentials | None = None
    ) -> None:
        super().__init__(database, engine, models_dir)
        self._credentials = credentials
        self._loaded: dict[int, tuple[str, Classifier | None]] = {}
        """By mailbox the version in use and what serves; None: it is refused, which the log has, and tried again."""
        self._waiting: set[int] = set()
        """Mailboxes whose model server does not serve the current model yet."""
        self._locks: dict[int, threading.Lock] = {}
        """One a mailbox: loading one's model, or a model server that hangs, must not make the others wait."""

    def classifier(self, mailbox: int) -> Classifier | None:
        """The current model, loaded; the previous one if that is damaged (which is logged once); None without either.

        Raises EngineUnavailable if a model server does not answer, OtherModel while it serves another one as ours.
        """
        with self._database.read() as tx:
            known = {model.state: model for model in training.models(tx, mailbox)}
        current, served = known.get("current"), self._engine.kind != "embedded"
        with self._lock_of(mailbox):
            version, classifier = self._loaded.get(mailbox, ("", None))
            if current is None:
                self._unload(mailbox)  # `forget` took it out of use
                return None
            known_to_fail = current.version == version and classifier is None
            self._refused.pop(mailbox, None)
            serves = current.version == version and classifier is not None and mailbox not in self._waiting
            if serves and self._still_there(classifier):
                return classifier
            self._unload(mailbox)
            if self._engine.kind == "openai":
                self._link(current)  # again, in case that we were stopped between the link and the database
            quiet = known_to_fail or mailbox in self._waiting
            fresh, problem = self._load(mailbox, current, quiet=quiet)
            self._waiting.discard(mailbox)
            if problem is not None:
                if not served:
                    self._refused[mailbox] = (current.version, str(problem))
                if self._engine.kind == "openai" or (served and isinstance(problem, OtherModel)):
                    self._waiting.add(mailbox)
                if isinstance(problem, OtherModel):
                    raise problem  # the previous one's name may be another's as well: mail waits, and somebody is told
                spare = known.get("previous")
                if spare is not None:
                    fresh, _ = self._load(mailbox, spare, quiet=known_to_fail or mailbox in self._waiting)
                if fresh is None and served:
                    self._waiting.add(mailbox)
                    raise EngineUnavailable(str(problem)) from problem  # mail waits until the server serves our model
            if self._engine.kind == "ollama":
                self.tidy_server(mailbox, only_names=True)  # it may have lost them with the model
            self._loaded[mailbox] = (current.version, fresh)
            return fresh

    def _still_there(self, classifier: Classifier | None) -> bool:
        """Does Ollama still have the loaded model? Raises EngineError: it does not answer, or has another one."""
        if self._engine.kind != "ollama" or classifier is None:
            return True
        try:
            classifier.verify()
        except ModelMissing:
            return False  # somebody emptied it: loading publishes again
        return True

    def _unload(self, mailbox: int) -> None:
        """Whoever calls this holds the mailbox's lock."""
        _, classifier = self._loaded.pop(mailbox, ("", None))
        if classifier is not None:
            classifier.close()

    def _lock_of(self, mailbox: int) -> threading.Lock:
        return self._locks.setdefault(mailbox, threading.Lock())  # atomic

    def _load(
        self, mailbox: int, model: ModelRecord, quiet: bool = False
    ) -> tuple[Classifier | None, EngineError | None]:
        """The model, or why not. Raises EngineUnavailable: nothing is wrong with the model, so try at the next poll."""
        try:
            classifier = self._open(mailbox, model)
        except EngineUnavailable:
            raise
        except EngineError as error:
            if not quiet:
                log.error("model-refused", model=model.version, problem=str(error))
            return None, error
        try:
            classifier.verify()
        except EngineUnavailable:
            classifier.close()
            raise
        except EngineError as error:
            classifier.close()
            if not quiet:
                log.warning("model-not-served", model=model.version, problem=str(error))
            return None, error
        return classifier, None

    def _open(self, mailbox: int, model: ModelRecord, anew: bool = False) -> Classifier:
        """Raises EngineError: damaged, of another codebook, or its server does not answer. `anew`: upload it again."""
        with self._database.read() as tx:
            book = Codebook(tuple(Entry(code, uid) for code, uid in mailboxes.codebook(tx, mailbox)))
            box = mailboxes.name_of(tx, mailbox)
        folder = self.folder_of(model)
        engine = self._engine_for(folder, box, anew)
        return Classifier.load(folder, self.term_key(), engine, threads=self._engine.threads, codebook=book)

    def _engine_for(self, folder: Path, box: str, anew: bool = False) -> Engine | None:
        """The server's engine, where one serves and the model has a language part; None: the embedded one."""
        settings = self._engine
        if settings.kind == "openai":
            return served_elsewhere(settings, folder, box, self._credentials)
        if settings.kind != "ollama" or not ModelFolder(folder).has_gguf:
            return None
        form, known = model_folder.load(folder, check_files=False).quantization, Fingerprint.load(folder)
        threads, longest = settings.threads, settings.max_tokens
        return serve_folder(settings.host, folder, box, folder.name, longest, threads, form, known, anew)

    def _name_on_server(self, mailbox: int, model: ModelRecord) -> None:
        """Let the server's names say which model is in use and which one rollback returns to. Raises EngineError."""
        if self._engine.kind == "openai":
            return self._link(model)
        with self._database.read() as tx:
            box = mailboxes.name_of(tx, mailbox)
        engine = self._engine_for(self.folder_of(model), box)
        if not isinstance(engine, OllamaEngine):
            return None
        with engine, Publisher(self._engine.host) as publisher:
            publisher.promote(engine.model, f"{names_of(box)}current", f"{names_of(box)}previous")
        return None

    def _prove(self, mailbox: int, model: ModelRecord) -> None:
        """Can it be used? Where another model has its name at Ollama, it is published again. Raises EngineError."""
        with self._open(mailbox, model) as opened:
            try:
                if self._engine.kind == "ollama":  # the other servers are restarted for it only later
                    opened.verify()
                return
            except OtherModel as error:
                log.warning("published-again", model=model.version, problem=str(error))
        with self._open(mailbox, model, anew=True) as opened:
            opened.verify()

    def _link(self, model: ModelRecord) -> None:
        """Let `current` beside the models' folders mean this one, and `current.version` say so. Raises EngineError."""
        folder = self.folder_of(model)
        link, note = folder.with_name("current"), folder.with_name("current.version")
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

    def tidy_server(self, mailbox: int, *, only_names: bool = False) -> list[str]:
        """Let Ollama's `current` and `previous` mean what the database says, and remove what is neither of the two.

        A model of the two that the server has lost goes up again.
        Rejected and withdrawn models, old versions: their files stay here as long as `keep_models` says, and go up
        again when somebody promotes one. `only_names`: remove no model, for a training may be taking its exam. Returns
        what was removed; nothing when the server does not answer, for the next night tidies as well.
        """
        if self._engine.kind != "ollama":
            return []
        with self._database.read() as tx:
            box = mailboxes.name_of(tx, mailbox)
            kept = [model for model in training.models(tx, mailbox) if model.state in ("current", "previous")]
        prefix, there = names_of(box), dict[str, str]()
        try:
            with Publisher(self._engine.host) as publisher:
                listed = publisher.names()
                for model in kept:
                    folder = self.folder_of(model)
                    if ModelFolder(folder).has_gguf and (name := self._there(publisher, listed, folder, box)):
                        publisher.point(f"{prefix}{model.state}", name)
                        there[f"{prefix}{model.state}"] = name
                if not only_names:
                    return publisher.keep_only(prefix, {*there, *there.values()})
                stale = [name for name in (f"{prefix}current", f"{prefix}previous") if name not in there]
                for name in stale:
                    publisher.remove(name)
                return stale
        except (EngineError, OSError) as error:
            log.warning("server-not-tidied", problem=str(error))
            return []

    def _there(self, publisher: Publisher, listed: Sequence[str], folder: Path, box: str) -> str:
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

    def server_problem(self) -> str | None:
        """Why Ollama could not take what a training makes: in words, before anybody pays for the training."""
        if self._engine.kind != "ollama":
            return None
        try:
            with Publisher(self._engine.host, timeout=10) as publisher:
                publisher.ready(self._engine.quantization)
        except EngineError as error:
            return str(error)
        return None

    def points_of(self, mailbox: int, version: str) -> tuple[Point, ...]:
        """The held-out answers of one version. Raises ModelError if there is none, or its files are gone or damaged."""
        with self._database.read() as tx:
            model = _version(training.models(tx, mailbox), version)
        try:
            return model_folder.load(self.folder_of(model), check_files=False).points
        except EngineError as error:
            raise ModelError(version, f"its file cannot be read ({error}).", "See `postroom models`.") from error

    def term_key(self) -> TermKey:
        """The key, made at its first use, and read anew at every one: a lost one may have been brought back. Raises
        ModelRefused."""
        return TermKey.of(self.key_file.parent)

    def promote(self, mailbox: int, version: str, now: datetime, *, withdraw: str | None = None) -> ModelRecord:
        """Put a model into use. Raises ModelError if there is none of this version or its files are damaged.

        The one that is in use keeps its predecessor, and goes up to Ollama again where another model took its name.
        `withdraw`: why the one in use is bad, so that nothing returns to it by itself.
        """
        with self._database.read() as tx:
            model = _version(training.models(tx, mailbox), version)
        if model.state == "removed":
            raise ModelError(version, "its files were removed to save space.", "Train again: `postroom train`.")
        try:
            self._prove(mailbox, model)
            self._name_on_server(mailbox, model)
        except EngineError as error:
            raise ModelError(version, f"it cannot be used ({error}).", "The model in use stays.") from error
        with self._database.begin() as tx:
            moved = training.promote(tx, mailbox, version, now)
            if withdraw is not None and moved:
                training.withdraw(tx, mailbox, now, withdraw)
        self.tidy_server(mailbox, only_names=True)
        return model

    def rollback(self, mailbox: int, now: datetime) -> ModelRecord:
        """Back to the previous model. Raises ModelError without one."""
        with self._database.read() as tx:
            previous = next((each for each in training.models(tx, mailbox) if each.state == "previous"), None)
        if previous is None:
            raise ModelError("models", "there is no previous model to go back to.", "See `postroom models`.")
        return self.promote(mailbox, previous.version, now)

    def prune(self, mailbox: int, keep: int) -> list[str]:
        """Remove the files of the oldest models beyond `keep`; never those of the current and the previous one.

        Nor those of a withdrawn one that none has beaten yet. What a crash left behind is removed as well.
        """
        with self._database.read() as tx:
            models = training.models(tx, mailbox)
        present = [model for model in models if model.state != "removed"]
        rival = training.withdrawn_model(models)
        needed = {model.version for model in models if model.state in ("current", "previous") or model is rival}
        spare = [model for model in present[keep:] if model.version not in needed]
        for model in spare:
            with self._database.begin() as tx:
                training.mark_removed(tx, mailbox, model.version)
            shutil.rmtree(self.folder_of(model), ignore_errors=True)
        self._sweep(mailbox)
        return [model.version for model in spare]

    def remove(self, mailbox: int, models: Sequence[ModelRecord]) -> None:
        """Take these out of use and delete their files, the one in use among them: then none serves until the next
        training. The model server is tidied by `tidy_server`."""
        for model in models:
            with self._database.begin() as tx:
                training.mark_removed(tx, mailbox, model.version)
            folder = self.folder_of(model)
            if model.state == "current":
                for pointer in (folder.with_name("current"), folder.with_name("current.version")):
                    pointer.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
        with self._lock_of(mailbox):
            version, _ = self._loaded.get(mailbox, ("", None))
            if version in {model.version for model in models}:
                self._unload(mailbox)

    def _sweep(self, mailbox: int) -> None:
        """Remove folders that no model is registered for: a crash came between a folder and its record."""
        with self._database.read() as tx:
            home = self.models_dir / mailboxes.name_of(tx, mailbox)
            wanted = {self.folder_of(model) for model in training.models(tx, mailbox) if model.state != "removed"}
        for folder in home.iterdir() if home.is_dir() else ():
            if folder.is_dir() and not folder.is_symlink() and folder not in wanted:
                log.info("leftover-removed", folder=folder.name)
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Unload everything."""
        for mailbox in list(self._loaded):
            with self._lock_of(mailbox):
                self._unload(mailbox)


def served_elsewhere(
    settings: EngineSettings, folder: Path, box: str, credentials: Credentials | None
) -> OpenAIEngine | None:
    """For kind "openai", the server that should serve this folder; None if its model has no language part.

    Raises EngineError.
    """
    if not (ModelFolder(folder).has_gguf or ModelFolder(folder).hf.is_dir()):
        return None
    name, key = settings.credential, None
    if name and credentials is not None:
        key = functools.partial(credentials.read, name)
    return OpenAIEngine(settings.host, f"postroom-{box}", Fingerprint.load(folder), key, ca_file=settings.ca_file)


def _version(models: Sequence[ModelRecord], version: str) -> ModelRecord:
    found = next((model for model in models if model.version == version), None)
    if found is None:
        there = ", ".join(model.version for model in models) or "none yet"
        raise ModelError(version, "there is no such model.", f"There are: {there}.")
    return found
