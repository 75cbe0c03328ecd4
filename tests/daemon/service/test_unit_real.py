"""The shipped unit for real: installed as docs/installing.md says, run by systemd itself, on a real Dovecot.

Nothing here is skipped where systemd cannot be had: then these tests fail, and say what they need.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from daemon.mistakes import ExitCode
from daemon.model.base_file import BaseFile
from tests.installed_unit import InstalledPostroom, documented, kill_main
from tests.lessons import office_rows
from tests.servers.dovecot import Dovecot
from tests.servers.hands import Hands, make_mail
from tests.servers.systemd import NoSystemd, PrivateSystemd
from tests.service_process import eventually
from tests.silent_line import SilentLine

pytestmark = [pytest.mark.imap, pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]

ALL_DAY = "00:00-00:00"
_users = count(1)


@pytest.fixture(scope="module")
def installed(tiny_base: BaseFile) -> Iterator[InstalledPostroom]:
    with Dovecot() as server, PrivateSystemd() as machine:
        yield InstalledPostroom(machine, server.port, tiny_base.path)


@pytest.fixture
def office(installed: InstalledPostroom) -> Iterator[tuple[InstalledPostroom, Hands]]:
    """A mailbox with filed mail that nothing was learnt from yet; the service is not running."""
    user, rows = f"office-{next(_users)}", office_rows(80)
    hands = Hands(installed.port, user)
    for folder in sorted({row["category"].title() for row in rows}):
        hands.create(folder)
    for row in rows:
        hands.put(make_mail(row["text"]["subject"], row["text"]["body"]), row["category"].title())
    installed.begin(user, ALL_DAY)
    yield installed, hands
    installed.machine.run("systemctl", "stop", "postroom")
    hands.close()


def start(postroom: InstalledPostroom) -> None:
    """It returns when the service has said READY."""
    postroom.shell("systemctl enable --now postroom")
    assert postroom.shown("ActiveState") == "active"


def outcome(postroom: InstalledPostroom) -> str | None:
    """How the latest training stands."""
    return (postroom.status()["training"] or {}).get("outcome")


def test_what_the_page_says_works_with_the_service_and_the_wrapper_script(
    office: tuple[InstalledPostroom, Hands],
) -> None:
    postroom, hands = office
    assert "fine" in postroom.postroom("check"), "the wrapper has the secret, too"
    assert "Invoices" in postroom.postroom("folders")
    assert "No service runs here" in postroom.postroom("status", fine=(ExitCode.NOT_RUNNING,))
    start(postroom)
    postroom.until(lambda: postroom.status()["polled"] is not None, "the first look, with the secret from systemd")
    postroom.until(lambda: postroom.shown("StatusText") == "1 of 1 mailboxes fine", "the Status line says so, too")
    assert "Next training" in postroom.postroom("status")
    hands.put(make_mail("before there is a model"))
    postroom.until(lambda: postroom.status()["messages"].get("left") == 1, "the message is decided on")
    assert "event=started mailboxes=1" in postroom.log()
    postroom.edit_settings(ALL_DAY, level="debug")
    postroom.machine.run("systemctl", "reload", "postroom")
    postroom.until(lambda: "event=pass" in postroom.log().partition("settings-reloaded")[2], "it tells more now")
    assert (postroom.shown("NRestarts"), postroom.shown("ActiveState")) == ("0", "active")


def test_the_service_trains_by_itself_and_files_by_what_it_learnt(office: tuple[InstalledPostroom, Hands]) -> None:
    postroom, hands = office
    postroom.postroom("learn", "--from-folders", "--no-train")
    start(postroom)
    postroom.until(lambda: outcome(postroom) not in (None, "running"), "a training", 240)
    assert outcome(postroom) == "promoted", postroom.log()
    assert not postroom.trainers()
    postroom.postroom("live")
    fresh = [row["text"] for row in office_rows(120)[80:] if row["category"] == "invoices"][:5]
    for number, text in enumerate(fresh):  # of mail that belongs there nearly all is sure enough, not every one
        hands.put(make_mail(f"{number} {text['subject']}", text["body"]))
    filed = {f"{number} {text['subject']}" for number, text in enumerate(fresh)}
    postroom.until(lambda: any("Invoices" in places(hands, subject) for subject in filed), "the mail is filed")
    postroom.postroom("status")


def places(hands: Hands, subject: str) -> list[str]:
    """Where it lies; perhaps nowhere while it moves."""
    return [lying.folder for lying in hands.contents() if lying.subject == subject]


def test_a_training_ends_with_the_service_by_a_kill_and_by_a_stop(office: tuple[InstalledPostroom, Hands]) -> None:
    postroom, hands = office
    postroom.postroom("learn", "--from-folders", "--no-train")
    start(postroom)
    postroom.until(lambda: bool(postroom.trainers()), "a training")
    first = postroom.trainers()
    kill_main(postroom, "KILL")
    postroom.until(lambda: not any(each.is_running() for each in first), "its end")
    postroom.until(lambda: postroom.shown("NRestarts") == "1" and bool(postroom.trainers()), "it begins once more")
    postroom.machine.run("systemctl", "stop", "postroom", seconds=90)  # TimeoutStopSec
    assert not postroom.trainers()
    assert (postroom.shown("ActiveState"), postroom.shown("Result")) == ("inactive", "success")
    told = postroom.postroom("status", fine=(ExitCode.NOT_RUNNING,))
    assert outcome(postroom) == "stopped"
    assert "2 trainings in a row have come to nothing" in told
    hands.put(make_mail("after the kill and the stop"))
    start(postroom)
    postroom.until(lambda: postroom.status()["messages"].get("left") == 1, "the message is decided on")


@pytest.mark.parametrize("output", ["", "> /tmp/told 2>&1"], ids=["on a terminal", "into a file"])
def test_ctrl_c_ends_what_the_wrapper_script_began(office: tuple[InstalledPostroom, Hands], output: str) -> None:
    postroom, _ = office
    postroom.postroom("learn", "--from-folders", "--no-train")
    line = f"trap : INT; /usr/local/bin/postroom train {output}; echo exit code $?"
    with postroom.machine.typing("sh", "-c", line) as terminal:
        eventually(lambda: bool(postroom.machine.processes("trainer")), "a training that somebody waits for", 60)
        os.write(terminal, b"\x03")
        eventually(lambda: not postroom.machine.processes("trainer"), "the training has ended with its command", 30)
        eventually(lambda: not postroom.machine.processes("/opt/postroom/venv"), "and so has the command", 30)
        said = b""
        while b"exit code" not in said:
            said += os.read(terminal, 1000)
        assert said.partition(b"exit code ")[2].strip() == b"130"
    assert outcome(postroom) == "interrupted"
    assert postroom.machine.run("ls", "/var/lib/postroom/training").stdout.split() == ["by-hand", "lock", "place-1"]


def test_tab_completes_what_the_wrapper_script_takes(office: tuple[InstalledPostroom, Hands]) -> None:
    postroom, _ = office
    asked = (
        "source /etc/bash_completion.d/postroom; COMP_WORDS=(postroom sta); COMP_CWORD=1; "
        "_postroom_completion postroom; echo ${COMPREPLY[@]}"
    )
    assert postroom.machine.run("bash", "-c", asked).stdout == "status\n"


def test_a_new_secret_is_handed_over_by_a_restart_and_not_by_a_reload(office: tuple[InstalledPostroom, Hands]) -> None:
    postroom, _ = office
    secret = "/etc/postroom/credentials/office"
    postroom.shell(f"cp {secret} /tmp/right && printf wrong > {secret}")
    start(postroom)
    postroom.until(lambda: postroom.status()["trouble"] is not None, "the refusal")
    assert "then restart the service: systemd hands over a new secret only then" in str(postroom.status()["trouble"])
    postroom.shell(f"cp /tmp/right {secret}")
    postroom.machine.run("systemctl", "reload", "postroom")
    postroom.until(lambda: postroom.log().count("needs-person") == 2, "the reload has the old secret")
    postroom.machine.run("systemctl", "restart", "postroom")
    postroom.until(lambda: postroom.status()["polled"] is not None, "the restart has the new one")


def test_a_service_that_hangs_is_restarted_by_the_watchdog(office: tuple[InstalledPostroom, Hands]) -> None:
    postroom, hands = office
    drop_in = "/etc/systemd/system/postroom.service.d"
    postroom.shell(f"mkdir {drop_in}")
    postroom.shell(f"cat > {drop_in}/quick.conf && systemctl daemon-reload", given="[Service]\nWatchdogSec=10s\n")
    start(postroom)
    postroom.until(lambda: postroom.status()["polled"] is not None, "the first look")
    kill_main(postroom, "STOP")
    postroom.until(lambda: int(postroom.shown("NRestarts")) > 0, "the restart")
    assert "Watchdog timeout" in postroom.log()
    hands.put(make_mail("after the hang"))
    postroom.until(lambda: postroom.status()["messages"].get("left") == 1, "the message is decided on")


@pytest.mark.parametrize("how", ["nobody listens", "it never answers"])
def test_a_mail_server_that_is_down_for_longer_than_the_watchdog_waits_restarts_nobody(
    office: tuple[InstalledPostroom, Hands], how: str
) -> None:
    postroom, hands = office
    real = postroom.port
    drop_in = "/etc/systemd/system/postroom.service.d"
    postroom.shell(f"mkdir {drop_in}")
    postroom.shell(f"cat > {drop_in}/quick.conf && systemctl daemon-reload", given="[Service]\nWatchdogSec=10s\n")
    with SilentLine(real, silent=True) as line:
        if how == "nobody listens":
            line.listener.close()
        postroom.port = line.port
        try:
            postroom.edit_settings(ALL_DAY)
        finally:
            postroom.port = real
        before = postroom.log().count("Watchdog timeout")  # the journal is that of all tests here
        start(postroom)
        process = postroom.shown("MainPID")
        told = postroom.shown("WatchdogTimestampMonotonic")
        time.sleep(25)
        assert postroom.shown("WatchdogTimestampMonotonic") != told, "the watchdog is not even watched"
        assert (postroom.shown("MainPID"), postroom.shown("NRestarts")) == (process, "0")
        assert postroom.log().count("Watchdog timeout") == before
        assert postroom.status()["polled"] is None, "nothing was seen of the mailbox"
        postroom.edit_settings(ALL_DAY)
        postroom.machine.run("systemctl", "reload", "postroom")
    hands.put(make_mail("after the outage"))
    postroom.until(lambda: postroom.status()["polled"] is not None, "the first look")
    assert (postroom.shown("MainPID"), postroom.shown("NRestarts")) == (process, "0")


def test_nothing_is_left_of_what_was_removed(tiny_base: BaseFile) -> None:
    with Dovecot() as server, PrivateSystemd() as machine:
        postroom = InstalledPostroom(machine, server.port, tiny_base.path)
        postroom.begin("removed", ALL_DAY)
        start(postroom)
        uninstall, *more = documented("Removal")
        postroom.shell(f"{uninstall} --yes")  # nobody is there to be asked
        postroom.shell("umount /opt/postroom/venv/lib/*/site-packages")  # the packages are a layer of the tests
        for line in more:
            postroom.shell(line)
        left = machine.run("sh", "-c", "find /etc /opt /usr/local /var/lib -name '*postroom*' 2>/dev/null", fine=None)
        assert left.stdout == ""
        assert "postroom" not in machine.run("getent", "passwd").stdout


def test_without_root_or_systemd_these_tests_fail_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setattr("tests.servers.private.SERVERS", Path("/nowhere"))
        with pytest.raises(NoSystemd, match="Run `make servers` first"), PrivateSystemd():
            pass
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(NoSystemd, match="Run as root"), PrivateSystemd():
        pass


def test_a_private_systemd_leaves_nothing_behind() -> None:
    with PrivateSystemd() as machine:
        machine.run("sh", "-c", "touch /etc/only-inside /opt/only-inside /var/lib/only-inside /usr/only-inside")
        machine.run("systemd-run", "--quiet", "--unit=sleeps", "sleep", "1000")
        eventually(lambda: len(machine.processes("1000")) == 1, "it sleeps")
        (sleeper,) = machine.processes("1000")
    assert not sleeper.is_running()
    assert not machine.cgroup.exists()
    assert not machine.root.exists()
    for place in ("/etc", "/opt", "/var/lib", "/usr"):
        assert not Path(place, "only-inside").exists()
