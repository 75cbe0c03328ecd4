"""One composition of a decision: the service, `preview`, `once --dry-run` and `rehearse` say the same of every mail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import daemon.passes.decide
from connectors.base import MailText
from connectors.mailbox_settings import RuleSettings
from daemon.cli import postroom
from daemon.commands.common import Context
from daemon.model.prediction import Prediction
from daemon.passes.decide import Asked, Decisions
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.passes.mailroom import open_mailroom
from daemon.passes.one_pass import one_pass
from daemon.rehearsal.back_test import LabelledMail
from daemon.rehearsal.replay import RehearsedOffice
from daemon.rules.decision import Policy
from daemon.settings import Settings
from daemon.store import decisions, learning, mailboxes, messages
from daemon.store.database import Tx, copy_database
from tests.daemon.passes.test_pipeline import Office, make_office, office
from tests.fakes import FakeClassifier, FakeRegistry, good_hints

__all__ = ["make_office", "office"]

STATEMENT = (
    "Please find attached the quarterly statement of account number four two seven for the new depot in the harbour"
)
Said = dict[str, tuple[str | None, str]]
"""By Message-ID: the category's name, or None, and the reason."""
REHEARSED = ("ruled", "sure", "unsure", "reply", "near copy", "fair", "perhaps")


class KnowsNoFairs(FakeClassifier):
    """A model that was trained before there was a folder for fairs, and neighbours that know its mail."""

    newcomer = ""

    def _one(self, text: MailText) -> Prediction:
        found = super()._one(text)
        return replace(found, newcomer=self.newcomer) if text.subject.startswith("fair") else found


def model_for(uids: dict[str, str]) -> KnowsNoFairs:
    made = KnowsNoFairs({"invoice": {uids["Invoices"]: 0.97, uids["Orders"]: 0.03}})
    made.newcomer = uids["Fairs"]
    return made


RULES = [RuleSettings(category="Orders", subject="Ruled")]


def uids_in(tx: Tx, mailbox: int) -> dict[str, str]:
    return {category.name: category.uid for category in mailboxes.categories(tx, mailbox)}


def policy(tx: Tx, desk: Desk, _model: Any) -> Policy:
    categories = {category.uid: category for category in mailboxes.categories(tx, desk.mailbox_id)}
    newcomers = frozenset(uid for uid, category in categories.items() if category.name == "Fairs")
    wanted = dict.fromkeys(categories, 0.9)
    return Policy(categories, wanted, "m1", newcomers, wanted=wanted, tried=good_hints())


@pytest.fixture
def full(make_office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch) -> Office:
    """An office in which everything that a decision may rest on has happened, and mail for all of it has just come."""
    never = {"never_senders": ["@ads.example"]}
    made = make_office(sorting=never, rules=RULES, already_there="invoice from last year")
    made.desk.settings = made.desk.settings.model_copy(update={"own_domains": ("firm.example",)})
    monkeypatch.setattr(daemon.passes.decide, "current_policy", policy)
    made.box.create_folder("Fairs")
    list_folders(made.desk)
    with made.database.read() as tx:
        made.uids = uids_in(tx, made.desk.mailbox_id)
    made.model = model_for(made.uids)
    made.desk.registry = FakeRegistry(made.model)  # type: ignore[assignment]
    made.deliver("puzzle thread", "We would like to talk", message_id="<root@x>")
    made.deliver("Statement", STATEMENT)
    made.deliver("invoice twice", message_id="<twice@x>", date="yesterday")
    made.deliver("invoice back", message_id="<back@x>", date="yesterday")
    made.settle()
    for subject, folder in (("puzzle thread", "Orders"), ("Statement", "Orders"), ("invoice back", "INBOX")):
        made.box.move_by_person(made.ref_of(subject), folder)
    made.settle()
    assert made.lessons() == ["Orders", "Orders"]
    arrive(made)
    one_pass(made.desk)
    return made


def arrive(office: Office) -> None:
    office.deliver("invoice sure", message_id="<sure>")
    office.deliver("puzzle unsure", message_id="<unsure>")
    office.deliver("invoice reply", message_id="<reply>", references=("<root@x>",))
    office.deliver("Statement", STATEMENT + " again", message_id="<near copy>")
    office.deliver("puzzle [list] twice", message_id="<twice@x>", date="yesterday")
    office.deliver("invoice [list] back", message_id="<back@x>", date="yesterday")
    office.deliver("invoice pair", message_id="<pair@x>", date="today")
    office.deliver("puzzle [list] pair", message_id="<pair@x>", date="today")
    own_id, office.box._object_id = office.box._object_id, lambda parts: "gmmsgid:7"  # type: ignore[method-assign]
    labelled = office.deliver("invoice labelled", message_id="<labelled>")
    office.box._object_id = own_id  # type: ignore[method-assign]
    office.box.copy_by_person(labelled.ref, "Orders")
    office.deliver("invoice ruled", message_id="<ruled>")
    office.deliver("fair stand", message_id="<fair>")
    office.deliver("puzzle about all fairs", message_id="<perhaps>")
    office.deliver("invoice flagged", message_id="<flagged>", flags=["\\Flagged"])
    office.deliver("invoice answered", message_id="<answered>", flags=["\\Answered"])
    office.deliver("invoice encrypted", message_id="<encrypted>", marks=["encrypted"])
    office.deliver("invoice calendar", message_id="<calendar>", marks=["calendar"])
    office.deliver("invoice bounce", message_id="<bounce>", marks=["bounce"])
    for sender, name in (("shop@ads.example", "never"), ("ann@firm.example", "internal")):
        text = MailText(sender=sender, to="bob@firm.example", subject=f"invoice {name}")
        office.box.deliver(text, message_id=f"<{name}>")


