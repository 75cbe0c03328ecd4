"""Real mail through a real Dovecot: what an office would have seen, had it installed Postroom.

    make real-mail DATA=DIR          DIR holds enron_lokay/lokay-m.tar.gz: 2,364 mails of 2000-02 in 11 folders

    first 60 % by date into the folders | learn, train | daemon as a process of its own
    each next batch into the inbox | sorted | a person files what was left, moves what was wrong | train | next batch
    every message counted before and after | one JSON line

The person reads what was filed rightly and lets it be, which is evidence for thresholds but no lesson: the next model
learns only from the folders of the beginning and from corrections. The opponent, TF-IDF with a linear SVM, is trained
at the same moments on *all* mail before, and once more on just the lessons that the daemon had.
"""

from __future__ import annotations

import json
import re
import signal
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from connectors.mail.mime import parse
from daemon.demo.mail_program import Delivery, MailProgram, differences, digest_of
from daemon.demo.workplace import MAILBOX, Account, Ledger, Workplace, settings_text
from daemon.passes.first_lessons import learn_from_folders
from daemon.passes.mailroom import Mailroom, open_mailroom
from daemon.rehearsal.back_test import LabelledMail
from daemon.rehearsal.replay import by_words
from daemon.service import logs
from daemon.training.hand_over import TrainingOutcome, train
from tests.servers.dovecot import Dovecot
from tests.servers.private import PASSWORD

ARCHIVE = "enron_lokay/lokay-m.tar.gz"
notes = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class RealMail:
    """One message as its owner filed it."""

    raw: bytes
    folder: str
    when: datetime
    message_id: str

    @property
    def digest(self) -> str:
        """Its name in the mail program."""
        return digest_of(self.raw)


@dataclass(frozen=True)
class Row:
    """What happened to one batch."""

    messages: int
    right: int
    """Best guesses that were right, filed or not."""
    filed: int
    filed_right: int
    corrections: int
    baseline_right: int
    """By words alone, from all mail before."""
    same_lessons_right: int
    """By words alone, from just the lessons that the daemon had."""
    training: str

    def figures(self) -> dict[str, Any]:
        """Shares, ready for JSON."""
        return {
            "messages": self.messages,
            "accuracy": round(self.right / self.messages, 4),
            "filed_share": round(self.filed / self.messages, 4),
            "filed_precision": round(self.filed_right / self.filed, 4) if self.filed else None,
            "corrections_seen": self.corrections,
            "baseline_accuracy": round(self.baseline_right / self.messages, 4),
            "baseline_same_lessons_accuracy": round(self.same_lessons_right / self.messages, 4),
        }


def in_all(rows: Sequence[Row]) -> Row:
    """All batches as one."""
    return Row(
        sum(row.messages for row in rows),
        sum(row.right for row in rows),
        sum(row.filed for row in rows),
        sum(row.filed_right for row in rows),
        sum(row.corrections for row in rows),
        sum(row.baseline_right for row in rows),
        sum(row.same_lessons_right for row in rows),
        "",
    )


def read_archive(path: Path) -> list[RealMail]:
    """Every mail of the archive, oldest first. Raises click.ClickException if it is not there."""
    if not path.is_file():
        raise click.ClickException(f"{path} is not there. Say where the data is: make real-mail DATA=DIR")
    mails = []
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                continue
            # IMAP carries CRLF (RFC 3501 section 2.3.1); a bare LF would come back changed and be taken for a loss.
            raw = re.sub(rb"\r?\n", b"\r\n", file.read())
            parsed = parse(raw)
            if parsed.date is not None and parsed.message_id is not None:
                mails.append(RealMail(raw, member.name.split("/")[1], parsed.date, parsed.message_id))
    return sorted(mails, key=lambda mail: (mail.when, mail.message_id))


