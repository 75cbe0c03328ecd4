"""Which model is in use. The database says it, the models' files lie beside it, and this loads them.

    state_dir/models/<mailbox>/<version>/     model.json, ct2/, linear/, ...      complete or not there at all
    state_dir/model.key                       under which all models' words are hashed (daemon/model/term_key.py)

Promote and roll back are one transaction each. A running daemon notices at its next pass, since it asks the database.
What that means to the engine is the engine's own business (daemon.model.engines.serving). A model server that others
restart answers until then as the previous model, which is recognised by its answers and goes on serving; the current
one is tried again at every pass. While another model answers to the name of ours, mail waits.
"""

from __future__ import annotations

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
from daemon.model.engines.engine import EngineError, EngineUnavailable, OtherModel
from daemon.model.engines.engine_kinds import EngineSettings
from daemon.model.prediction import Point, TriedHint
from daemon.model.term_key import TermKey
from daemon.settings.credentials import Credentials
from daemon.store import mailboxes, sharing, training
from daemon.store.database import Database
from daemon.store.records import ModelRecord
from daemon.training.in_use import ModelsInUse

log = structlog.get_logger()


class ModelError(PostroomError):
    """A model that was asked for cannot be used. Yesterday's goes on serving."""


MOST_LOADED = 48
"""Models that stay in memory, those used last: some 6 MB each beside what they share. Loading one again takes a tenth
of a second, and only mail that came asks for it."""


class Registry(ModelsInUse):
    """The models of all mailboxes, each loaded at most once at a time. Safe to share between threads. Where mailboxes
    share, whatever is asked about one is told or done of the lender's; each has its own copy loaded, which learns with
    its own memory."""

    def __init__(
        self, database: Database, engine: EngineSettings, models_dir: Path, credentials: Credentials | None = None
    ) -> None:
        super().__init__(database, engine, models_dir)
        self.serving = engine.serving(None if credentials is None else credentials.read)
        self._loaded: dict[int, tuple[str, Classifier | None]] = {}
        """By mailbox, the last used last, the version in use and what serves; None: it is refused, which the log has,
        and tried again."""
        self._order = threading.Lock()
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
        current, served = known.get("current"), self._engine.ELSEWHERE
        with self._lock_of(mailbox):
            version, classifier = self._loaded.get(mailbox, ("", None))
            if current is None:
                self._unload(mailbox)  # `forget` took it out of use
                return None
            known_to_fail = current.version == version and classifier is None
            self._refused.pop(mailbox, None)
            serves = current.version == version and mailbox not in self._waiting
            if serves and classifier is not None and self.serving.still_there(classifier):
                self._keep(mailbox, version, classifier)
                return classifier
            self._unload(mailbox)
            self.serving.point_at(self.folder_of(current))  # again: we may have been stopped before the database knew
            quiet = known_to_fail or mailbox in self._waiting
            fresh, problem = self._load(mailbox, current, quiet=quiet)
            self._waiting.discard(mailbox)
            if problem is not None:
                if not served:
                    self._refused[mailbox] = (current.version, str(problem))
                if self.serving.others_restart or (served and isinstance(problem, OtherModel)):
                    self._waiting.add(mailbox)
                if isinstance(problem, OtherModel):
                    raise problem  # the previous one's name may be another's as well: mail waits, and somebody is told
                spare = known.get("previous")
                if spare is not None:
                    fresh, _ = self._load(mailbox, spare, quiet=known_to_fail or mailbox in self._waiting)
                if fresh is None and served:
                    self._waiting.add(mailbox)
                    raise EngineUnavailable(str(problem)) from problem  # mail waits until the server serves our model
            if served:
                self.tidy_server(mailbox, only_names=True)  # it may have lost them with the model
            self._keep(mailbox, current.version, fresh)
            return fresh

    def _keep(self, mailbox: int, version: str, classifier: Classifier | None) -> None:
        """This one was used last. Whatever is one too many is let go and not closed: a pass may be asking it."""
        with self._order:
            self._loaded.pop(mailbox, None)
            self._loaded[mailbox] = (version, classifier)
            while len(self._loaded) > MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]

    def _unload(self, mailbox: int) -> None:
        """Unload the mailbox's model. Whoever calls this holds the mailbox's lock."""
        with self._order:
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
            box = sharing.teacher_name(tx, mailbox)
        folder = self.folder_of(model)
        engine = self.serving.engine(folder, box, anew)
        return Classifier.load(
            folder, self.term_key(), engine, threads=self._engine.threads, codebook=book, readers=self.readers
        )

    def tidy_server(self, mailbox: int, *, only_names: bool = False) -> list[str]:
        """Let a server's `current` and `previous` mean what the database says, and remove what is neither of the two.

        A model of the two that the server has lost goes up again.
        Rejected and withdrawn models, old versions: their files stay here as long as `keep_models` says, and go up
        again when somebody promotes one. `only_names`: remove no model, for a training may be taking its exam. Returns
        what was removed; nothing when the server does not answer, for the next night tidies as well.
        """
        with self._database.read() as tx:
            box = sharing.teacher_name(tx, mailbox)
            models = training.models(tx, mailbox)
        kept: dict[str, Path] = {
            model.state: self.folder_of(model) for model in models if model.state in ("current", "previous")
        }
        return self.serving.tidy(box, kept, only_names)

    def judged_by(self, mailbox: int, version: str) -> tuple[tuple[Point, ...], tuple[TriedHint, ...]]:
        """The held-out answers of one version, and the hints that were tried for it. Raises ModelError if there is
        none, or its files are gone or damaged."""
        with self._database.read() as tx:
            model = _version(training.models(tx, mailbox), version)
        try:
            meta = model_folder.load(self.folder_of(model), check_files=False)
        except EngineError as error:
            raise ModelError(version, f"its file cannot be read ({error}).", "See `postroom models`.") from error
        return meta.points, meta.hints

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
            model, box = _version(training.models(tx, mailbox), version), sharing.teacher_name(tx, mailbox)
        if model.state == "removed":
            raise ModelError(version, "its files were removed to save space.", "Train again: `postroom train`.")
        try:
            self.serving.prove(lambda anew: self._open(mailbox, model, anew), model.version)
            self.serving.promote(self.folder_of(model), box)
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
            previous = next((record for record in training.models(tx, mailbox) if record.state == "previous"), None)
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
                self.serving.withdraw(folder)
            shutil.rmtree(folder, ignore_errors=True)
        with self._lock_of(mailbox):
            version, _ = self._loaded.get(mailbox, ("", None))
            if version in {model.version for model in models}:
                self._unload(mailbox)

    def _sweep(self, mailbox: int) -> None:
        """Remove folders that no model is registered for: a crash came between a folder and its record."""
        with self._database.read() as tx:
            home = self.models_dir / sharing.teacher_name(tx, mailbox)
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


def _version(models: Sequence[ModelRecord], version: str) -> ModelRecord:
    found = next((model for model in models if model.version == version), None)
    if found is None:
        there = ", ".join(model.version for model in models) or "none yet"
        raise ModelError(version, "there is no such model.", f"There are: {there}.")
    return found
