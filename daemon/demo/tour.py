"""The demo: an office's mailbox, from the first lessons to a better model, in a few minutes.

    fill folders | learn | train | daemon runs | mail arrives | people correct | train again | mail arrives | table

Nothing is played: the server is a real IMAP server, the daemon a process of its own, the moves are IMAP commands, and
the last line counts every message. What is sample is the mail.
"""

from __future__ import annotations

import json as json_module
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.markup import escape

from connectors.mail.mime import parse
from daemon.demo.mail_program import Delivery, MailProgram, differences, digest_of
from daemon.demo.office.prose import NEWCOMERS
from daemon.demo.office.writer import SampleMail, categories, write_office
from daemon.demo.show import Arrival, Page, Tally, percent, tally
from daemon.demo.workplace import (
    MAILBOX,
    Account,
    Ledger,
    Workplace,
    landed,
    reason,
    settings_text,
)
from daemon.mistakes import ExitCode, PostroomError
from daemon.model.classifier import Classifier
from daemon.passes.first_lessons import learn_from_folders
from daemon.passes.mailroom import Mailroom, open_mailroom
from daemon.passes.read_papers import text_with_files
from daemon.report.twin_folders import twin_rows
from daemon.service import logs
from daemon.store import mailboxes, training, twin_pairs
from daemon.training.hand_over import TrainingOutcome, train

HISTORY = 300
"""Messages that lie in the folders when the demo begins."""
BATCH = 60
"""Messages that arrive while the daemon runs, twice."""
OLD_FOLDER, TAKEN_OVER_BY = "Shop (Orders)", "Orders"
"""The office used to keep the orders in the one, and now does in the other."""
COPIED = 4
"""The last mails of the old folder, which lie in both."""
PRECISION = 0.95
MAX_TOKENS = 128
TIME_LIMIT = "120s"


@dataclass
class _Result:
    """What the last line says."""

    before: list[Arrival] = field(default_factory=list)
    after: list[Arrival] = field(default_factory=list)
    corrections_seen: int = 0
    exam_before: float | None = None
    exam_after: float | None = None
    promoted: bool = False
    twins_asked: int = 0
    messages_lost: int = 0
    messages_twice: int = 0

    def as_json(self) -> dict[str, Any]:
        counted = tally([*self.before, *self.after])
        return {
            "sorted": counted.filed,
            "right": counted.right,
            "left_in_inbox": counted.left,
            "corrections_seen": self.corrections_seen,
            "exam_before": self.exam_before,
            "exam_after": self.exam_after,
            "promoted": self.promoted,
            "messages_lost": self.messages_lost,
            "twins_asked": self.twins_asked,
        }


def run_demo(json: bool, keep: bool, seed: int) -> int:
    """Run it and return the exit code. With `json` the story goes to standard error and the last line is JSON."""
    _check_extras()
    from daemon.demo.server import DemoServer  # pymap is an extra

    # A shell makes what it starts in the background deaf to INT; the demo then still stops its daemon and tidies up.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    page = Page(aside=json)
    folder = Path(tempfile.mkdtemp(prefix="postroom-demo-"))
    try:
        with DemoServer() as server:
            account = Account(server.host, server.port, server.user, server.password)
            demo = _Demo(page, folder, account, seed)
            with demo.workplace:
                result = demo.run()
                if json:
                    print(json_module.dumps(result.as_json()), flush=True)  # noqa: T201 - the answer itself
                if keep:
                    demo.stay()
    except KeyboardInterrupt:
        page.say("Stopped. Nothing stays behind.")
        return ExitCode.OK
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ExitCode.TROUBLE if result.messages_lost or result.messages_twice else ExitCode.OK


def _check_extras() -> None:
    """Raises PostroomError that says what to install."""
    if find_spec("pymap") is None:
        raise PostroomError(
            "postroom demo",
            "pymap is not installed.",
            "Run `make demo` in a copy of the repository, or add the extra `demo` to what you installed: "
            "/opt/postroom/venv/bin/pip install '/opt/postroom[demo]'.",
        )


