"""The mailbox is not what it was, on a real Dovecot with `postroom` as people run it; and what only looks like it.

Mail that Postroom would file at once (replies to a thread that a person filed) lies there as bait: a stop that does not
hold moves it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.a_model import put_model
from tests.imap_fixtures import ImapWorld
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail, ok, quoted
from tests.service_process import ServiceProcess, eventually

pytestmark = pytest.mark.imap

THREAD = "<thread@example.org>"
ANOTHER = "another mailbox?"


@dataclass
class Office:
    """One mailbox at work, and a second owner's on the same server."""

    service: ServiceProcess
    world: ImapWorld
    dovecot: Dovecot

    def once(self) -> dict[str, Any]:
        """One pass, by hand."""
        [done] = self.service.ask("once")["mailboxes"]
        return dict(done)

    def teach_thread(self) -> None:
        """From now on replies to THREAD are filed under Orders."""
        self.once()
        self.world.deliver("the thread", message_id=THREAD)
        self.once()
        self.world.move("the thread", self.world.second)
        self.once()
        time.sleep(1.1)
        assert self.once()["corrections"] == 1
        put_model(self.service.state, "office", datetime.now(UTC))

    def is_at_work(self, subject: str) -> None:
        """A reply is filed, so nothing stops or pauses this mailbox."""
        self.world.hands.put(reply(subject))
        assert self.once()["sorted"] == {"done": 1}
        assert self.world.hands.find(subject)[0] == self.world.second

    def records(self) -> tuple[Any, ...]:
        """All that Postroom knows about the mail: places, what it thinks people did, what it did."""
        with closing(sqlite3.connect(self.service.state / "postroom.sqlite")) as database:
            return tuple(
                database.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
                for table in ("sightings", "messages", "corrections", "lessons", "actions", "folders")
            )

    def swap(self, other: ImapWorld) -> None:
        """The same credentials lead to the other's mailbox, and the other way round."""
        mine, theirs = self.dovecot.maildir(self.world.user), self.dovecot.maildir(other.user)
        for world in (self.world, other):
            world.hands.close()
        aside = mine.with_name("aside")
        mine.rename(aside)
        theirs.rename(mine)
        aside.rename(theirs)
        for world in (self.world, other):
            world.hands.connect()


