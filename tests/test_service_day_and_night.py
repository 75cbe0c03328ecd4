"""The real service on a real Dovecot: it says when no mail comes, `undo` beside it, a long night beside the mail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.basemodel import BaseFile
from daemon.store import learning, mailboxes, messages
from daemon.store.database import Database
from tests.imap_fixtures import ImapWorld
from tests.lessons import office_rows
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually
from tests.silent_line import SilentLine

pytestmark = pytest.mark.imap

THREAD = "<thread@example.org>"


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        yield service


def database_of(service: ServiceProcess) -> Database:
    return Database.open(service.state / "postroom.sqlite")


def look_again(service: ServiceProcess, times: int = 1) -> None:
    """Wait for so many whole passes that began later than now."""
    for _ in range(times + 1):
        before = service.status()["polled"]
        eventually(lambda before=before: service.status()["polled"] != before, "another look")  # type: ignore[misc]


def test_silence_is_told_by_status_and_logged_once_until_mail_comes(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    service.command("once")
    database, last = database_of(service), datetime.now(UTC) - timedelta(days=3)
    with database.begin() as tx:
        box = mailboxes.find(tx, "office")
        assert box is not None
        for hour in range(5 * 7 * 24, 0, -1):  # five weeks, a mail an hour
            at = last - timedelta(hours=hour)
            identity = Identity(None, f"<{hour}@example.org>", f"{hour}")
            messages.add(tx, box.id, Sighting(MessageRef("INBOX", 1, hour), identity, arrived=at), "left", at, None)
    database.close()
    service.start()
    eventually(lambda: '"silence"' in service.log.read_text(), "the alarm")
    look_again(service, 2)
    assert service.log.read_text().count('"silence"') == 1
    told = service.command("status", fine=(3,)).stdout
    assert "Silence: no new mail for 73 hours, unusually long for this mailbox." in told
    assert "Send yourself a test mail" in told
    dovecot_world.deliver("at last")
    eventually(lambda: service.status()["silence"] is None, "the end of the silence")
    service.command("status")


def reply(subject: str) -> bytes:
    return make_mail(subject, In_Reply_To=THREAD, References=THREAD)


def test_undo_beside_the_running_service_doubles_and_loses_nothing_and_stays(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    world = dovecot_world
    service.start()
    eventually(lambda: service.status()["polled"] is not None, "the first look")
    world.deliver("the thread", message_id=THREAD)
    eventually(lambda: service.status()["messages"].get("left") == 1, "the message was decided on")
    world.move("the thread", world.second)
    eventually(lambda: service.status()["corrections"] == 1, "the correction was noticed")
    early, late = [f"early {n}" for n in range(8)], [f"late {n}" for n in range(4)]
    for subject in early:
        world.hands.put(reply(subject))
    eventually(lambda: service.status()["messages"].get("sorted") == len(early), "all are filed")
    filed = contents(world)
    for subject in late:  # these are filed while the others are put back
        world.hands.put(reply(subject))
    done = service.ask("undo", "--since", "1h", "--category", world.second)
    assert done["put_back"] >= len(early)
    assert done["left"] == 0
    look_again(service, 3)
    assert service.status()["unfinished"] == 0
    assert all(contents(world)[each] == filed[each] for each in filed), "each message once, none changed"
    places = {each.subject: each.folder for each in world.contents()}
    assert {places[subject] for subject in early} == {"INBOX"}
    back = [subject for subject in late if places[subject] == "INBOX"]
    assert len(back) == done["put_back"] - len(early), "of the late ones, those that undo found are back"
    assert places["the thread"] == world.second
    assert len(places) == len(world.contents()) == len(early) + len(late) + 1
    assert service.status()["corrections"] == 1, "what undo moved teaches nothing"
    assert service.ask("undo", "--since", "1h", "--dry-run")["put_back"] == len(late) - len(back)
    world.hands.put(reply("the next"))
    eventually(lambda: world.hands.find("the next")[0] == world.second, "the service goes on filing")


def contents(world: ImapWorld) -> Counter[tuple[str, str]]:
    return Counter((each.subject, each.content) for each in world.contents())


SLOW = """
[[mailbox]]
name = "slow"
kind = "imap"
host = "127.0.0.1"
port = {port}
tls = "none"
user = "slow"
credential = "office-imap"
timeout = "2m"
"""
DESK = """
[[mailbox]]
name = "desk"
kind = "imap"
host = "127.0.0.1"
port = {port}
tls = "none"
user = "{user}"
credential = "office-imap"
"""


@pytest.mark.model
def test_long_night_delays_no_mail_and_a_mailbox_that_hangs_delays_no_night(
    dovecot: Dovecot, dovecot_world: ImapWorld, tiny_base: BaseFile, tmp_path: Path
) -> None:
    user = f"{dovecot_world.user}-desk"
    desk = ImapWorld(dovecot, user)
    desk_settings = DESK.format(port=dovecot.port, user=user)
    with (
        SilentLine(dovecot.port, silent=True) as line,
        ServiceProcess(tmp_path, dovecot.port, dovecot_world.user, mailbox=desk_settings) as service,
    ):
        service.command("once")
        teach(service, dovecot_world, 20)
        office = '[[mailbox]]\nname = "office"'
        changes = {
            office: SLOW.format(port=line.port) + office,  # the one that hangs comes first
            'window = "00:00-00:01"': 'window = "00:00-23:59"\nnice = 0\nthreads = 1',
            "min_corrections = 100000": "min_corrections = 5",
            "[log]": f'[engine]\nbase = "{tiny_base.path}"\nmax_tokens = 64\n[log]',
        }
        text = service.config.read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        service.config.write_text(text)
        process = service.start()
        trainer = the_trainer(process.pid)
        trainer.suspend()  # a training that takes for ever
        for number, world in enumerate((dovecot_world, desk, dovecot_world, desk)):
            began = time.monotonic()
            world.deliver(f"meanwhile {number}")
            box = "office" if world is dovecot_world else "desk"
            eventually(lambda: box_status(service, box)["messages"].get("left", 0) > number // 2, "seen at once")  # noqa: B023
            assert time.monotonic() - began < 15
        assert training(service)["outcome"] == "running"
        assert box_status(service, "slow")["training"]["outcome"] == "skipped"
        slow = box_status(service, "slow")
        assert (slow["polled"], slow["trouble"]) == (None, None), "its first look still hangs"
        assert "training-trouble" not in service.log.read_text()
        trainer.kill()
    desk.close()


def the_trainer(service: int) -> psutil.Process:
    """The service's child that trains."""
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = psutil.Process(service).children()
        return bool(found) and "trainer" in found[0].cmdline()

    eventually(look, "the night begins")
    return found[0]


def training(service: ServiceProcess) -> dict[str, str]:
    """How the office's night went."""
    return dict(box_status(service, "office")["training"])


def box_status(service: ServiceProcess, name: str) -> dict[str, Any]:
    [found] = [each for each in service.ask("status", fine=(0, 3))["mailboxes"] if each["name"] == name]
    return dict(found)


def teach(service: ServiceProcess, world: ImapWorld, count: int) -> None:
    database = database_of(service)
    folders = {"orders": world.second, "invoices": world.first}
    with database.begin() as tx:
        box = mailboxes.find(tx, "office")
        assert box is not None
        uids = {category.folder: category.uid for category in mailboxes.categories(tx, box.id)}
        for row in office_rows(count * 2):
            if row["category"] in folders:
                text = MailText(**{**row["text"], "attachments": ()})
                learning.teach(tx, box.id, uids[folders[row["category"]]], text, datetime.now(UTC), source="folder")
    database.close()