EXPECTED = {
    "sure": ("Invoices", "needs 0.90; model m1"),
    "unsure": (None, "Invoices needs 0.90"),
    "reply": ("Orders", "same thread as a mail that was filed by hand"),
    "near copy": ("Orders", "the same words as a mail that was filed by hand"),
    "puzzle [list] twice": ("Invoices", "Invoices: as another copy of this mail"),
    "invoice [list] back": (None, "a person put another copy of this mail back into the inbox"),
    "invoice pair": ("Invoices", "needs 0.90; model m1"),
    "puzzle [list] pair": ("Invoices", "Invoices: as another copy of this mail"),
    "labelled": (None, "not touched: it has a category's label already"),
    "ruled": ("Orders", "Orders: your rule 1 (subject) says so"),
    "fair": (None, "more like mail that people put into Fairs"),
    "perhaps": (None, "perhaps Fairs, which this model does not know yet"),
    "flagged": (None, "not touched: somebody flagged it"),
    "answered": (None, "not touched: somebody answered it"),
    "encrypted": (None, "not touched: it is encrypted"),
    "calendar": (None, "not touched: it is a calendar message"),
    "bounce": (None, "not touched: it is a delivery report"),
    "never": (None, "not touched: its sender is listed in never_senders"),
    "internal": (None, "not touched: it is mail among colleagues"),
}
"""By Message-ID, or by subject where two copies share that."""


def key(subject: str, message_id: str | None) -> str:
    name = (message_id or "").strip("<>")
    return subject if "@x" in name else name


@contextmanager
def heard(place: Any, patch: pytest.MonkeyPatch) -> Iterator[Said]:
    """What is decided meanwhile by way of this module."""
    said: Said = {}
    real = daemon.passes.decide.decisions_about

    def hear(desk: Desk, asked: list[Asked]) -> Decisions:
        decided = real(desk, asked)
        names = {uid: category.name for uid, category in decided.policy.categories.items()}
        for question, made in zip(asked, decided.made, strict=True):
            sighting = question.message.sighting
            where = key(question.message.text.subject, sighting.identity.message_id)
            said[where] = (names.get(made.category or ""), made.reason)
        return decided

    with patch.context() as patched:
        patched.setattr(place, hear)
        yield said


def by_command(office: Office, folder: Path, patch: pytest.MonkeyPatch, *words: str) -> Any:
    """What a command prints as JSON, on a copy of the office's records."""
    folder.mkdir(mode=0o700)
    copy_database(office.place, folder / "postroom.sqlite")
    context = Context(None)
    context.settings = Settings(state_dir=folder, mailbox=(office.desk.settings,), sorting=office.desk.sorting)  # type: ignore[misc, call-arg]
    command = postroom.get_command(click.Context(postroom), words[0])
    assert command is not None
    with patch.context() as patched:
        patched.setattr("daemon.passes.mailroom.connector_for", lambda *_: office.box)
        patched.setattr("daemon.passes.mailroom.Registry", lambda *_: FakeRegistry(office.model))
        patched.setitem(open_mailroom.__wrapped__.__kwdefaults__, "clock", office.clock)  # type: ignore[attr-defined]
        ended = CliRunner().invoke(command, [*words[1:], "--json"], obj=context, catch_exceptions=False)
    return json.loads(ended.stdout)


def previewed(office: Office, folder: Path, patch: pytest.MonkeyPatch) -> Said:
    shown = by_command(office, folder, patch, "preview", "--limit", "100")
    subjects = [message.text.subject for message in office.box.lying_in("INBOX")[::-1]]
    return {
        key(subject, row["message_id"]): (row["category"], row["reason"])
        for subject, row in zip(subjects, shown, strict=True)
    }


def served(office: Office) -> Said:
    """What the service decides once the mail is due, from its records."""
    began = office.clock.now
    lying = {message.sighting.ref: message.text.subject for message in office.box.lying_in("INBOX")}
    with office.database.read() as tx:
        subjects = {
            place.message: subject
            for ref, subject in lying.items()
            if (place := messages.sighting_at(tx, office.desk.mailbox_id, ref)) is not None
        }
    office.clock.advance(minutes=3)
    one_pass(office.desk)
    names = {uid: name for name, uid in office.uids.items()}
    said: Said = {}
    with office.database.read() as tx:
        for made in decisions.since(tx, office.desk.mailbox_id, began):
            identity = messages.get(tx, made.message).identity
            said[key(subjects[made.message], identity.message_id)] = (names.get(made.category or ""), made.reason)
    return said


