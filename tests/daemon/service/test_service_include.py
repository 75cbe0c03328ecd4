"""The real service on a real Dovecot, with mailboxes in files of their own that come, change, go and break."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.mistakes import ExitCode
from tests.daemon.service.test_service import trainers_of
from tests.imap_fixtures import ImapWorld
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually

pytestmark = pytest.mark.imap

BOX = """
[[mailbox]]
name = "{name}"
host = "127.0.0.1"
port = {port}
tls = "none"
user = "{user}"
credential = "office-imap"
"""


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        (tmp_path / "mailboxes.d").mkdir()
        service.config.write_text('include = "mailboxes.d/*.toml"\n' + service.config.read_text())
        yield service


@pytest.fixture
def worlds(dovecot: Dovecot, dovecot_world: ImapWorld) -> Iterator[dict[str, ImapWorld]]:
    made = {name: ImapWorld(dovecot, f"{dovecot_world.user}-{name}") for name in ("sales", "hr")}
    yield made
    for world in made.values():
        world.close()


def write(service: ServiceProcess, worlds: dict[str, ImapWorld], name: str, more: str = "") -> Path:
    file = service.config.parent / "mailboxes.d" / f"{name}.toml"
    world = worlds[name]
    file.write_text(BOX.format(name=name, port=world.server.port, user=world.user) + more)
    return file


def reload(service: ServiceProcess) -> None:
    assert service.process is not None
    service.heard.clear()
    service.process.send_signal(signal.SIGHUP)
    service.hear("READY=1")


def polled(service: ServiceProcess, name: str) -> str | None:
    return str(service.status_of(name)["polled"] or "") or None


def test_files_come_change_and_go_at_a_reload_and_a_broken_one_concerns_no_other(
    service: ServiceProcess, worlds: dict[str, ImapWorld]
) -> None:
    sales = write(service, worlds, "sales")
    service.start()
    for name in ("office", "sales"):
        eventually(lambda name=name: polled(service, name) is not None, f"the first look at {name}")

    good = sales.read_text()
    sales.write_text(good + 'port = "many"\n')
    write(service, worlds, "hr")
    reload(service)
    eventually(lambda: polled(service, "hr") is not None, "a look at what came")
    told = service.command("status", fine=(ExitCode.NEEDS_PERSON,)).stdout
    assert "Where an included file cannot be used, its mailboxes go on by what it said before." in told
    assert told.count("  - mailboxes.d/sales.toml: ") == 1, "each mistake once, though service and file both tell it"
    assert "[[mailbox]] 1 (sales) port" in told or "line 9" in told
    log = service.log.read_text()
    assert "mailboxes.d/sales.toml: " in log
    assert "Until then its mailboxes go on as before." in log
    assert "mailboxes.d/sales.toml" in service.command("check", fine=(ExitCode.MISTAKE,)).stderr
    worlds["sales"].deliver("while its file is broken")
    passed = log.count('"mailbox": "sales"')
    eventually(lambda: service.log.read_text().count('"mailbox": "sales"') > passed, "sales goes on as before")

    sales.write_text(good)
    reload(service)
    eventually(lambda: service.ask("status", fine=(0, 3))["settings_refused"] is None, "all can be used")
    assert polled(service, "sales") is not None
    with_sales = service.ask("status", fine=(0, 3))["mailboxes"]
    assert [one["name"] for one in with_sales] == ["office", "hr", "sales"]
    sales.unlink()
    reload(service)
    gone = service.log.read_text().count('"mailbox": "sales"')
    before = service.passes()
    eventually(lambda: service.passes() > before + 2, "the others go on")
    assert service.log.read_text().count('"mailbox": "sales"') == gone, "nobody looks there any more"


def test_a_reload_ends_no_training_unless_what_concerns_all_mailboxes_is_new(
    service: ServiceProcess, worlds: dict[str, ImapWorld], dovecot_world: ImapWorld
) -> None:
    for number in range(4):
        for folder in (dovecot_world.first, dovecot_world.second):
            dovecot_world.hands.put(make_mail(f"{folder[-3:]} {number}"), folder)
    sales = write(service, worlds, "sales")
    service.command("learn", "--from-folders", "--no-train", "--mailbox", "office")
    night = {"POSTROOM_TRAINING__WINDOW": "00:00-00:00", "POSTROOM_TRAINING__MIN_CORRECTIONS": "1"}
    service.start(**night)
    eventually(lambda: trainers_of(service), "a training")
    (trainer,) = trainers_of(service)
    trainer.suspend()  # it does not end by itself
    good, main = sales.read_text(), service.config.read_text()
    sales.write_text(good.replace("port =", "prt ="))
    reload(service)
    service.config.write_text(main.replace("poll =", "pol ="))
    reload(service)
    assert service.log.read_text().count('"settings-refused"') == 2
    assert trainer.is_running()
    assert service.log.read_text().count('"started"') == 1
    sales.write_text(good)
    service.config.write_text(main)
    reload(service)
    hr = write(service, worlds, "hr")
    reload(service)
    hr.unlink()
    reload(service)
    assert trainer.is_running()
    assert service.status()["training"]["outcome"] == "running"
    assert service.log.read_text().count('"started"') == 1
    service.config.write_text(main.replace('settle = "1s"', 'settle = "2s"'))
    reload(service)
    assert not trainer.is_running(), "settings that all work by are used"


def test_a_file_that_is_broken_at_the_start_is_named_as_every_other_mistake(
    service: ServiceProcess, worlds: dict[str, ImapWorld]
) -> None:
    write(service, worlds, "sales", 'port = "many"\n')
    write(service, worlds, "hr", "color = 1\n")
    process = service.start(ready=False)
    assert process.wait(60) == ExitCode.MISTAKE
    told = service.log.read_text()
    assert "mailboxes.d/hr.toml: [[mailbox]] 1 (hr) color: unknown key." in told
    assert "mailboxes.d/sales.toml: " in told
