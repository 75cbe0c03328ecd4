"""What is asked of a mailbox's model in use without loading it. `Registry` loads it."""

from __future__ import annotations

from pathlib import Path

from daemon.model import model_folder
from daemon.model.codebook import Codebook, Entry
from daemon.model.engines.engine import EngineError
from daemon.model.engines.engine_kinds import EngineSettings
from daemon.model.prediction import Point
from daemon.model.reader_files import cache_of, reader_folder, whole_reader
from daemon.model.term_key import KEY_FILE, TermKey
from daemon.store import mailboxes, training
from daemon.store.database import Database
from daemon.store.records import ModelRecord


class ModelsInUse:
    """The models that the database says are in use, and their files in `models_dir`."""

    def __init__(self, database: Database, engine: EngineSettings, models_dir: Path) -> None:
        self._database = database
        self._engine = engine
        self.models_dir = models_dir
        self._refused: dict[int, tuple[str, str]] = {}
        """By mailbox the version in use that this process could not load, and why."""

    @property
    def key_file(self) -> Path:
        """Where the key of the models' words lies: not among the models, whose folder alone may be copied."""
        return self.models_dir.parent / KEY_FILE

    @property
    def readers(self) -> Path:
        """Where the readers that models share lie: with what the trainer has made of the base."""
        return cache_of(self.models_dir.parent)

    def folder_of(self, model: ModelRecord) -> Path:
        """Where its files lie."""
        return self.models_dir / model.folder

    def points(self, mailbox: int) -> tuple[Point, ...]:
        """The held-out answers of the model in use; none without a model or when it is damaged."""
        meta = self.meta(mailbox)
        return () if meta is None else meta.points

    def in_use(self, mailbox: int, *, sums: bool = False) -> tuple[bool, str | None]:
        """Is there a model in use that can be used? And why the one in use can't be, in words; None if it can, or if
        there is none. Loads nothing and makes no key. Without `sums`, which takes a second per gigabyte, a file that
        was changed and kept its length is noticed only after this process has tried to load it."""
        with self._database.read() as tx:
            current = training.current_model(tx, mailbox)
            book = Codebook(tuple(Entry(code, uid) for code, uid in mailboxes.codebook(tx, mailbox)))
        if current is None:
            return False, None
        try:
            key = TermKey.read(self.key_file)
            meta = model_folder.fitting(self.folder_of(current), key, book, sums=sums)
            if meta.reader:
                whole_reader(reader_folder(self.readers, meta.reader), sums=sums)
        except EngineError as error:
            return False, str(error)
        version, words = self._refused.get(mailbox, ("", ""))
        return (False, words) if version == current.version else (True, None)

    def forget_refusals(self) -> None:
        """What could not be loaded may have been put right: the next mail tries it."""
        self._refused.clear()

    def server_not_asked(self, mailbox: int) -> str | None:
        """In words, if the settings name a model server and the model in use needs none."""
        meta = self.meta(mailbox) if self._engine.ELSEWHERE else None
        if meta is None or meta.kind != "linear":
            return None
        return "not asked: the exam chose the linear model, which runs in Postroom itself"

    def meta(self, mailbox: int) -> model_folder.ModelMeta | None:
        """What is known of the model in use; None without one or when it is damaged."""
        with self._database.read() as tx:
            current = training.current_model(tx, mailbox)
        try:
            return None if current is None else model_folder.load(self.folder_of(current), check_files=False)
        except EngineError:
            return None
