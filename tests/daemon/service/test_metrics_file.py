"""A real service writes its figures where node_exporter reads them, whole, and goes on where it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.service.metrics_file import write_whole
from tests.daemon.report.test_exposition import samples
from tests.imap_fixtures import ImapWorld
from tests.service_process import ServiceProcess, eventually


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        yield service


def set_file(service: ServiceProcess, file: Path) -> None:
    service.config.write_text(service.config.read_text() + f'\n[metrics]\nfile = "{file}"\n')


@pytest.mark.imap
@pytest.mark.slow
def test_the_file_tells_what_the_service_does(service: ServiceProcess, dovecot_world: ImapWorld) -> None:
    file = service.config.parent / "textfile" / "postroom.prom"
    file.parent.mkdir()
    set_file(service, file)
    dovecot_world.deliver("there before")
    service.start()
    eventually(lambda: service.passes() > 0, "a look")
    dovecot_world.deliver("zebra")
    eventually(lambda: service.status()["messages"].get("left") == 1, "it is decided about")
    left = "postroom_messages", (("mailbox", "office"), ("state", "left"))
    eventually(lambda: file.exists() and samples(file.read_text()).get(left) == 1, "the figures", 150)
    found = samples(file.read_text())
    assert found["postroom_passes_total", (("mailbox", "office"), ("outcome", "succeeded"))] > 0
    assert found["postroom_passes_total", (("mailbox", "office"), ("outcome", "failed"))] == 0
    assert found["postroom_pass_seconds_total", (("mailbox", "office"),)] > 0
    assert found["postroom_mailbox_last_look_timestamp_seconds", (("mailbox", "office"),)] > 0
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in file.parent.iterdir()] == ["postroom.prom"]
    assert "zebra" not in file.read_text()
    assert service.stop() == 0


@pytest.mark.imap
@pytest.mark.slow
def test_where_it_cannot_be_written_the_log_says_so_once(service: ServiceProcess, dovecot_world: ImapWorld) -> None:
    set_file(service, service.config.parent / "nowhere" / "postroom.prom")
    service.start()
    eventually(lambda: "metrics-not-written" in service.log.read_text(), "the warning", 150)
    dovecot_world.deliver("goes on")
    eventually(lambda: service.status()["messages"].get("left") == 1, "mail is sorted as ever")
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    assert len([line for line in lines if line["event"] == "metrics-not-written"]) == 1
    assert service.stop() == 0


@pytest.mark.imap
def test_a_file_of_another_name_is_refused_in_words(service: ServiceProcess) -> None:
    set_file(service, service.config.parent / "postroom.txt")
    assert "does not end in .prom" in service.command("config", fine=(2,)).stderr


def test_a_file_is_replaced_whole_and_left_as_it_is_where_the_new_one_fails(tmp_path: Path) -> None:
    file = tmp_path / "x.prom"
    write_whole(file, "one\n")
    reader = file.open()
    write_whole(file, "two\n")
    assert (reader.read(), file.read_text()) == ("one\n", "two\n"), "who reads it meanwhile reads one of the two"
    reader.close()
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "\ud800")
    assert file.read_text() == "two\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.prom"]
