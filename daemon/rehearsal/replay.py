"""The real office of a rehearsal: the daemon's own store, trainer, policy and decisions, in a folder thrown away.

learn    writes message and lesson rows, and a correction where people moved or filed what had been decided about
train    calls daemon.training.hand_over
decide   calls daemon.passes.decide, and stores the decision as daemon.passes.sort does

Its clock is the mail's: it shows the latest date that has come. What was filed rightly lies where people read it, and
is confirmed when `confirm_after` has passed. So what became of decisions is evidence here, as in the service.
"""

from __future__ import annotations

import hashlib
import resource
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from connectors.base import Identity, MailText, Message, MessageRef, Sighting
from connectors.in_memory import MemoryConnector, MemorySettings
from connectors.mailbox_settings import RuleSettings
from daemon.mistakes import PostroomError
from daemon.model.as_read import as_read
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.model.reader_files import PREFIX, cache_of
from daemon.passes.decide import Asked, decisions_about
from daemon.passes.desk import Desk
from daemon.passes.sort import write_down
from daemon.rehearsal.back_test import LabelledMail, Office, Trained, Verdict
from daemon.settings import Settings
from daemon.state.scratch import scratch_folder
from daemon.store import learning, mailboxes, messages, outcomes
from daemon.store.database import Database, Tx
from daemon.store.records import Category
from daemon.training.hand_over import train
from daemon.training.registry import Registry
from daemon.training.trainer_process import ShowProgress

NAME = "rehearsal"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Made:
    """A stored decision of which nobody has said yet that it was wrong. `category`: where it filed; None: left."""

    id: int
    category: str | None
    at: datetime