def test_service_preview_and_dry_run_decide_alike(
    full: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = previewed(full, tmp_path / "preview", monkeypatch)
    with heard("daemon.passes.sort.decisions_about", monkeypatch) as dry:
        by_command(full, tmp_path / "dry", monkeypatch, "once", "--dry-run")
    done = served(full)
    assert {name: (said[0], EXPECTED[name][1] in said[1]) for name, said in done.items()} == {
        name: (category, True) for name, (category, _) in EXPECTED.items()
    }
    assert dry == done
    assert {name: before[name] for name in EXPECTED} == done
    assert full.folder_of("invoice sure") == ["Invoices"]


def test_preview_of_mail_that_no_look_has_recorded_yet_says_the_same(
    full: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two copies come together, and a reply, all between two looks."""
    served(full)
    full.clock.advance(minutes=1)
    full.deliver("invoice fresh", message_id="<fresh@x>", date="today")
    full.deliver("puzzle [list] fresh", message_id="<fresh@x>", date="today")
    full.deliver("invoice new reply", message_id="<new reply>", references=("<root@x>",))
    full.deliver("puzzle new", message_id="<new>")
    before = previewed(full, tmp_path / "preview", monkeypatch)
    one_pass(full.desk)
    done = served(full)
    assert done["puzzle [list] fresh"][1].startswith("Invoices: as another copy of this mail")
    assert {name: before[name] for name in done} == done


def test_rehearsal_decides_as_the_service_does(full: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as it knows the same: rehearsed mail has no flags, no labels, no copies."""
    with full.database.read() as tx:
        lessons = [
            LabelledMail("Orders", lesson.text, lesson.at, messages.get(tx, lesson.message or 0).identity.message_id)
            for lesson in learning.lessons(tx, full.desk.mailbox_id)
        ]
    questions = {
        name: LabelledMail("?", message.text, full.clock(), message.sighting.identity.message_id, references)
        for message in full.box.lying_in("INBOX")
        if (name := key(message.text.subject, message.sighting.identity.message_id)) in REHEARSED
        for references in [message.sighting.references]
    }
    done = served(full)
    (tmp_path / "rehearsal").mkdir(mode=0o700)
    with (
        heard("daemon.rehearsal.replay.decisions_about", monkeypatch) as said,
        RehearsedOffice(Settings(state_dir=tmp_path / "rehearsal"), rules=RULES) as rehearsed,
    ):
        with rehearsed._database.begin() as tx:
            uids = {folder: rehearsed._category(tx, folder).uid for folder in ("Invoices", "Orders", "Fairs")}
        rehearsed.desk.registry = FakeRegistry(model_for(uids))  # type: ignore[assignment]
        rehearsed.learn(lessons)
        filed = {name: rehearsed.decide(mail).filed for name, mail in questions.items()}
    assert said == {name: done[name] for name in REHEARSED}
    assert filed == {name: done[name][0] for name in REHEARSED}


def test_preview_says_of_mail_that_is_not_ours_to_sort_that_it_stays(
    full: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of mail that was there before, that was decided about, and that left and came back; and what would be, if."""
    full.deliver("invoice away", message_id="<away>")
    one_pass(full.desk)
    full.box.move_by_person(full.ref_of("invoice away"), "Archive")
    one_pass(full.desk)
    full.box.move_by_person(full.ref_of("invoice away"), "INBOX")
    full.clock.advance(minutes=3)
    one_pass(full.desk)
    said = previewed(full, tmp_path / "preview", monkeypatch)
    old, unsure, away = said["1@memory.example"], said["unsure"], said["away"]
    assert old[0] is unsure[0] is away[0] is None
    assert old[1].startswith("not touched: it was in the inbox before Postroom looked at it (`sort --backlog`); if it")
    assert "if it came now: Invoices 0.97, next Orders 0.03; needs 0.90" in old[1]
    assert unsure[1].startswith("not touched: it has been decided about already; if it came now: left: ")
    assert away[1].startswith("not touched: it left the inbox before its time came; ")


@pytest.mark.parametrize("sort_existing", [False, True])
def test_preview_before_the_first_look_knows_what_that_will_leave(
    make_office: Callable[..., Office], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort_existing: bool
) -> None:
    made = make_office(already_there="invoice old")
    made.desk.settings = made.desk.settings.model_copy(update={"sort_existing": sort_existing})
    with made.database.begin() as tx:
        tx.exec_driver_sql("DELETE FROM sightings")
        tx.exec_driver_sql("DELETE FROM messages")
        tx.exec_driver_sql("UPDATE mailboxes SET cursor = NULL")
    [(category, reason)] = previewed(made, tmp_path / "preview", monkeypatch).values()
    assert category == ("Invoices" if sort_existing else None)
    assert reason.startswith("Invoices 0.97" if sort_existing else "not touched: it was in the inbox before")
    one_pass(made.desk)
    made.clock.advance(minutes=3)
    one_pass(made.desk)
    assert made.folder_of("invoice old") == (["Invoices"] if sort_existing else ["INBOX"])
