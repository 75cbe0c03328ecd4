"""`systemctl reload` on a real Dovecot: what did not change keeps its connection, IDLE, pass and training."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.mistakes import ExitCode
from daemon.service.loop import READY_S
from tests.daemon.service.test_service import trainers_of
from tests.daemon.service.test_service_include import BOX, polled, reload, worlds, write
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually
from tests.silent_line import SilentLine

pytestmark = pytest.mark.imap
__all__ = ["worlds"]


@pytest.fixture
def line(dovecot_world: ImapWorld) -> Iterator[SilentLine]:
    with SilentLine(dovecot_world.server.port) as line:
        yield line


@pytest.fixture
def service(line: SilentLine, dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    """The mailbox `office` is behind the line."""
    with ServiceProcess(tmp_path, line.port, dovecot_world.user) as service:
        (tmp_path / "mailboxes.d").mkdir()
        service.config.write_text('include = "mailboxes.d/*.toml"\n' + service.config.read_text())
        yield service


def looked(service: ServiceProcess, *names: str) -> None:
    for name in names:
        eventually(lambda name=name: polled(service, name) is not None, f"the first look at {name}")


def told(service: ServiceProcess, event: str, name: str) -> int:
    return sum(
        f'"event": "{event}"' in line and f'"mailbox": "{name}"' in line
        for line in service.log.read_text().splitlines()
    )


def held_in_a_pass(line: SilentLine) -> None:
    line.hold()
    assert line.waiting.wait(30), "no pass began"


def test_a_pass_goes_on_on_its_connection_while_others_come_change_and_go(
    service: ServiceProcess, worlds: dict[str, ImapWorld], line: SilentLine, dovecot_world: ImapWorld
) -> None:
    sales = write(service, worlds, "sales")
    service.start()
    looked(service, "office", "sales")
    held_in_a_pass(line)
    write(service, worlds, "hr")
    sales.write_text(sales.read_text() + 'timeout = "50s"\n')
    reload(service)
    looked(service, "hr")
    again = told(service, "pass", "sales")
    eventually(lambda: told(service, "pass", "sales") > again, "sales is opened anew")
    sales.unlink()
    reload(service)
    assert (told(service, "mailbox-opened", "sales"), told(service, "mailbox-closed", "sales")) == (1, 2)
    dovecot_world.deliver("parts for the press")
    passes = told(service, "pass", "office")
    line.let_go()
    eventually(lambda: told(service, "pass", "office") > passes, "the pass ended well")
    eventually(lambda: service.status()["messages"].get("left") == 1, "the message was decided on")
    assert line.logins == 1
    assert told(service, "mailbox-closed", "office") == 0
    assert service.log.read_text().count('"started"') == 1
    assert service.stop() == 0


def test_a_mailbox_that_nobody_changed_goes_on_listening(
    service: ServiceProcess, worlds: dict[str, ImapWorld], line: SilentLine, dovecot_world: ImapWorld
) -> None:
    service.config.write_text(service.config.read_text().replace('poll = "1s"', 'poll = "15m"'))
    service.start()
    looked(service, "office")
    write(service, worlds, "hr")
    reload(service)
    looked(service, "hr")
    for number in range(6):  # on a busy machine the first may come just before it begins to listen
        dovecot_world.deliver(f"parts for the press {number}")
        with contextlib.suppress(AssertionError):
            eventually(lambda: service.status()["messages"].get("left", 0) > 0, "the server's hint was heard", 10)
            break
    assert service.status()["messages"].get("left", 0) > 0, "no hint of the server's was heard"
    assert line.logins == 1


def test_what_changes_or_goes_during_its_pass_ends_after_it_and_counts_as_it_is_by_then(
    service: ServiceProcess, worlds: dict[str, ImapWorld], line: SilentLine, dovecot_world: ImapWorld
) -> None:
    port = dovecot_world.server.port
    with SilentLine(port) as second, SilentLine(port) as third:
        sales = write(service, worlds, "sales")
        sales.write_text(sales.read_text().replace(f"port = {port}", f"port = {third.port}"))
        service.start()
        looked(service, "office", "sales")
        held_in_a_pass(line)
        held_in_a_pass(third)
        good = service.config.read_text()
        service.config.write_text(good.replace(f"port = {line.port}", "port = 1"))
        sales.unlink()
        before = time.monotonic()
        reload(service)
        assert time.monotonic() - before >= READY_S / 2, "systemd hears of the end when they have left, or nearly"
        assert told(service, "mailbox-closed", "office") == told(service, "mailbox-closed", "sales") == 0
        service.config.write_text(good.replace(f"port = {line.port}", f"port = {second.port}"))
        write(service, worlds, "hr")
        assert service.process is not None
        for _ in range(2):
            service.process.send_signal(signal.SIGHUP)
        looked(service, "hr")
        line.let_go()
        third.let_go()
        eventually(lambda: told(service, "mailbox-closed", "sales") == 1, "sales has left")
        dovecot_world.deliver("parts for the press")
        eventually(lambda: service.status()["messages"].get("left") == 1, "the message was decided on")
        assert (line.logins, second.logins, third.logins) == (1, 1, 1)
        gone = service.log.read_text().count('"mailbox": "sales"')
        passes = service.passes()
        eventually(lambda: service.passes() > passes + 2, "the others go on")
        assert service.log.read_text().count('"mailbox": "sales"') == gone


def test_a_training_goes_on_when_its_mailbox_changes_and_ends_when_it_goes_or_begins_to_share(
    service: ServiceProcess, worlds: dict[str, ImapWorld], line: SilentLine
) -> None:
    sales = write(service, worlds, "sales")
    for number in range(4):
        for folder in (worlds["sales"].first, worlds["sales"].second):
            worlds["sales"].hands.put(make_mail(f"{folder[-3:]} {number}"), folder)
    service.command("learn", "--from-folders", "--no-train", "--mailbox", "sales")
    service.start(POSTROOM_TRAINING__WINDOW="00:00-00:00", POSTROOM_TRAINING__MIN_CORRECTIONS="1")
    eventually(lambda: bool(trainers_of(service)), "a training")
    (trainer,) = trainers_of(service)
    trainer.suspend()
    sales.write_text(sales.read_text() + 'timeout = "50s"\n')
    reload(service)
    eventually(lambda: told(service, "mailbox-opened", "sales") == 1, "it is opened anew")
    assert trainer.is_running()
    sales.unlink()
    reload(service)
    eventually(lambda: not trainer.is_running(), "its training ends")
    write(service, worlds, "sales")
    reload(service)
    eventually(lambda: bool(trainers_of(service)), "it begins anew")
    (trainer,) = trainers_of(service)
    trainer.suspend()
    sales.write_text(sales.read_text() + 'share = "office"\n')
    reload(service)
    eventually(lambda: not trainer.is_running(), "it has no night of its own any more")
    assert service.status_of("sales")["shares"] == "office"
    assert line.logins == 1


def test_a_broken_file_is_named_wherever_somebody_looks_and_the_rest_is_taken(
    service: ServiceProcess, worlds: dict[str, ImapWorld], line: SilentLine
) -> None:
    sales = write(service, worlds, "sales")
    service.start()
    looked(service, "office", "sales")
    sales.write_text(sales.read_text().replace("port =", "prt ="))
    write(service, worlds, "hr")
    reload(service)
    looked(service, "hr")
    service.hear(
        "STATUS=3 of 3 mailboxes fine; mailboxes.d/sales.toml cannot be used, and what stood there before goes on"
    )
    shown = service.command("status", fine=(ExitCode.NEEDS_PERSON,)).stdout
    assert "  - mailboxes.d/sales.toml: " in shown
    assert "mailboxes.d/sales.toml: " in service.log.read_text()
    main = service.config.read_text()
    service.config.write_text(main.replace("poll =", "pol =") + BOX.format(name="new", port=1, user="u"))
    reload(service)
    service.hear("STATUS=3 of 3 mailboxes fine; the settings as they are now were refused, the old ones go on")
    assert told(service, "mailbox-closed", "sales") == told(service, "mailbox-closed", "office") == 0
    assert line.logins == 1


def hang_up_until(service: ServiceProcess, enough: Callable[[], bool]) -> None:
    process = service.process
    assert process is not None
    while process.poll() is None and not enough():
        process.send_signal(signal.SIGHUP)
        time.sleep(0.02)


def heeds_hang_ups(process: int) -> bool:
    """Does it ignore or handle them by now? Python itself comes first. See proc(5), of /proc/PID/status."""
    words = dict(
        line.split(":\t") for line in Path(f"/proc/{process}/status").read_text().splitlines() if ":\t" in line
    )
    return bool((int(words["SigIgn"], 16) | int(words["SigCgt"], 16)) & 1)


def test_who_asks_for_a_reload_before_the_start_has_ended_ends_nothing(service: ServiceProcess) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under `nohup` the tests would hand down that it is ignored
    process = service.start(ready=False)
    signal.signal(signal.SIGHUP, before)
    eventually(lambda: heeds_hang_ups(process.pid), "the command begins")
    hang_up_until(service, lambda: '"settings-reloaded"' in service.log.read_text())
    assert process.poll() is None, service.log.read_text()
    service.hear("READY=1")
    looked(service, "office")
    assert service.stop() == 0