class RehearsedOffice(Office):
    """A mailbox that exists only on paper. Use it in `with`: its folder holds mail text and is removed.

    `desk` is what passes work at, `categories` are those of its folders so far, by name.
    """

    def __init__(
        self,
        settings: Settings,
        hides: frozenset[str] = frozenset(),
        state_dir: Path | None = None,
        rules: Sequence[RuleSettings] = (),
    ) -> None:
        """`settings`: engine, training and sorting are taken from them. `hides`: folders people stop looking into.
        `rules`: the owner's, with folders for categories.

        `state_dir`: where to work; None: in the directory for temporary files, for whoever has no state directory.
        """
        self._scratch: AbstractContextManager[Path | str]
        if state_dir is not None:
            self._scratch = scratch_folder(state_dir, NAME)
        else:
            self._scratch = tempfile.TemporaryDirectory(prefix="postroom-rehearsal-", ignore_cleanup_errors=True)
        self._folder = Path(self._scratch.__enter__())
        # A model server would have to be given every model of a rehearsal, and answers for one mailbox: not this one.
        engine = settings.engine
        if engine.ELSEWHERE:
            engine = EmbeddedSettings(base=engine.base, threads=engine.threads, max_tokens=engine.max_tokens)
        self.settings = settings.model_copy(update={"state_dir": self._folder, "engine": engine})
        self._share_prepared_base(settings)
        self._hides = hides
        self._now = LONG_AGO
        self._database = Database.open(self._folder / "postroom.sqlite")
        self._registry = Registry(self._database, engine, self._folder / "models")
        with self._database.begin() as tx:
            box = mailboxes.ensure(tx, NAME, "imap", "live", self._now)
        self.desk = Desk(
            settings=MemorySettings(name=NAME, credential="none", rule=tuple(rules)),
            sorting=settings.sorting,
            database=self._database,
            connector=MemoryConnector(),
            registry=self._registry,
            mailbox_id=box.id,
            clock=lambda: self._now,
        )
        self.categories: dict[str, Category] = {}
        self._names: dict[str, str] = {}
        self._known: dict[str, int] = {}
        self._made: dict[int, _Made] = {}
        """By message, and only until it is known what became of them."""
        self.progress: ShowProgress | None = None

    def _share_prepared_base(self, settings: Settings) -> None:
        """The prepared base model and the shared reader are the same for every training on this machine: do not make
        them again.

        It alone: what the base makes of the rehearsed mail goes when the rehearsal ends.
        """
        own = cache_of(self._folder)
        own.mkdir(parents=True)
        cache = cache_of(settings.state_dir)
        for made in (*cache.glob("base-*"), *cache.glob(f"{PREFIX}*")):
            (own / made.name).symlink_to(made)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._registry.close()
        self._database.close()
        self._scratch.__exit__(kind, error, trace)

    def learn(self, mails: Sequence[LabelledMail]) -> None:
        """Lessons, each with its message, so that its thread is found again; what was left or filed elsewhere by us is
        a correction, too."""
        with self._database.begin() as tx:
            for mail in mails:
                self._date_has_come(tx, mail.at)
                category = self._category(tx, mail.folder)
                message = self._message(tx, mail)
                correction = self._correction(tx, message, category)
                learning.teach(
                    tx,
                    self.desk.mailbox_id,
                    category.uid,
                    mail.text,
                    mail.at,
                    source="folder" if correction is None else "correction",
                    message=message,
                    thread=messages.get(tx, message).thread,
                    correction=correction,
                )

    def train(self) -> Trained:
        """Raises PostroomError if training failed: the figures after it would be about nothing."""
        before = _children_cpu_s()
        outcome = train(
            self._database,
            self._registry,
            self.settings,
            self.desk.mailbox_id,
            lambda: self._now,
            progress=self.progress,
        )
        if outcome.outcome == "failed":
            raise PostroomError("training", outcome.verdict, "Nothing was moved, here or anywhere.")
        return Trained(_children_cpu_s() - before, outcome.outcome)

    def decide(self, mail: LabelledMail) -> Verdict:
        """Just as the daemon does, by the same function. Its mail has no flags or marks, so none is left alone."""
        with self._database.begin() as tx:
            self._date_has_come(tx, mail.at)
            known = messages.get(tx, self._message(tx, mail))
        decided = decisions_about(self.desk, [Asked(Message(_sighting(mail), mail.text), known)])
        [decision] = decided.made
        with self._database.begin() as tx:
            made = write_down(tx, known.id, self._now, decision, decided.policy.model, "live")
        self._made[known.id] = _Made(made, decision.category, self._now)
        guess = decision.category or decision.best
        return Verdict(
            best=None if guess is None else self._names[guess],
            filed=None if decision.category is None else self._names[decision.category],
            classify_ms=decided.classify_ms,
            source=decision.source,
        )

    def _correction(self, tx: Tx, message: int, category: Category) -> int | None:
        """The correction that says so, where a decision about this message was another; None: it was not."""
        made = self._made.get(message)
        if made is None or made.category == category.uid:
            return None
        del self._made[message]
        before = None if made.category is None else self._names[made.category]
        return learning.add_correction(
            tx,
            message,
            self._now,
            "filing" if before is None else "correction",
            from_category=made.category,
            to_category=category.uid,
            from_folder=before or self.desk.settings.inbox,
            to_folder=category.folder,
            who=None,
            decision=made.id,
        )

    def _date_has_come(self, tx: Tx, at: datetime) -> None:
        """The clock never goes back. What has rested long enough where it was filed is right."""
        self._now = max(self._now, at)
        until = self._now - self.desk.sorting.confirm_after
        rested = [message for message, made in self._made.items() if made.category is not None and made.at <= until]
        outcomes.confirm(tx, [self._made.pop(message).id for message in rested], self._now)

    def _category(self, tx: Tx, folder: str) -> Category:
        """The folder's category; made the first time."""
        if folder not in self.categories:
            wanted = Category("", folder, folder, hides=folder in self._hides)
            made = mailboxes.add_category(tx, self.desk.mailbox_id, wanted, self._now)
            self.categories[folder], self._names[made.uid] = made, folder
        return self.categories[folder]

    def _message(self, tx: Tx, mail: LabelledMail) -> int:
        """The message's row; made the first time."""
        digest = _digest(mail)
        if digest not in self._known:
            self._known[digest] = messages.add(tx, self.desk.mailbox_id, _sighting(mail), "new", self._now, None)
        return self._known[digest]


def _digest(mail: LabelledMail) -> str:
    key = f"{mail.message_id}\0{mail.at.isoformat()}\0{mail.text.sender}\0{mail.text.subject}\0{mail.text.body}"
    return hashlib.sha256(key.encode()).hexdigest()


def _sighting(mail: LabelledMail) -> Sighting:
    return Sighting(
        ref=MessageRef(mail.folder, 1, 1),
        identity=Identity(None, mail.message_id, _digest(mail)),
        arrived=mail.at,
        references=mail.references,
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_words(lessons: Sequence[LabelledMail], questions: Sequence[LabelledMail]) -> list[str]:
    """TF-IDF of words and of pieces of words, and a linear SVM: what the language model has to beat."""
    if len({mail.folder for mail in lessons}) < 2:
        return [lessons[0].folder] * len(questions)
    # Here, because a process that only serves should not pay 60 MB for it.
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline, make_union  # type: ignore[import-untyped]
    from sklearn.svm import LinearSVC  # type: ignore[import-untyped]

    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_features=60_000),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=3, max_features=60_000),
        ),
        LinearSVC(C=0.5),
    )
    model.fit([_words(mail.text) for mail in lessons], [mail.folder for mail in lessons])
    return [str(folder) for folder in model.predict([_words(mail.text) for mail in questions])]


def _words(text: MailText) -> str:
    text = as_read(text)
    return "\n".join([text.sender, text.to, text.list_id, text.subject, *text.attachments, text.body])
