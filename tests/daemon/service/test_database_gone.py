"""The database is deleted or replaced under the running service: told, paused, and nothing is moved meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store.database import copy_database
from tests.imap_fixtures import ImapWorld
from tests.service_process import ServiceProcess, eventually

pytestmark = [pytest.mark.imap, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        service.start()
        dovecot_world.deliver("before")
        eventually(lambda: service.passes() > 1, "looks")
        yield service


@pytest.mark.parametrize("how", ["deleted", "replaced", "its log deleted", "its folder's backup moved back"])
def test_it_is_told_and_waits_for_a_person(service: ServiceProcess, dovecot_world: ImapWorld, how: str) -> None:
    place = service.state / "postroom.sqlite"
    copy_database(place, place.with_name("backup"))
    match how:
        case "deleted":
            for file in service.state.glob("postroom.sqlite*"):
                file.unlink()
        case "replaced":
            place.with_name("backup").replace(place)
        case "its log deleted":
            place.with_name("postroom.sqlite-wal").unlink()
        case _:
            shutil.copy(place.with_name("backup"), place.with_name("again"))
            for file in service.state.glob("postroom.sqlite*"):
                file.unlink()
            place.with_name("again").replace(place)
    eventually(lambda: '"event": "paused"' in service.log.read_text(), "it is opened anew", 60)
    words = service.status()["paused"]
    assert "while Postroom used it" in words
    assert "postroom resume" in words
    log = service.log.read_text()
    assert '"event": "database-gone"' in log
    assert log.count('"event": "database-gone"') == 1
    assert '"bug"' not in log
    service.heard.clear()
    service.hear("WATCHDOG=1")
    before = service.passes()
    eventually(lambda: service.passes() > before, "it looks on")
    service.command("resume")
    dovecot_world.deliver("after")
    eventually(lambda: service.status()["messages"].get("left", 0) >= 1, "it sorts again")
    assert service.stop() == 0