@pytest.fixture
def office(dovecot: Dovecot, dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[Office]:
    with ServiceProcess(tmp_path, dovecot.port, dovecot_world.user) as service:
        yield Office(service, dovecot_world, dovecot)


@pytest.fixture
def other(dovecot: Dovecot, dovecot_world: ImapWorld) -> Iterator[ImapWorld]:
    time.sleep(1.1)  # Dovecot's UIDVALIDITYs are seconds
    world = ImapWorld(dovecot, f"{dovecot_world.user}-other")
    yield world
    world.close()


def reply(subject: str) -> bytes:
    return make_mail(subject, In_Reply_To=THREAD, References=THREAD)


def letters(of: str, count: int) -> list[bytes]:
    return [make_mail(f"{of} {number}", f"{of}, letter {number}.") for number in range(count)]


def fill(world: ImapWorld, folder: str, mails: Sequence[bytes]) -> None:
    """Put them all there with one command (MULTIAPPEND, RFC 3502)."""
    imap = world.hands.imap
    literals = b"".join(b' "02-Mar-2026 09:30:00 +0000" {%d+}\r\n%s' % (len(mail), mail) for mail in mails)
    tag = imap._new_tag()
    imap.send(tag + b" APPEND " + quoted(folder).encode() + literals + b"\r\n")
    ok(imap._command_complete("APPEND", tag))


def take_away(world: ImapWorld, folder: str, where: str | None = None) -> None:
    """All of a folder's mail goes elsewhere, or for good."""
    imap = world.hands.imap
    ok(imap.select(quoted(folder)))
    if where is not None:
        ok(imap._simple_command("UID", "MOVE", "1:*", quoted(where)))
    else:
        ok(imap.uid("STORE", "1:*", "+FLAGS.SILENT", "(\\Deleted)"))
        ok(imap.expunge())
    world.hands.leave()


def test_running_service_stops_when_a_mailbox_of_thousands_is_empty(office: Office) -> None:
    world, service = office.world, office.service
    for folder, count in (("INBOX", 700), (world.first, 600), (world.second, 800)):
        fill(world, folder, letters(folder, count))
    office.teach_thread()
    process = service.start()
    eventually(lambda: service.passes() > 0, "the first look")
    os.kill(process.pid, signal.SIGSTOP)  # so that it sees all of it at once
    before = office.records()
    for folder in ("INBOX", world.first, world.second):
        take_away(world, folder)
    world.hands.put(reply("bait"))
    os.kill(process.pid, signal.SIGCONT)
    eventually(lambda: service.status()["stopped"] is not None, "the stop")
    told = service.command("status", fine=(3,))
    assert "STOPPED" in told.stdout
    assert "its folders are empty where there were thousands of messages" in told.stdout
    assert "`postroom resume`" in told.stdout
    time.sleep(2.5)  # two more polls
    assert office.records() == before, "nothing is recorded as gone or corrected"
    assert [(each.folder, each.subject) for each in world.contents()] == [("INBOX", "bait")]
    assert service.log.read_text().count("mailbox-looks-wrong") == 1
    service.command("resume")
    eventually(lambda: world.folders_of("bait") == [world.second], "the bait is filed after `resume`")
    assert service.status()["stopped"] is None
    assert service.status()["corrections"] == 1, "only the one of the thread"
    assert service.stop() == 0


def test_another_owners_mailbox_stops_everything_and_our_own_goes_on_afterwards(
    office: Office, other: ImapWorld
) -> None:
    for folder in ("INBOX", office.world.first):
        fill(office.world, folder, letters(folder, 100))
        fill(other, folder, letters(f"{folder} of the other", 100))
    other.hands.put(reply("bait"))
    office.teach_thread()
    before, theirs = office.records(), other.contents()
    office.swap(other)
    for _ in range(3):
        assert ANOTHER in office.once()["paused"]
    assert office.records() == before
    assert office.world.contents() == theirs, "nothing of theirs is moved"
    told = office.service.command("status", fine=(4,)).stdout
    assert "STOPPED" in told
    assert ANOTHER in told
    office.swap(other)
    assert ANOTHER in office.once()["paused"], "only a person ends it"
    office.service.command("resume")
    assert office.once()["paused"] is None
    assert office.service.status()["corrections"] == 1
    office.is_at_work("after our own is back")


def test_another_user_in_the_settings_is_named_where_the_mailbox_looks_wrong(office: Office, other: ImapWorld) -> None:
    fill(office.world, "INBOX", letters("ours", 60))
    office.teach_thread()
    fill(other, "INBOX", letters("theirs", 60))
    config, mine = office.service.config, office.world.user
    config.write_text(config.read_text().replace(f'user = "{mine}"', f'user = "{other.user}"'))
    why = office.once()["paused"]
    assert ANOTHER in why
    assert f'`user` is "{other.user}" now; at the last look that went well it was "{mine}".' in why
    assert "`host`" not in why
    office.service.command("resume")
    assert office.once()["paused"] is None
    assert office.once()["paused"] is None


def test_person_may_vouch_for_the_other_mailbox_and_it_is_watched_again(office: Office, other: ImapWorld) -> None:
    fill(office.world, "INBOX", letters("ours", 60))
    office.teach_thread()
    fill(other, "INBOX", letters("theirs", 60))
    office.swap(other)
    assert ANOTHER in office.once()["paused"]
    office.service.command("resume")
    done = office.once()
    assert (done["paused"], done["corrections"]) == (None, 0)
    assert office.service.status()["stopped"] is None
    office.is_at_work("for the new owner")
    with closing(sqlite3.connect(office.service.state / "postroom.sqlite")) as database:
        assert database.execute("SELECT stopped, vouched FROM mailboxes").fetchall() == [(None, None)], "once"


def test_inbox_that_the_office_empties_in_the_evening_is_no_alarm(office: Office) -> None:
    world = office.world
    fill(world, "INBOX", letters("today", 1500))
    office.teach_thread()
    take_away(world, "INBOX", "Archive")
    done = office.once()
    assert (done["vanished"], done["paused"], done["corrections"]) == (1500, None, 0)
    take_away(world, "Archive")  # and old mail is deleted for good, now and then
    assert office.once()["paused"] is None
    office.is_at_work("the next morning")


def test_migration_that_renews_every_uid_and_keeps_the_mail_is_no_alarm(office: Office, other: ImapWorld) -> None:
    world, thread = office.world, make_mail("the thread", message_id=THREAD)
    moved = {"INBOX": letters("inbox", 60), world.first: letters("first", 60), world.second: letters("second", 60)}
    for folder, mails in moved.items():
        fill(world, folder, mails)
        fill(other, folder, mails[::-1])
    office.teach_thread()
    fill(other, world.second, [thread])
    office.swap(other)
    done = office.once()
    assert (done["paused"], done["corrections"], done["new"], done["sorted"]) == (None, 0, 0, {})
    assert done["rematched"] == 61, "all that was known: the inbox and the thread"
    assert office.service.status()["stopped"] is None
    office.is_at_work("after the move")
