"""A back-test by date: how would Postroom have done on this mailbox, had it run? Nothing is moved.

    mails by date | learn the first share | classify each next one | what was left or wrong is confirmed by a "person"
                  | every so many: train on all before             | beside it, words alone, trained at the same times

`rehearse` is the loop and knows neither files nor models: it asks an `Office`. The real one
(daemon/rehearsal/replay.py) is the daemon itself, on a database that is thrown away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from connectors.base import MailText
from daemon.mistakes import PostroomError
from daemon.rules.thresholds import interval
from daemon.store.records import FILERS, DecisionSource


@dataclass(frozen=True)
class LabelledMail:
    """One message and the folder in which people keep it."""

    folder: str
    text: MailText
    at: datetime
    message_id: str | None = None
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class RehearsalOptions:
    """`warmup`: the share that is learnt before the first question. `retrain_every`: in messages."""

    warmup: float = 0.6
    retrain_every: int = 200
    limit: int | None = None
    """Only the newest so many messages."""


@dataclass(frozen=True)
class Verdict:
    """What the office would have done with one message."""

    best: str | None
    """Its best guess, filed or not."""
    filed: str | None
    """Where it would have filed it; None: left in the inbox."""
    classify_ms: float
    source: DecisionSource = "model"
    """Who says so: see daemon.store.records."""


@dataclass(frozen=True)
class Trained:
    """One training: what it cost, and how it ended in a word."""

    cpu_s: float
    outcome: str


class Office(ABC):
    """What the rehearsal needs of the daemon."""

    @abstractmethod
    def learn(self, mails: Sequence[LabelledMail]) -> None:
        """Take in these as lessons: people filed them."""

    @abstractmethod
    def train(self) -> Trained:
        """Train on all lessons; the exam decides which model is in use afterwards."""

    @abstractmethod
    def decide(self, mail: LabelledMail) -> Verdict:
        """What the model and the thresholds of this moment say."""


Baseline = Callable[[Sequence[LabelledMail], Sequence[LabelledMail]], list[str]]
"""baseline(lessons, questions) -> a folder for each question."""


@dataclass(frozen=True)
class Asked:
    """One message of the rehearsal with every answer."""

    mail: LabelledMail
    verdict: Verdict
    baseline: str
    unseen: bool
    """Nobody had filed anything into its folder before."""


@dataclass(frozen=True)
class Filings:
    """So many were filed, and so many of these rightly."""

    filed: int
    right: int

    @property
    def precision(self) -> float | None:
        """A share from 0 to 1; None: nothing was filed."""
        return round(self.right / self.filed, 4) if self.filed else None


@dataclass(frozen=True)
class Batch:
    """What happened between two trainings."""

    first: str
    last: str
    """ISO dates of its first and last message."""
    messages: int
    lessons: int
    training: str
    train_cpu_s: float
    accuracy: float
    filed_share: float
    filed_precision: float | None
    baseline_accuracy: float
    unseen_folder_share: float
    who_filed: Mapping[DecisionSource, Filings]
    """All of daemon.store.records.FILERS, also those that filed nothing."""
    left_as_newer: int
    """Left for they look like mail of a folder that is newer than the model."""


@dataclass(frozen=True)
class RehearsalReport:
    """The figures. Shares are 0 to 1; a precision is None where nothing was filed."""

    messages: int
    batches: tuple[Batch, ...]
    accuracy: float
    """Best guesses that were right, whether filed or not; a folder not seen before counts as wrong."""
    filed_share: float
    filed_precision: float | None
    wanted_precision: float
    baseline_accuracy: float
    unseen_folder_share: float
    train_cpu_s: float
    classify_ms_median: float
    filed_interval: tuple[float, float]
    """Of the precision, with 95 %."""
    who_filed: Mapping[DecisionSource, Filings]
    left_as_newer: int

    def as_json(self) -> dict[str, Any]:
        """Plain values, for --json."""
        return asdict(self) | {"batches": [asdict(batch) for batch in self.batches]}


class TooLittleMail(PostroomError):
    """There is nothing to learn from, or nothing left to ask."""


def rehearse(
    mails: Sequence[LabelledMail],
    options: RehearsalOptions,
    office: Office,
    baseline: Baseline,
    wanted_precision: float,
    show: Callable[[str, int, int], None] | None = None,
) -> RehearsalReport:
    """Go through the mail by date. `show` hears ("training" or "classifying", done, total). Raises TooLittleMail."""
    show = show or _silent
    mails = sorted(mails, key=lambda mail: mail.at)[-options.limit if options.limit else 0 :]
    first = round(len(mails) * options.warmup)
    if first == 0 or first == len(mails):
        raise TooLittleMail(
            "the rehearsal",
            f"has {len(mails)} messages, of which {first} would be learnt from and {len(mails) - first} asked about.",
            "Give it more mail, or another --warmup.",
        )
    office.learn(mails[:first])
    asked: list[Asked] = []
    batches: list[Batch] = []
    for start in range(first, len(mails), options.retrain_every):
        show("training", len(batches), -(-(len(mails) - first) // options.retrain_every))
        trained = office.train()
        lessons, questions = mails[:start], mails[start : start + options.retrain_every]
        answers = _ask(lessons, questions, office, baseline, len(asked), len(mails) - first, show)
        batches.append(_batch(answers, len(lessons), trained))
        asked += answers
        # What was filed rightly had no person behind it; by the next training all of it lies in folders.
        office.learn(questions)
    return _report(asked, batches, wanted_precision)


def _ask(
    lessons: Sequence[LabelledMail],
    questions: Sequence[LabelledMail],
    office: Office,
    baseline: Baseline,
    before: int,
    total: int,
    show: Callable[[str, int, int], None],
) -> list[Asked]:
    folders = {mail.folder for mail in lessons}
    asked = []
    for number, (mail, by_words) in enumerate(zip(questions, baseline(lessons, questions), strict=True), start=1):
        verdict = office.decide(mail)
        asked.append(Asked(mail, verdict, by_words, mail.folder not in folders))
        folders.add(mail.folder)
        if verdict.filed != mail.folder:  # a person files what was left and moves what was wrong, and that is news
            office.learn([mail])
        show("classifying", before + number, total)
    return asked


def _batch(asked: Sequence[Asked], lessons: int, trained: Trained) -> Batch:
    return Batch(
        first=f"{asked[0].mail.at:%Y-%m-%d}",
        last=f"{asked[-1].mail.at:%Y-%m-%d}",
        messages=len(asked),
        lessons=lessons,
        training=trained.outcome,
        train_cpu_s=round(trained.cpu_s, 1),
        accuracy=_share(asked, lambda answer: answer.verdict.best == answer.mail.folder),
        filed_share=_share(asked, lambda answer: answer.verdict.filed is not None),
        filed_precision=_precision(asked),
        baseline_accuracy=_share(asked, lambda answer: answer.baseline == answer.mail.folder),
        unseen_folder_share=_share(asked, lambda answer: answer.unseen),
        who_filed=_who_filed(asked),
        left_as_newer=_left_as_newer(asked),
    )


def _report(asked: Sequence[Asked], batches: Sequence[Batch], wanted_precision: float) -> RehearsalReport:
    filed = [answer for answer in asked if answer.verdict.filed is not None]
    return RehearsalReport(
        messages=len(asked),
        batches=tuple(batches),
        accuracy=_share(asked, lambda answer: answer.verdict.best == answer.mail.folder),
        filed_share=_share(asked, lambda answer: answer.verdict.filed is not None),
        filed_precision=_precision(asked),
        wanted_precision=wanted_precision,
        baseline_accuracy=_share(asked, lambda answer: answer.baseline == answer.mail.folder),
        unseen_folder_share=_share(asked, lambda answer: answer.unseen),
        train_cpu_s=round(sum(batch.train_cpu_s for batch in batches), 1),
        classify_ms_median=round(median(answer.verdict.classify_ms for answer in asked), 1),
        filed_interval=interval(sum(map(_is_right, filed)), len(filed)),
        who_filed=_who_filed(asked),
        left_as_newer=_left_as_newer(asked),
    )


def _share(asked: Sequence[Asked], holds: Callable[[Asked], bool]) -> float:
    return round(sum(map(holds, asked)) / len(asked), 4)


def _precision(asked: Sequence[Asked]) -> float | None:
    filed = [answer for answer in asked if answer.verdict.filed is not None]
    return _share(filed, _is_right) if filed else None


def _is_right(answer: Asked) -> bool:
    return answer.verdict.filed == answer.mail.folder


def _who_filed(asked: Sequence[Asked]) -> dict[DecisionSource, Filings]:
    filed = [answer for answer in asked if answer.verdict.filed is not None]
    by_source = {source: [answer for answer in filed if answer.verdict.source == source] for source in FILERS}
    return {source: Filings(len(answers), sum(map(_is_right, answers))) for source, answers in by_source.items()}


def _left_as_newer(asked: Sequence[Asked]) -> int:
    return sum(answer.verdict.source == "newcomer" for answer in asked)


def _silent(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""
