"""What people do with their mail while a real service sorts a real mailbox: nothing of it is undone or misread.

Threads have always been right on this mailbox, so replies to one that people filed follow it into Orders: every mail
here would be moved if it were new.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.a_model import put_model
from tests.imap_fixtures import ImapServer, ImapWorld, courier, cyrus, dovecot, user
from tests.servers.hands import make_mail, quoted
from tests.service_process import ServiceProcess, eventually

__all__ = ["courier", "cyrus", "dovecot", "user"]

THREAD = "<thread@example.org>"
OLD = datetime(2026, 1, 15, tzinfo=UTC)
ACT_AFTER = 4


@pytest.fixture(params=["dovecot", "cyrus", "courier"])
def world(request: pytest.FixtureRequest, user: str) -> Iterator[ImapWorld]:
    server: ImapServer = request.getfixturevalue(request.param)
    opened = ImapWorld(server, user)
    try:
        for name in ("Archive", "Trash"):
            if server.prefix + name not in opened.hands.folders():
                opened.hands.create(server.prefix + name)
        yield opened
    finally:
        opened.close()


@pytest.fixture
def office(world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with made(tmp_path, world) as opened:
        yield opened


def made(folder: Path, world: ImapWorld) -> ServiceProcess:
    """A service that waits for some seconds before it files, and looks at mail the moment it comes."""
    folder.mkdir(exist_ok=True)
    service = ServiceProcess(folder, world.server.port, world.user, sorting='rule_window = "1s"')
    lines = service.config.read_text()
    service.config.write_text(lines.replace('act_after = "0s"', f'act_after = "{ACT_AFTER}s"'))
    return service


def put(world: ImapWorld, subject: str, folder: str = "INBOX", arrived: datetime | None = None) -> None:
    headers = {"References": THREAD, "In-Reply-To": THREAD}
    world.hands.put(
        make_mail(subject, message_id=f"<{subject.replace(' ', '.')}@example.org>", **headers), folder, "", arrived
    )


def taught(office: ServiceProcess, world: ImapWorld) -> None:
    """A person files the first mail of the thread, and a model says how good threads are: now replies follow."""
    world.hands.put(make_mail("Our order", message_id=THREAD))
    eventually(lambda: office.status()["last_arrival"] is not None, "the first mail is seen")
    time.sleep(2)
    world.move("Our order", world.second)
    eventually(lambda: office.status()["corrections"] == 1, "the first correction")
    put_model(office.state, "office", datetime.now(UTC))


def filed(world: ImapWorld, subject: str) -> None:
    """A new mail, which is filed: so the service has done all that it was going to do with what came before."""
    put(world, subject)
    # Without MOVE it lies in both places for a moment.
    eventually(lambda: len(at := world.folders_of(subject)) == 1 and at != ["INBOX"], f"{subject} is filed")


def lessons(office: ServiceProcess) -> int:
    with sqlite3.connect(office.state / "postroom.sqlite") as database:
        counting = "SELECT count(*) FROM lessons WHERE voided IS NULL AND source != 'csv'"
        return int(database.execute(counting).fetchone()[0])


def test_what_people_put_into_the_inbox_stays_there(office: ServiceProcess, world: ImapWorld) -> None:
    archive, trash = world.server.prefix + "Archive", world.server.prefix + "Trash"
    put(world, "lay in Orders before", world.second)
    put(world, "of January", archive, OLD)
    put(world, "of January in Orders", world.second, OLD)
    morning = [f"of the morning {number}" for number in range(8)]
    for number, subject in enumerate(morning):  # of one age: they could be taken for a slow clock of the server's
        put(world, subject, archive, datetime.now(UTC) - timedelta(hours=5) + timedelta(seconds=number))
    office.start()
    taught(office, world)
    before = office.status()["corrections"]
    older = ("lay in Orders before", "of January", "of January in Orders", *morning)
    for subject in older:
        world.move(subject, "INBOX")
        time.sleep(1)
    put(world, "away and back")
    put(world, "deleted and fetched back")
    time.sleep(1)
    world.move("away and back", world.first)
    world.move("away and back", "INBOX")
    world.move("deleted and fetched back", trash)
    time.sleep(2)
    world.move("deleted and fetched back", "INBOX")
    filed(world, "a new mail")
    time.sleep(ACT_AFTER + 2)
    filed(world, "another new mail")
    subjects = (*older, "away and back", "deleted and fetched back")
    assert {subject: world.folders_of(subject) for subject in subjects} == {subject: ["INBOX"] for subject in subjects}
    kinds = [found["kind"] for found in office.ask("corrections")]
    assert kinds.count("rejection") <= 1, "that of the mail which lay in Orders when we came"
    assert office.status()["corrections"] - before <= 1
    assert office.stop() == 0


def test_a_client_that_copies_and_deletes_later_makes_a_move_and_never_two_mails(
    office: ServiceProcess, world: ImapWorld
) -> None:
    office.start()
    taught(office, world)
    put(world, "copied first")
    put(world, "copied for good")
    time.sleep(2)
    originals = {subject: world.hands.find(subject) for subject in ("copied first", "copied for good")}
    for source, uid in originals.values():
        world.hands.imap.select(quoted(source))
        world.hands.imap.uid("COPY", uid, quoted(world.first))
        world.hands.leave()
    filed(world, "a new mail")
    time.sleep(ACT_AFTER + 2)
    source, uid = originals["copied first"]
    world.hands.expunge(source, [uid])
    eventually(lambda: office.status()["corrections"] == 2, f"a correction, {office.log.read_text()[-3000:]}")
    filed(world, "another new mail")
    assert world.folders_of("copied first") == [world.first]
    assert sorted(world.folders_of("copied for good")) == sorted(["INBOX", world.first])
    assert office.stop() == 0


def test_a_restored_backup_undoes_nobody_and_teaches_nothing(office: ServiceProcess, world: ImapWorld) -> None:
    office.start()
    taught(office, world)
    backup = office.state.with_name("backup")
    office.command("pause")
    for number in range(12):
        put(world, f"mail {number}")
    eventually(lambda: office.status()["messages"].get("new", 0) == 12, "all are seen")
    assert office.stop() == 0
    shutil.copytree(office.state, backup)  # as a whole: nothing beside the database says that it is old
    office.command("resume")
    office.start()
    eventually(lambda: all(world.folders_of(f"mail {number}") == [world.second] for number in range(12)), "all filed")
    for number in range(4):
        world.move(f"mail {number}", "INBOX")
    for number in range(4, 6):
        world.move(f"mail {number}", world.first)
    eventually(lambda: office.status()["corrections"] == 7, "people's corrections")
    filed(world, "after the backup")
    world.move("after the backup", "INBOX")
    assert office.stop() == 0
    shutil.rmtree(office.state)
    shutil.copytree(backup, office.state)
    office.command("resume")
    before = lessons(office)
    office.start()
    told = office.command("resume", "--restored", fine=(1,)).stderr
    assert "a service works on this directory" in told
    filed(world, "a new mail")
    time.sleep(ACT_AFTER + 3)
    places = [world.folders_of(f"mail {number}") for number in range(12)]
    assert places == [["INBOX"]] * 4 + [[world.first]] * 2 + [[world.second]] * 6
    assert world.folders_of("after the backup") == ["INBOX"]
    assert (lessons(office), office.status()["corrections"]) == (before, 1)
    assert "knows nothing of" in office.status()["another"]
    assert office.stop() == 0


def test_a_backup_taken_beside_the_service_comes_back_undoes_nobody_and_goes_on_sorting(
    office: ServiceProcess, world: ImapWorld
) -> None:
    office.start()
    taught(office, world)
    backup = office.state.with_name("backup.tar")
    office.command("pause")
    for number in range(6):
        put(world, f"mail {number}")
    eventually(lambda: office.status()["messages"].get("new", 0) == 6, "all are seen")
    office.command("backup", str(backup))
    office.command("resume")
    eventually(lambda: all(world.folders_of(f"mail {number}") == [world.second] for number in range(6)), "all filed")
    world.move("mail 0", "INBOX")
    world.move("mail 1", world.first)
    eventually(lambda: office.status()["corrections"] == 3, "people's corrections")
    told = office.command("restore", str(backup), fine=(75,)).stderr
    assert "another Postroom works here" in told
    assert "Stop it first" in told
    assert office.status()["corrections"] == 3
    assert office.stop() == 0
    office.command("restore", str(backup))
    before = lessons(office)
    assert office.status()["corrections"] == 1
    office.command("resume")
    office.start()
    eventually(lambda: office.status()["restored"] is not None, "the service notices by itself")
    filed(world, "a new mail")
    time.sleep(ACT_AFTER + 3)
    places = [world.folders_of(f"mail {number}") for number in range(6)]
    assert places == [["INBOX"], [world.first], *[[world.second]] * 4]
    assert (lessons(office), office.status()["corrections"]) == (before, 1)
    assert "restored from a backup" in office.status()["restored"]
    assert office.stop() == 0


def test_two_daemons_on_one_mailbox_learn_nothing_from_each_other_and_are_told(
    office: ServiceProcess, world: ImapWorld, tmp_path: Path
) -> None:
    office.start()
    taught(office, world)
    assert office.stop() == 0
    second = made(tmp_path / "second", world)
    shutil.copytree(office.state, second.state, dirs_exist_ok=True)
    with second:
        office.start()
        second.start()
        for number in range(30):
            put(world, f"mail {number}")
        eventually(
            lambda: all(world.folders_of(f"mail {number}") == [world.second] for number in range(30)), "all filed", 90
        )
        time.sleep(5)
        assert [one.status()["corrections"] for one in (office, second)] == [1, 1]
        assert [lessons(one) for one in (office, second)] == [1, 1]
        # Who tried the same move at the same moment may take the other's for its own, and says nothing. Not so here:
        assert second.stop() == 0
        filed(world, "filed by the first alone")
        second.start()
        eventually(lambda: second.status()["another"], "the second is told", 60)
        assert [lessons(one) for one in (office, second)] == [1, 1]
        assert (office.stop(), second.stop()) == (0, 0)
