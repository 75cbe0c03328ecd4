"""The real service on a real Dovecot: it says when no mail comes, and `undo` works beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import Identity, MessageRef, Sighting
from daemon.store import mailboxes, messages
from daemon.store.database import Database
from tests.a_model import put_model
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually

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
    wanted = service.passes() + times + 1
    eventually(lambda: service.passes() >= wanted, "another look")


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
    put_model(service.state, "office", datetime.now(UTC))
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
    eventually(lambda: world.folders_of("the next") == [world.second], "the service goes on filing")


def contents(world: ImapWorld) -> Counter[tuple[str, str]]:
    return Counter((each.subject, each.content) for each in world.contents())
