"""install-service and uninstall-service under a real systemd, and a mailbox that `init` brings to shadow there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from daemon.cli import postroom as cli
from daemon.mistakes import ExitCode, PostroomError
from daemon.model.base_file import BaseFile
from daemon.setup import service_files
from daemon.setup.man_page import man_page
from daemon.setup.service_files import COMPLETIONS, MAN, SCRIPT, SETTINGS, STATE, UNIT, completion, shipped
from tests.installed_unit import InstalledPostroom
from tests.servers.dovecot import Dovecot
from tests.servers.hands import Hands
from tests.servers.private import PASSWORD
from tests.servers.systemd import PrivateSystemd
from tests.test_docs import COMMANDS

real = [pytest.mark.imap, pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]
POSTROOM = "/opt/postroom/venv/bin/postroom"


def marked(test: object) -> object:
    for mark in real:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def installed(tiny_base: BaseFile) -> Iterator[InstalledPostroom]:
    with Dovecot() as server, PrivateSystemd() as machine:
        yield InstalledPostroom(machine, server.port, tiny_base.path)


def outcomes(postroom: InstalledPostroom, *words: str) -> set[str]:
    told = json.loads(postroom.machine.run(POSTROOM, *words, "--json").stdout)
    return {one["outcome"] for one in told}


def read(postroom: InstalledPostroom, path: Path) -> str:
    return postroom.shell(f"cat {path}")


@marked
def test_what_ships_is_what_is_installed_and_a_second_time_changes_nothing(installed: InstalledPostroom) -> None:
    assert outcomes(installed, "install-service") == {"there already"}
    for path, name, mode in ((UNIT, "postroom.service", "644"), (SCRIPT, "postroom.sh", "755")):
        assert read(installed, path) == shipped(name)
        assert installed.shell(f"stat -c %a:%U {path}").strip() == f"{mode}:root"
    assert read(installed, MAN) == man_page(cli)
    assert "sorts a shared mailbox" in installed.shell("man postroom | cat")
    assert read(installed, COMPLETIONS["bash"]) == completion(cli, "bash")
    assert installed.shell(f"stat -c %a {SETTINGS}/credentials").strip() == "700"
    assert installed.shown("LoadState") == "loaded"


@marked
def test_an_older_unit_is_replaced_and_a_strangers_file_is_not(installed: InstalledPostroom) -> None:
    installed.shell(f"sed -i s/5min/6min/ {UNIT} && systemctl daemon-reload")
    assert outcomes(installed, "install-service", "--dry-run") == {"there already", "would do"}
    assert "6min" in read(installed, UNIT)
    assert outcomes(installed, "install-service") == {"there already", "done"}
    assert read(installed, UNIT) == shipped("postroom.service")
    assert installed.shown("NeedDaemonReload") == "no"
    installed.shell(f"mv {SCRIPT} /tmp/kept && echo another program > {SCRIPT}")
    told = installed.machine.run(POSTROOM, "install-service", fine=(ExitCode.TROUBLE,))
    assert "not Postroom's" in told.stderr
    assert read(installed, SCRIPT) == "another program\n"
    installed.shell(f"mv /tmp/kept {SCRIPT}")


@marked
def test_a_command_without_a_system_bus_says_what_to_do(installed: InstalledPostroom) -> None:
    """So it is on a small system after `apt-get install dbus`, which starts nothing."""
    installed.shell("systemctl stop dbus.socket dbus.service && rm /run/dbus/system_bus_socket")
    told = installed.machine.run(SCRIPT.as_posix(), "status", fine=(ExitCode.TROUBLE,))
    assert "system bus" in told.stderr
    assert "systemctl start dbus" in told.stderr
    installed.shell("systemctl start dbus.socket")
    assert "system bus" not in installed.machine.run(SCRIPT.as_posix(), "status", fine=None).stderr


@marked
def test_from_init_to_shadow_and_away_again(installed: InstalledPostroom) -> None:
    """The whole first hour but for the learning, by the command that was installed; then the reverse."""
    hands = Hands(installed.port, "fresh")
    hands.create("Orders")
    hands.close()
    installed.shell(f"rm -rf {STATE} {SETTINGS}/config.toml {SETTINGS}/credentials/*")
    where = f"--host 127.0.0.1 --port {installed.port} --tls none --user fresh --name office --yes --start"
    installed.shell(f"postroom init {where} --password-file - --role Orders=category", given=PASSWORD)
    assert installed.shell(f"stat -c %a:%U {SETTINGS}/credentials/office").strip() == "600:root"
    assert installed.shell(f"stat -c %a:%U {SETTINGS}/config.toml").strip() == "644:root"
    assert "Orders" in installed.postroom("folders")
    assert installed.shown("ActiveState") == "active"
    assert installed.shell("systemctl is-enabled postroom").strip() == "enabled"
    installed.until(lambda: installed.status()["polled"] is not None, "the first look")
    assert installed.status()["mode"] == "shadow"

    told = installed.machine.run(SCRIPT.as_posix(), "uninstall-service", "--delete-data", fine=(ExitCode.TROUBLE,))
    assert "Say --yes if it is meant" in told.stderr
    installed.shell("postroom uninstall-service")
    assert installed.shown("ActiveState") == "inactive"
    for path in (UNIT, SCRIPT, MAN, *COMPLETIONS.values()):
        assert installed.machine.run("test", "-e", str(path), fine=None).returncode == 1, path
    assert installed.shell(f"ls {SETTINGS} {STATE}").count("credentials") == 1
    assert outcomes(installed, "uninstall-service") == {"there already"}
    installed.machine.run(POSTROOM, "uninstall-service", "--delete-data", "--yes")
    assert installed.machine.run("test", "-e", str(SETTINGS), fine=None).returncode == 1
    assert installed.machine.run("test", "-e", str(STATE), fine=None).returncode == 1
    assert "postroom" not in installed.machine.run("getent", "passwd").stdout
    assert outcomes(installed, "install-service") == {"done"}


def test_another_place_of_the_environment_stands_in_what_is_installed(tmp_path: Path) -> None:
    unit, script = shipped("postroom.service", tmp_path), shipped("postroom.sh", tmp_path)
    assert f"ExecStart={tmp_path}/bin/postroom --config" in unit
    assert "/opt/postroom" not in unit + script
    assert script.count(f"{tmp_path}/bin/postroom") == 3


@pytest.mark.parametrize("prefix", ["/root/.venv", "/home/ann/venv", "/tmp/venv"])
def test_a_place_that_the_service_cannot_see_is_refused(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setattr("sys.prefix", prefix)
    with pytest.raises(PostroomError, match="could not run this Postroom"):
        service_files.installing(cli)


def test_who_is_not_root_is_told_so_and_may_still_see_what_would_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for command in ("install-service", "uninstall-service"):
        told = CliRunner().invoke(cli, [command])
        assert isinstance(told.exception, PostroomError)
        assert "only root may do this" in str(told.exception)
    assert "there already" in CliRunner().invoke(cli, ["uninstall-service", "--dry-run"]).output


def test_the_man_page_tells_every_command_and_option_and_is_well_formed(tmp_path: Path) -> None:
    page = man_page(cli)
    for name, command in COMMANDS.items():
        assert f'.SS "postroom {name}'.replace("-", r"\-") in page
        for option in command.params:
            if isinstance(option, click.Option):
                assert all(word.replace("-", r"\-") in page for word in option.opts)
    file = tmp_path / "postroom.1"
    file.write_text(page, encoding="utf-8")
    read = subprocess.run(["groff", "-man", "-Kutf8", "-Tutf8", "-ww", "-z", str(file)], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.parametrize("shell", sorted(COMPLETIONS))
def test_every_shell_has_a_completion_that_asks_the_command_itself(shell: str) -> None:
    assert f"_POSTROOM_COMPLETE={shell}_complete" in completion(cli, shell)
