"""The in-memory world passes what every connector passes, and fails on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from connectors.base import MOVED, Connector, MailText, MessageRef, Move, Paper, Watch
from connectors.errors import FolderMissing, Unreachable
from connectors.in_memory import MemoryConnector
from tests.contract import ConnectorTests, Lying, World, ignore
from tests.paper_samples import eml, text_pdf


class MemoryWorld:
    """Both sides are the same object here: what people do are methods of the connector."""

    inbox, first, second = "INBOX", "Straße und Büro", "Orders"
    deletes = twins = True

    def __init__(self, connector: MemoryConnector) -> None:
        self.connector: Connector = connector
        self.box = connector

    def deliver(self, subject: str, body: str = "The parts have come.", message_id: str | None = "") -> None:
        self.box.deliver(MailText(sender="ann@example.org", subject=subject, body=body), message_id=message_id)

    def move(self, subject: str, folder: str) -> None:
        self.box.move_by_person(self._ref(subject), folder)

    def delete(self, subject: str) -> None:
        self.box.delete_by_person(self._ref(subject))

    def answer(self, subject: str) -> None:
        self.box.flag_by_person(self._ref(subject), "\\Answered")

    def contents(self) -> Sequence[Lying]:
        return [
            Lying(
                message.sighting.ref.folder,
                message.text.subject,
                hashlib.sha256(
                    repr((message.text, sorted(message.sighting.flags - {MOVED}), message.sighting.arrived)).encode()
                ).hexdigest(),
            )
            for message in self.box.everything()
        ]

    def another(self) -> Connector:
        return self.box

    def _ref(self, subject: str) -> MessageRef:
        (ref,) = [m.sighting.ref for m in self.box.everything() if m.text.subject == subject]
        return ref


@pytest.fixture
def box() -> MemoryConnector:
    return MemoryConnector(folders=("INBOX", "Straße und Büro", "Orders"))


class TestMemory(ConnectorTests):
    @pytest.fixture(params=["tags and object ids", "neither"])
    def world(self, request: pytest.FixtureRequest) -> World:
        rich = request.param == "tags and object ids"
        folders = ("INBOX", "Straße und Büro", "Orders")
        return MemoryWorld(MemoryConnector(folders=folders, tags=rich, object_ids=rich))


def test_a_failure_before_the_action_leaves_the_message(box: MemoryConnector) -> None:
    seen = box.deliver(MailText(subject="one"))
    box.fail_next(Unreachable("memory", "The line is dead."))
    with pytest.raises(Unreachable):
        box.apply(seen.ref, seen.identity, Move("Orders"), ignore)
    assert [message.sighting.ref for message in box.everything()] == [seen.ref]
    assert box.apply(seen.ref, seen.identity, Move("Orders"), ignore).folder == "Orders"


def test_a_failure_after_the_action_has_moved_the_message(box: MemoryConnector) -> None:
    seen = box.deliver(MailText(subject="one"))
    box.fail_next(Unreachable("memory", "The line is dead."), when="after")
    with pytest.raises(Unreachable):
        box.apply(seen.ref, seen.identity, Move("Orders"), ignore)
    assert [message.sighting.ref.folder for message in box.everything()] == ["Orders"]


def test_restarted_uids_report_all_that_lies_there(box: MemoryConnector) -> None:
    seen = box.deliver(MailText(subject="one"))
    watch = Watch(inbox="INBOX", known={"INBOX": frozenset({seen.ref.uid})})
    cursor = box.changes(None, watch).cursor
    box.restart_uids("INBOX")
    changes = box.changes(cursor, watch)
    assert changes.restarted == ("INBOX",)
    assert [sighting.identity for sighting in changes.arrived] == [seen.identity]
    assert changes.vanished == ()


def test_a_renamed_folder_keeps_its_object_id_and_its_messages(box: MemoryConnector) -> None:
    seen = box.deliver(MailText(subject="one"), "Orders")
    (old,) = [folder for folder in box.folders() if folder.name == "Orders"]
    box.rename_folder("Orders", "Purchases")
    (new,) = [folder for folder in box.folders() if folder.name == "Purchases"]
    assert (new.object_id, new.epoch, new.messages) == (old.object_id, old.epoch, 1)
    assert [s.identity for s in box.newest("Purchases", 5)] == [seen.identity]
    with pytest.raises(FolderMissing):
        box.newest("Orders", 5)


def test_raw_bytes_are_parsed_as_mail(box: MemoryConnector) -> None:
    raw = b"From: Ann <ann@example.org>\r\nSubject: Offer\r\nMessage-ID: <7@example.org>\r\n\r\nTen pieces, please.\r\n"
    seen = box.deliver(raw)
    assert seen.identity.message_id == "<7@example.org>"
    (message,) = box.fetch([seen.ref])
    assert (message.text.subject, message.text.body) == ("Offer", "Ten pieces, please.")


def test_files_are_given_where_they_are_asked_for() -> None:
    box = MemoryConnector()
    pdf = text_pdf("Rechnung Nr. 4711")
    short = box.deliver(MailText(subject="x", body="See the file."), papers=(Paper("a.pdf", pdf), Paper("b.png", b"x")))
    raw = box.deliver(eml("x", "See the file.", "c.pdf", pdf))
    telling = box.deliver(MailText(subject="x", body="many telling words " * 20), papers=(Paper("a.pdf", pdf),))
    refs = [short.ref, raw.ref, telling.ref]
    named = [[paper.name for paper in message.papers] for message in box.fetch(refs, papers=True, pictures=True)]
    assert named == [["a.pdf", "b.png"], ["c.pdf"], []]
    assert [message.papers for message in box.fetch([short.ref], papers=True)] == [(Paper("a.pdf", pdf),)]
    assert [message.papers for message in box.fetch(refs)] == [(), (), ()]
