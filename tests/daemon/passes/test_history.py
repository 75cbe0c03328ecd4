"""Random histories of one mailbox: mail arrives, people and rules move, copy and delete it, in bulk, too, folders are
renamed, UIDs restart, lines break, Postroom is restarted, with looks in between. Whatever happened, afterwards:

nothing is lost | nobody's move but a person's is a correction | the last move wins | one decision, one move, one lesson
| what waits for a person's word or is void teaches nothing
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from connectors.base import MailText, Message
from connectors.errors import ConnectorError, Unreachable
from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from daemon.passes.desk import Desk
from daemon.passes.one_pass import one_pass
from daemon.rules.bulk_moves import MOST_SINGLE
from daemon.rules.decision import Policy
from daemon.settings import SortingSettings
from daemon.store import batches, decisions, journal, learning, mailboxes, messages
from daemon.store.database import Database, Tx
from tests.fakes import Clock, FakeClassifier, FakeRegistry

SETTINGS: dict[str, Any] = {"name": "office", "host": "localhost", "user": "u", "credential": "c", "mode": "live"}
FOLDERS = ("INBOX", "Invoices", "Orders", "Archive", "Junk")
WATCHED = ("INBOX", "Invoices", "Orders")


@dataclass
class Mail:
    """One delivered message and what the test knows of its life. Folders are named by what they were called first."""

    subject: str
    origin: str
    where: str | None
    seen: list[str] = field(default_factory=list)
    """Watched folders in which a look found it, each once in a row."""
    by_person: list[str] = field(default_factory=list)
    last_mover: str = "server"
    copied: bool = False
    touched: bool = False
    """Somebody moved it after a look had found it: what happened before, nobody can know."""
    ours: int = 0


class History(RuleBasedStateMachine):
    """Mails are told apart by their subject; twins (a list's copy) share all but their subject's tag."""

    mails = Bundle("mails")
    template: ClassVar[Path | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.patch = pytest.MonkeyPatch()
        self.life: dict[str, Mail] = {}
        self.names = {name: name for name in FOLDERS}
        self.aliases: dict[str, set[str]] = {name: {name} for name in FOLDERS}
        self.serial = 0
        self.looked = True

    @initialize(
        object_ids=st.sampled_from([True, False, "content"]),
        mode=st.sampled_from(["live", "live", "shadow"]),
        most_single=st.sampled_from([MOST_SINGLE, 2]),
    )
    def start(self, object_ids: Any, mode: str, most_single: int = MOST_SINGLE) -> None:
        self.patch.setattr("daemon.rules.bulk_moves.MOST_SINGLE", most_single)
        if History.template is None or not History.template.exists():
            History.template = Path(tempfile.mkdtemp()) / "template.sqlite"
            Database.open(History.template).close()
        shutil.copy(History.template, self.folder / "postroom.sqlite")
        self.database = Database.open(self.folder / "postroom.sqlite")
        self.clock = Clock()
        self.box = self.make_box(object_ids)
        self.mailbox = ImapSettings(**{**SETTINGS, "mode": mode})
        with self.database.begin() as tx:
            self.mailbox_id = mailboxes.ensure(tx, "office", "imap", self.mailbox.mode, self.clock()).id
        self.model = FakeClassifier({})
        self.patch.setattr("daemon.passes.decide.current_policy", self.policy)
        self.begin_again()
        self.look()
        with self.database.begin() as tx:
            uids = {each.name: each.uid for each in mailboxes.categories(tx, self.mailbox_id)}
        self.model.answers = {
            "invoice": {uids["Invoices"]: 0.97, uids["Orders"]: 0.03},
            "order": {uids["Orders"]: 0.96, uids["Invoices"]: 0.04},
        }

    def make_box(self, object_ids: Any) -> Any:
        """The mailbox, with a connector's face and the hands of people."""
        return MemoryConnector(folders=FOLDERS, object_ids=object_ids, clock=self.clock)

    def begin_again(self) -> None:
        """A process that knows only what is in the database."""
        registry: Any = FakeRegistry(self.model)
        self.desk = Desk(
            self.mailbox, SortingSettings(), self.database, self.box, registry, self.mailbox_id, self.clock
        )

    def policy(self, tx: Tx, desk: Desk, classifier: Any) -> Policy:
        found = {each.uid: each for each in mailboxes.categories(tx, desk.mailbox_id)}
        return Policy(found, dict.fromkeys(found, 0.9), "m1")

    # What happens

    @rule(target=mails, word=st.sampled_from(["invoice", "order", "puzzle"]), with_id=st.booleans())
    def deliver(self, word: str, with_id: bool) -> str:
        return self.put(word, message_id="" if with_id else None)

    @rule(target=mails, word=st.sampled_from(["invoice", "puzzle"]), apart=st.integers(0, 2))
    def deliver_two_copies(self, word: str, apart: int) -> Any:
        """One mail directly and by a list, perhaps with a look in between."""
        self.serial += 1
        message_id, date = f"<twin{self.serial}@example>", f"date {self.serial}"
        first = self.put(word, message_id=message_id, date=date)
        if apart:
            self.clock.advance(minutes=apart)
            self.look()
        second = self.put(word, message_id=message_id, date=date, tag=" [list]")
        self.life[second].origin = self.life[first].origin
        return multiple(first, second)

    @rule(target=mails, word=st.sampled_from(["invoice", "order"]))
    def deliver_with_a_used_message_id(self, word: str) -> str:
        return self.put(word, message_id="<always-the-same@scanner.example>")

    @rule(target=mails, folder=st.sampled_from(["Invoices", "Archive"]))
    def a_server_rule_delivers_elsewhere(self, folder: str) -> str:
        return self.put("order", folder=folder)

    @rule(target=mails, folder=st.sampled_from(["Invoices", "Junk"]), seen=st.booleans())
    def a_rule_moves_at_once(self, folder: str, seen: bool) -> str:
        subject = self.put("order")
        if seen:
            self.look()
        self.clock.advance(seconds=3)
        self.move(subject, folder, "rule")
        self.look()
        return subject

    @rule(subject=mails, folder=st.sampled_from(FOLDERS))
    def a_person_moves(self, subject: str, folder: str) -> None:
        self.clock.advance(seconds=45)
        self.move(subject, folder, "person")

    @rule(source=st.sampled_from(WATCHED), folder=st.sampled_from(FOLDERS))
    def a_person_moves_all(self, source: str, folder: str) -> None:
        self.clock.advance(seconds=45)
        for subject, mail in self.life.items():
            if mail.where == source and not mail.copied:
                self.move(subject, folder, "person")

    @rule(yes=st.booleans())
    def a_person_answers(self, yes: bool) -> None:
        with self.database.begin() as tx:
            for batch in batches.batches(tx, self.mailbox_id):
                end = batches.accept if yes else batches.void
                assert end(tx, self.mailbox_id, batch.id, self.clock(), "a person said so") == batch.members

    @rule(subject=mails, folder=st.sampled_from(FOLDERS))
    def a_person_copies(self, subject: str, folder: str) -> None:
        mail, found = self.life[subject], self.find(subject)
        if found and len(found) < 3:
            self.box.copy_by_person(found[0].sighting.ref, self.names[folder])
            mail.copied = True
            self.expected[subject] += 1

    @rule(subject=consumes(mails))
    def a_person_deletes(self, subject: str) -> None:
        for message in self.find(subject):
            self.box.delete_by_person(message.sighting.ref)
            self.expected[subject] -= 1
        self.life[subject].where = None

    @rule(folder=st.sampled_from(["Invoices", "Orders", "Archive"]))
    def rename(self, folder: str) -> None:
        if not self.box.object_ids:
            self.see_folders()  # renamed and renumbered between two looks, it would be any folder
        self.serial += 1
        # Below "Archive" itself no server renames it.
        new = f"{folder} {self.serial}" if folder != "Archive" else f"Projects/{self.serial}"
        self.box.rename_folder(self.names[folder], new)
        self.names[folder] = new
        self.aliases[folder].add(new)
        if not self.box.object_ids:
            self.see_folders()

    def see_folders(self) -> None:
        self.begin_again()
        self.look()
        self.look()

    @rule(folder=st.sampled_from(WATCHED))
    def restart_uids(self, folder: str) -> None:
        # A server that gives a folder a new id together with new UIDs has made another folder of it.
        self.box.restart_uids(self.names[folder])

    @rule(minutes=st.integers(1, 12))
    def look_later(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)
        self.look()

    @rule(when=st.sampled_from(["before", "after"]))
    def the_line_breaks(self, when: Any) -> None:
        self.box.fail_next(Unreachable("memory", "The line is dead."), when=when)
        self.clock.advance(minutes=1)
        self.look()

    @rule()
    def postroom_starts_again(self) -> None:
        self.begin_again()

    # How it is done and watched

    expected: Counter[str]

    def put(
        self,
        word: str,
        *,
        message_id: str | None = "",
        date: str | None = None,
        tag: str = "",
        folder: str = "INBOX",
    ) -> str:
        self.serial += 1
        subject = f"{word} {self.serial}{tag}"
        body = f"Please see to number {self.serial}. " + " ".join(f"w{self.serial}x{n}" for n in range(12))
        text = MailText(sender="ann@example.org", subject=subject, body=body)
        self.box.deliver(text, self.names[folder], message_id=message_id, date=date, arrived=self.clock())
        self.life[subject] = Mail(subject, subject, folder)
        if not hasattr(self, "expected"):
            self.expected = Counter()
        self.expected[subject] = 1
        return subject

    def find(self, subject: str) -> list[Message]:
        return [each for each in self.box.everything() if each.text.subject == subject]

    def move(self, subject: str, folder: str, mover: str) -> None:
        mail, found = self.life[subject], self.find(subject)
        if not found or found[0].sighting.ref.folder == self.names[folder]:
            return
        self.box.move_by_person(found[0].sighting.ref, self.names[folder])
        mail.where, mail.last_mover = folder, mover
        mail.touched = mail.touched or bool(mail.seen)
        if mover == "person":
            mail.by_person.append(folder)

    def look(self) -> None:
        before = {subject: mail.where for subject, mail in self.life.items()}
        complete = False
        with contextlib.suppress(ConnectorError):
            one_pass(self.desk)
            complete = True
        first = {name: folder for folder, name in self.names.items()}
        for subject, mail in self.life.items():
            places = [first[each.sighting.ref.folder] for each in self.find(subject)]
            if mail.copied or not places:
                continue
            assert len(places) == 1, f"{subject} is there {len(places)} times"
            [now] = places
            if complete and before[subject] in WATCHED and mail.seen[-1:] != [before[subject]]:
                mail.seen.append(str(before[subject]))
            if now != mail.where:
                assert mail.where == "INBOX", f"{subject} was moved by us from {mail.where}"
                assert not mail.touched, f"{subject} was moved by us after a {mail.last_mover} had moved it"
                mail.ours += 1
                mail.where, mail.last_mover = now, "postroom"
                mail.seen.append(now)

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "expected"):
            found = Counter(each.text.subject for each in self.box.everything())
            assert found == +self.expected

    def teardown(self) -> None:
        try:
            if hasattr(self, "database"):
                for _ in range(3):
                    self.clock.advance(minutes=11)
                    self.look()
                self.check()
                self.database.close()
        finally:
            self.patch.undo()
            shutil.rmtree(self.folder, ignore_errors=True)

    def check(self) -> None:
        with self.database.begin() as tx:
            categories = {each.uid: each for each in mailboxes.categories(tx, self.mailbox_id)}
            corrections = learning.corrections(tx, self.mailbox_id)
            counting = "SELECT correction_id FROM lessons WHERE voided IS NULL AND correction_id IS NOT NULL"
            teaching = set(tx.exec_driver_sql(counting).scalars())
            lessons = learning.lessons(tx, self.mailbox_id)
            known = {each.message: messages.get(tx, each.message) for each in corrections}
            decided = decisions.since(tx, self.mailbox_id, self.clock.now.replace(year=2000))
            assert journal.unfinished(tx, self.mailbox_id) == []
        first = {name: folder for folder, names in self.aliases.items() for name in names}
        of_uid = {uid: first[category.folder] for uid, category in categories.items()}
        assert sorted(of_uid.values()) == ["Invoices", "Orders"], "a rename made or lost a category"
        assert all(category.paused is None for category in categories.values())
        subject_of = {each.sighting.identity.digest: each.text.subject for each in self.box.everything()}

        made: Counter[str] = Counter()
        speaks: dict[str, bool] = {}
        for correction in corrections:
            subject = subject_of.get(known[correction.message].identity.digest)
            if subject is None:
                continue  # deleted since
            mail, folder = self.life[subject], first[correction.to_folder]
            made[subject] += 1
            speaks[subject] = correction.voided is None and not correction.waits
            assert speaks[subject] or correction.id not in teaching, f"{subject} teaches what nobody has confirmed"
            assert folder in mail.by_person or mail.copied, f"nobody moved {subject} to {folder}"
            assert made[subject] <= len(mail.by_person) or mail.copied

        made_of = [each.message for each in decided if each.source != "rule"]  # remarks are not decisions
        for message, count in Counter(made_of).items():
            assert count == 1, f"message {message} was decided {count} times"

        taught: dict[str, list[str]] = {}
        for lesson in lessons:
            taught.setdefault(lesson.text.subject, []).append(of_uid[lesson.category])
        for subject, learnt in taught.items():
            mail = self.life[subject]
            assert len(learnt) == 1
            assert learnt[0] in mail.by_person or mail.copied, f"{subject} taught {learnt[0]}"
        for origin, count in Counter(self.life[subject].origin for subject in taught).items():
            assert count == 1, f"{origin} was learnt twice"

        for subject, mail in self.life.items():
            twins = [each for each in self.life.values() if each.origin == mail.origin]
            if mail.copied or mail.where not in ("Invoices", "Orders") or mail.last_mover != "person":
                continue
            if len(mail.seen) < 2 or mail.seen[-1] != mail.where or len(twins) > 1 or not speaks.get(subject, True):
                continue
            assert taught.get(subject) == [mail.where], f"{subject}: the last word was {mail.where}"


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_a_folder_with_mail_of_a_used_message_id_is_known_again_when_it_is_renamed() -> None:
    """Found by chance once."""
    history = History()
    history.start(object_ids=False, mode="live")
    history.deliver_with_a_used_message_id(word="invoice")
    second = history.deliver_with_a_used_message_id(word="invoice")
    history.a_person_moves(folder="Invoices", subject=second)
    history.rename(folder="Invoices")
    history.teardown()