class _Demo:
    """One run. Every method is one page of the story."""

    def __init__(self, page: Page, folder: Path, account: Account, seed: int) -> None:
        self.page = page
        self.account = account
        self.began = time.monotonic()
        self.mails = write_office(seed, HISTORY + 2 * BATCH, newcomers_from=HISTORY)
        # The server should believe that the folders filled up to this morning.
        self.shift = datetime.now(UTC) - timedelta(hours=1) - self.mails[HISTORY - 1].when
        text = settings_text(
            folder / "state",
            account,
            categories() | {OLD_FOLDER: categories()[TAKEN_OVER_BY]},
            precision=PRECISION,
            max_tokens=MAX_TOKENS,
            time_limit=TIME_LIMIT,
            max_per_folder=200,
        )
        self.workplace = Workplace(folder, account, text)
        self.result = _Result()
        orders = [mail for mail in self.mails[:HISTORY] if mail.category == TAKEN_OVER_BY]
        self.old = orders[: len(orders) // 2]
        self.copied = self.old[-COPIED:]

    def run(self) -> _Result:
        """Everything from the first page to the table."""
        self._introduce()
        with (
            open_mailroom(self.workplace.settings) as mailroom,
            MailProgram(self.account.host, self.account.port, self.account.user, self.account.password) as person,
        ):
            logs.configure(self.workplace.settings.log.model_copy(update={"level": "error"}))
            ledger = Ledger(mailroom.database)
            self._fill(person)
            self._first_lessons(mailroom)
            self._start_daemon(ledger)
            self.result.before = self._new_mail(
                ledger, person, self.mails[HISTORY : HISTORY + BATCH], "New mail arrives"
            )
            self._people_correct(ledger, person)
            first = self._current_model(mailroom)
            self._second_training(mailroom)
            second = self.mails[HISTORY + BATCH :]
            self.result.after = self._new_mail(ledger, person, second, "More mail arrives")
            self._conclude(mailroom, person, first, second)
        return self.result

    def _introduce(self) -> None:
        self.page.title(
            "Postroom, shown on sample mail",
            f"An office of {len(categories()) + 1} folders and {HISTORY} messages, invented for this demo. Postroom "
            "learns from the folders as people keep them, sorts what arrives, and learns again from what people "
            "move.\n\nEverything happens on this machine: a mail server in this process, the daemon as a process of "
            "its own, a small language model trained on this CPU. Two to five minutes; Ctrl-C ends it at any time.",
        )

    def _fill(self, person: MailProgram) -> None:
        page, history = self.page, self.mails[:HISTORY]
        page.step("An IMAP server with an office's mail")
        page.facts([("server", f"{self.account.host}:{self.account.port}, user {self.account.user}")])
        person.create([*categories(), OLD_FOLDER])
        counts: Counter[str] = Counter()
        with page.counting("putting mail into folders", len(history)) as show:
            for done, mail in enumerate(history, start=1):
                for place in self._places(mail):
                    person.deliver(place, [self._delivery(mail)], seen=True)
                    counts[place] += 1
                show(done)
        page.facts([("folders", ", ".join(f"{name} {count}" for name, count in counts.most_common()))])
        page.say(f"{OLD_FOLDER} is where the orders were kept until {TAKEN_OVER_BY} took over; {COPIED} lie in both.")

    def _places(self, mail: SampleMail) -> list[str]:
        """The folders in which a mail lies before Postroom comes."""
        if mail not in self.old:
            return [mail.category]
        return [OLD_FOLDER, TAKEN_OVER_BY] if mail in self.copied else [OLD_FOLDER]

    def _delivery(self, mail: SampleMail) -> Delivery:
        return Delivery(mail.raw, mail.when + self.shift)

    def _first_lessons(self, mailroom: Mailroom) -> None:
        page = self.page
        page.step("First lessons: what lies in the folders (postroom learn --from-folders)")
        desk = mailroom.desk(MAILBOX)
        done: dict[str, int] = {}
        with page.counting("reading", HISTORY + len(self.copied)) as show:

            def count(folder: str, read: int, _total: int) -> None:
                done[folder] = read
                show(sum(done.values()))

            training = mailroom.settings.training
            found = learn_from_folders(desk, per_folder=training.max_per_folder, max_age=training.max_age, show=count)
        page.say(f"{sum(folder.learnt for folder in found)} lessons from {len(found)} folders; no message was changed.")
        self._ask_about_twins(mailroom)
        page.say("Now the first model is trained on them, and examined on lessons that it has not seen.")
        outcome = self._train(mailroom)
        if outcome.outcome != "promoted":
            raise PostroomError("the first model", f"was not put into use: {outcome.verdict}", "Try another --seed.")
        page.say(f"[bold]{escape(outcome.verdict)}[/bold]")

    def _ask_about_twins(self, mailroom: Mailroom) -> None:
        """What an office is asked of two folders that seem to mean the same, and one answer."""
        page, desk = self.page, mailroom.desk(MAILBOX)
        with desk.database.read() as tx:
            found = [row for row in twin_rows(tx, desk.mailbox_id) if row.is_open]
        self.result.twins_asked = len(found)
        for row in found:
            page.say(f"[bold]Postroom asks (postroom folders --twins):[/bold] {escape(row.names)} may mean the same.")
            page.facts([("why", "; ".join(row.why)), ("for now", row.stands)])
            page.say(f"The office answers: both are one (postroom folders --merge {row.number}).")
            [stays] = [side.uid for side in row.sides if side.folder == TAKEN_OVER_BY]
            with desk.database.begin() as tx:
                twin_pairs.choose(tx, desk.mailbox_id, row.number, "merge", stays, desk.clock())

    def _train(self, mailroom: Mailroom) -> TrainingOutcome:
        desk, began = mailroom.desk(MAILBOX), time.monotonic()
        with self.page.training() as show:
            outcome = train(
                mailroom.database, mailroom.registry, mailroom.settings, desk.mailbox_id, desk.clock, progress=show
            )
        if outcome.outcome == "failed":
            raise PostroomError("training", outcome.verdict, "The mail was not touched.")
        self.page.facts([("took", f"{time.monotonic() - began:.0f} s")])
        return outcome

    def _start_daemon(self, ledger: Ledger) -> None:
        self.page.step("The daemon starts, as a process of its own (postroom run)")
        self.workplace.start()
        with self.page.waiting("its first look at the mailbox"):
            self.workplace.wait_for("the first look at the mailbox", ledger.polled, 60)
        self.page.facts([("process", str(self.workplace.pid)), ("settings", str(self.workplace.config))])

    def _new_mail(
        self, ledger: Ledger, person: MailProgram, mails: Sequence[SampleMail], heading: str
    ) -> list[Arrival]:
        page = self.page
        page.step(heading)
        newcomers = sum(bool(mail.newcomer) for mail in mails)
        page.say(
            f"{len(mails)} messages are delivered into the inbox. {newcomers} of them come from "
            f"{len(NEWCOMERS)} correspondents that the folders did not know this morning."
        )
        now = datetime.now(UTC)
        arrivals: list[Arrival] = []
        with page.counting("delivered and sorted", len(mails)) as show:
            person.deliver("INBOX", [Delivery(mail.raw, now) for mail in mails])
            for mail in mails:
                arrivals.append(self._arrival(ledger, mail))
                show(len(arrivals))
        page.arrivals(arrivals)
        return arrivals

    def _arrival(self, ledger: Ledger, mail: SampleMail) -> Arrival:
        """Wait until the daemon has done with a message, and say what became of it."""
        parsed = parse(mail.raw)
        message_id = parsed.message_id or ""
        story = self.workplace.wait_for("sorting new mail", lambda: ledger.story(message_id), 120)
        return Arrival(
            digest=digest_of(mail.raw),
            subject=parsed.text.subject,
            sender=parsed.text.sender,
            belongs=mail.category,
            filed=landed(story),
            reason=reason(story),
            newcomer=mail.newcomer,
            paper=mail.paper,
        )

    def _people_correct(self, ledger: Ledger, person: MailProgram) -> None:
        page, arrivals = self.page, self.result.before
        page.step("People put it right, in their mail program")
        counted = tally(arrivals)
        page.say(f"{counted.wrong} messages are dragged to another folder, {counted.left} are filed from the inbox.")
        seen_before = ledger.corrections()
        moved = person.move({arrival.digest: arrival.belongs for arrival in arrivals if not arrival.right})
        with page.counting("corrections noticed", moved) as show:

            def noticed() -> int | None:
                count = ledger.corrections() - seen_before
                show(count)
                return count if count >= moved else None

            self.result.corrections_seen = self.workplace.wait_for("noticing corrections", noticed, 90)
        page.say(f"The daemon noticed {self.result.corrections_seen} of {moved}; each is a lesson now.")

    def _second_training(self, mailroom: Mailroom) -> None:
        page = self.page
        page.step("The night's training, now (postroom train)")
        page.say(
            "Always from the base model, with every lesson there is. The exam holds the newest mail back, so it "
            "asks both models about the new correspondents as well."
        )
        outcome = self._train(mailroom)
        exam = outcome.exam or {}
        self.result.exam_before, self.result.exam_after = exam.get("current"), exam.get("candidate")
        self.result.promoted = outcome.outcome == "promoted"
        page.facts(
            [
                ("exam, model in use", percent(self.result.exam_before)),
                ("exam, new model", percent(self.result.exam_after)),
                ("decision", "promoted" if self.result.promoted else "kept the old one"),
            ]
        )
        page.say(f"[bold]{escape(outcome.verdict)}[/bold]")

    def _current_model(self, mailroom: Mailroom) -> Path:
        with mailroom.database.read() as tx:
            current = training.current_model(tx, mailroom.desk(MAILBOX).mailbox_id)
        assert current is not None
        return mailroom.registry.folder_of(current)

    def _conclude(self, mailroom: Mailroom, person: MailProgram, first: Path, mails: Sequence[SampleMail]) -> None:
        page, result = self.page, self.result
        page.step("What the corrections were worth")
        before, after = tally(result.before), tally(result.after)
        with page.waiting("asking both models again"):
            guessed = [_guesses_right(mailroom, folder, mails) for folder in (first, self._current_model(mailroom))]
        page.before_and_after(
            [
                ("exam on held-out lessons", percent(result.exam_before), percent(result.exam_after)),
                (f"best guess, last {len(mails)} messages", f"{guessed[0]} right", f"{guessed[1]} right"),
                ("filed by itself", f"{before.filed} of {before.messages}", f"{after.filed} of {after.messages}"),
                ("of these right", _right(before), _right(after)),
            ]
        )
        expected = Counter(digest_of(mail.raw) for mail in [*self.mails, *self.copied])
        with page.waiting("counting every message"):
            found = sum(person.multiset().values(), Counter[str]())
        result.messages_lost, result.messages_twice = differences(expected, found)
        page.say(
            f"{expected.total()} messages delivered, {found.total()} found: "
            f"{result.messages_lost} lost, {result.messages_twice} twice. "
            f"The demo took {(time.monotonic() - self.began) / 60:.1f} minutes."
        )

    def stay(self) -> None:
        """Leave everything running for a person with a mail program, until Ctrl-C."""
        page, account = self.page, self.account
        page.step("Your turn")
        page.say("Connect Thunderbird (IMAP, no encryption, normal password) and drag mail between folders:")
        page.facts(
            [
                ("host", account.host),
                ("port", str(account.port)),
                ("user", account.user),
                ("password", account.password),
            ]
        )
        page.say("In another terminal:")
        for command in ("status", "train"):
            page.command(f"{_program()} --config {shlex.quote(str(self.workplace.config))} {command}")
        page.facts([("end", "Ctrl-C; everything is removed")])
        self.workplace.wait_for("Ctrl-C", lambda: None, float("inf"))


def _guesses_right(mailroom: Mailroom, folder: Path, mails: Sequence[SampleMail]) -> int:
    """How many of these a model's best guess gets right. None of them was in any training."""
    desk = mailroom.desk(MAILBOX)
    with mailroom.database.read() as tx:
        categories = mailboxes.categories(tx, desk.mailbox_id)
    names = {category.uid: category.name for category in categories}
    registry, threads = mailroom.registry, mailroom.settings.engine.threads
    with Classifier.load(folder, registry.term_key(), threads=threads, readers=registry.readers) as classifier:
        texts = [text_with_files(desk, parse(mail.raw, papers=True)) for mail in mails]
        predictions = classifier.classify(texts)
    return sum(names.get(found.best or "") == mail.category for found, mail in zip(predictions, mails, strict=True))


def _program() -> str:
    """How this very program is called: it need not be on the path."""
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "postroom" else "postroom"


def _right(counted: Tally) -> str:
    return f"{counted.right} ({percent(counted.right / counted.filed if counted.filed else None)})"