class Run:
    """One run of the benchmark."""

    def __init__(self, mailroom: Mailroom, place: Workplace, person: MailProgram, precision: float) -> None:
        self.mailroom, self.place, self.person, self.precision = mailroom, place, person, precision
        self.ledger = Ledger(mailroom.database)
        self.train_s = 0.0
        self.lessons: list[RealMail] = []
        """What people have filed so far: the folders of the beginning, and every correction."""

    def train(self) -> TrainingOutcome:
        """What the night does."""
        began = time.monotonic()
        desk = self.mailroom.desk(MAILBOX)
        outcome = train(
            self.mailroom.database, self.mailroom.registry, self.mailroom.settings, desk.mailbox_id, desk.clock
        )
        self.train_s += time.monotonic() - began
        notes.print(f"  trained in {time.monotonic() - began:.0f} s: {outcome.outcome}. {outcome.verdict}")
        if outcome.outcome == "failed":
            raise click.ClickException(outcome.verdict)
        return outcome

    def batch(self, before: Sequence[RealMail], mails: Sequence[RealMail], training: str) -> Row:
        """Deliver, wait, compare, put right."""
        self.person.deliver("INBOX", [Delivery(mail.raw, mail.when) for mail in mails])
        stories = [self._story(mail) for mail in mails]
        places = self.person.contents()
        guesses = [story["decisions"][-1] for story in stories]
        filed = [mail for mail in mails if places[mail.digest] != "INBOX"]
        moves = {mail.digest: mail.folder for mail in mails if places[mail.digest] != mail.folder}
        seen = self.ledger.corrections()
        self.person.move(moves)
        corrections = self.place.wait_for(
            "noticing corrections",
            lambda: count if (count := self.ledger.corrections() - seen) >= len(moves) else None,
            180,
        )
        self.person.read({mail.folder for mail in mails})
        by_all, by_lessons = _right_by_words(before, mails), _right_by_words(self.lessons, mails)
        self.lessons += [mail for mail in mails if mail.digest in moves]
        return Row(
            messages=len(mails),
            right=sum((g["category"] or g["best"]) == mail.folder for g, mail in zip(guesses, mails, strict=True)),
            filed=len(filed),
            filed_right=sum(places[mail.digest] == mail.folder for mail in filed),
            corrections=corrections,
            baseline_right=by_all,
            same_lessons_right=by_lessons,
            training=training,
        )

    def _story(self, mail: RealMail) -> dict[str, Any]:
        return self.place.wait_for("sorting new mail", lambda: self.ledger.story(mail.message_id), 600)


def _right_by_words(lessons: Sequence[RealMail], mails: Sequence[RealMail]) -> int:
    answers = by_words([_labelled(mail) for mail in lessons], [_labelled(mail) for mail in mails])
    return sum(answer == mail.folder for answer, mail in zip(answers, mails, strict=True))


def _labelled(mail: RealMail) -> LabelledMail:
    return LabelledMail(mail.folder, parse(mail.raw).text, mail.when, mail.message_id)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The folder that holds enron_lokay/.")
@click.option("--batches", default=5, show_default=True, help="How many; training happens between them.")
@click.option("--limit", type=int, help="Only the newest so many messages, for a quick look.")
@click.option("--precision", default=0.95, show_default=True, help="The wanted precision.")
@click.option("--time-limit", default="10m", show_default=True, help="The longest that one training may take.")
def main(data: Path, batches: int, limit: int | None, precision: float, time_limit: str) -> None:
    """Run the benchmark; standard output ends with one JSON line."""
    # Stopped by whatever means, it takes its daemon and its server with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mails = read_archive(data / ARCHIVE)[-limit if limit else 0 :]
    with Dovecot() as server, tempfile.TemporaryDirectory(prefix="postroom-real-mail-") as scratch:
        account = Account("127.0.0.1", server.port, "lokay", PASSWORD)
        folders = sorted({mail.folder for mail in mails})
        text = settings_text(
            Path(scratch) / "state",
            account,
            dict.fromkeys(folders, ""),
            precision=precision,
            max_tokens=256,
            time_limit=time_limit,
            max_per_folder=5000,
            max_age="36500d",
        )
        with (
            Workplace(Path(scratch), account, text) as place,
            open_mailroom(place.settings) as mailroom,
            MailProgram(account.host, account.port, account.user, account.password) as person,
        ):
            logs.configure(place.settings.log.model_copy(update={"level": "error"}))
            figures = measure(Run(mailroom, place, person, precision), mails, folders, batches)
    click.echo(json.dumps(figures))
    if figures["messages_lost"] or figures["messages_twice"]:
        raise SystemExit(1)


def measure(run: Run, mails: Sequence[RealMail], folders: Sequence[str], batches: int) -> dict[str, Any]:
    """All of it, from empty folders to the figures."""
    first = round(0.6 * len(mails))
    run.person.create(folders)
    for folder in folders:
        old = [Delivery(mail.raw, mail.when) for mail in mails[:first] if mail.folder == folder]
        run.person.deliver(folder, old, seen=True)
    notes.print(f"{first} mails in {len(folders)} folders; {len(mails) - first} to come in {batches} batches.")
    training = run.mailroom.settings.training
    desk = run.mailroom.desk(MAILBOX)
    learn_from_folders(desk, per_folder=training.max_per_folder, max_age=training.max_age)
    run.lessons = list(mails[:first])
    rows: list[Row] = []
    size = -(-(len(mails) - first) // batches)
    for start in range(first, len(mails), size):
        outcome = run.train()
        if not rows:
            run.place.start()
            run.place.wait_for("the first look at the mailbox", run.ledger.polled, 120)
        rows.append(run.batch(mails[:start], mails[start : start + size], outcome.outcome))
        notes.print(f"  batch {len(rows)}: {json.dumps(rows[-1].figures())}")
    lost, twice = differences(Counter(mail.digest for mail in mails), sum(run.person.multiset().values(), Counter()))
    return {
        **in_all(rows).figures(),
        "wanted_precision": run.precision,
        "batches": [row.figures() | {"training": row.training} for row in rows],
        "train_s": round(run.train_s),
        "messages_lost": lost,
        "messages_twice": twice,
    }


if __name__ == "__main__":
    main()
