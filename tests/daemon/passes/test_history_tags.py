"""Random histories of a tagged mailbox: mail arrives, rules and people tag it, take tags off, archive it and fetch it
back, lines break, Postroom is restarted, with looks in between. Whatever happened, afterwards:

no tag of a person's was undone | we tagged what nobody had tagged, once | only people's changes teach, the last wins
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from connectors.errors import ConnectorError, Unreachable
from daemon.passes.one_pass import one_pass
from daemon.store import learning, messages
from daemon.store.database import Database
from tests.daemon.passes.people import Lost, Undone, WronglyTaught
from tests.daemon.passes.test_tagging import NAMES, Office

TAGS = frozenset(NAMES)
OURS = {"Invoices"}
"""What the model says of mail that begins with "invoice"; of other mail it is not sure."""


@dataclass
class TaggedMail:
    """One mail and what the test knows of its tags."""

    tags: frozenset[str]
    person: bool = False
    """A person has changed its tags."""
    moved: bool = False
    ours: int = 0
    seen_tagged: bool = False
    """A look has seen a category's tag on it."""
    cut: bool = False
    """The line broke just as we tagged it."""


class TagHistory(RuleBasedStateMachine):
    """Mails are told apart by their subject."""

    mails = Bundle("mails")
    template: ClassVar[Path | None] = None

    def __init__(self) -> None:
        super().__init__()
        if TagHistory.template is None or not TagHistory.template.exists():
            TagHistory.template = Path(tempfile.mkdtemp()) / "template.sqlite"
            Database.open(TagHistory.template).close()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        shutil.copy(TagHistory.template, self.folder / "postroom.sqlite")
        self.patch = pytest.MonkeyPatch()
        self.office = Office(self.folder / "postroom.sqlite")
        self.patch.setattr("daemon.passes.decide.current_policy", self.office.policy)
        self.life: dict[str, TaggedMail] = {}

    # What happens

    @rule(target=mails, word=st.sampled_from(["invoice", "puzzle"]), tag=st.sampled_from(["", "", *NAMES]))
    def deliver(self, word: str, tag: str) -> str:
        subject = f"{word} {len(self.life)}"
        self.office.deliver(subject, flags=(tag,) if tag else ())
        self.life[subject] = TaggedMail(frozenset({tag} - {""}))
        return subject

    @rule(subject=mails, add=st.sampled_from(["", *NAMES, "Else"]), remove=st.sampled_from(["", *NAMES]))
    def a_person_tags(self, subject: str, add: str, remove: str) -> None:
        self.office.clock.advance(seconds=45)
        mail, before = self.life[subject], self.life[subject].tags
        self.office.retag(subject, add, remove if remove != add else "")
        mail.tags = self.tags(subject)
        mail.person = mail.person or mail.tags != before

    @rule(subject=mails, there=st.sampled_from(["Archive", "INBOX"]))
    def a_person_moves(self, subject: str, there: str) -> None:
        self.office.clock.advance(seconds=45)
        [ref] = [one.sighting.ref for one in self.office.box.everything() if one.text.subject == subject]
        if ref.folder != there:
            self.office.box.move_by_person(ref, there)
            self.life[subject].moved = True

    @rule(minutes=st.integers(0, 12))
    def look_later(self, minutes: int) -> None:
        self.office.clock.advance(minutes=minutes)
        self.look()

    @rule(when=st.sampled_from(["before", "after"]), minutes=st.integers(0, 3))
    def the_line_breaks(self, when: Any, minutes: int) -> None:
        self.office.clock.advance(minutes=minutes)
        self.office.box.fail_next(Unreachable("memory", "The line is dead."), when=when)
        self.look()

    @rule(answers=st.integers(0, 4))
    def the_line_breaks_while_we_tag(self, answers: int) -> None:
        apply, left = self.office.box.apply, [answers]

        def cut(*given: Any) -> Any:
            left[0] -= 1
            done = apply(*given)
            if left[0] < 0:
                raise Unreachable("memory", "The line is dead.")
            return done

        self.office.box.apply = cut  # type: ignore[method-assign]
        self.office.clock.advance(minutes=3)
        self.look()
        self.office.box.apply = apply  # type: ignore[method-assign]

    @rule()
    def postroom_starts_again(self) -> None:
        with contextlib.suppress(ConnectorError):
            self.office.begin_again()

    # How it is watched

    def tags(self, subject: str) -> frozenset[str]:
        return frozenset(self.office.tags(subject)) & TAGS

    def look(self) -> None:
        complete = False
        with contextlib.suppress(ConnectorError):
            one_pass(self.office.desk)
            complete = True
        for subject, mail in self.life.items():
            now = self.tags(subject)
            if now != mail.tags:
                if mail.tags:
                    raise Undone(f"{subject}: we changed {set(mail.tags)} to {set(now)}")
                if mail.seen_tagged:
                    raise Undone(f"{subject}: we tagged what had been tagged and was no more")
                mail.tags = now
                mail.ours += 1
                mail.cut = not complete
                assert (len(now), mail.ours) == (1, 1)
            mail.seen_tagged = mail.seen_tagged or (complete and bool(now)) or mail.ours > 0

    @invariant()
    def nothing_is_lost(self) -> None:
        found = sorted(one.text.subject for one in self.office.box.everything())
        if self.life.keys() - set(found):
            raise Lost(str(self.life.keys() - set(found)))
        assert found == sorted(self.life)

    def teardown(self) -> None:
        try:
            for _ in range(3):
                self.office.clock.advance(minutes=11)
                self.look()
            self.check()
        finally:
            self.office.database.close()
            self.patch.undo()
            shutil.rmtree(self.folder, ignore_errors=True)

    def check(self) -> None:
        subject_of = {one.sighting.identity.digest: one.text.subject for one in self.office.box.everything()}
        with self.office.database.read() as tx:
            said = learning.corrections(tx, self.office.desk.mailbox_id)
            corrected = [subject_of[messages.get(tx, one.message).identity.digest] for one in said]
        lessons = self.office.lessons()
        assert len(lessons) == len(dict(lessons)), "a mail was learnt twice"
        for subject in {*corrected, *dict(lessons)}:
            if not self.life[subject].person:
                raise WronglyTaught(f"{subject} taught, and nobody had touched its tags")
        in_inbox = {one.text.subject for one in self.office.box.lying_in("INBOX")}
        for subject, category in lessons:
            tags = self.life[subject].tags
            if subject in in_inbox and len(tags) != 2:
                assert tags == {category}, f"{subject}: taught {category}, the last word was {set(tags)}"
        for subject, mail in self.life.items():
            if (
                mail.ours
                and mail.person
                and not mail.moved
                and not mail.cut
                and mail.tags != OURS
                and len(mail.tags) != 2
            ):
                assert subject in corrected, f"{subject}: what a person did to our tag was not heard"


TestTagHistory = TagHistory.TestCase
TestTagHistory.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
