"""`postroom init` on real servers: at a real terminal, by flags alone, and broken off at every question."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from daemon.mistakes import ExitCode
from daemon.settings import Settings
from tests import ROOT
from tests.at_terminal import AtTerminal
from tests.imap_fixtures import ImapWorld
from tests.rt_fixtures import RtWorld
from tests.servers.private import PASSWORD

pytestmark = pytest.mark.imap


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for settings and state, and a file with the password."""
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    return tmp_path


def words(place: Path, *more: str) -> list[str]:
    return ["--config", str(place / "etc/config.toml"), "init", "--state-dir", str(place / "state"), *more]


def flags(world: ImapWorld) -> list[str]:
    """The server without a question: it speaks without TLS, on this machine."""
    return ["--host", "127.0.0.1", "--port", str(world.server.port), "--tls", "none"]


def by_flags(place: Path, *more: str, fine: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon.cli", *words(place, *more)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == fine, done.stderr
    return done


def files(place: Path) -> dict[str, int]:
    """Every file that is there with its mode, but for the password's."""
    return {
        str(path.relative_to(place)): stat.S_IMODE(path.stat().st_mode)
        for path in place.rglob("*")
        if path.is_file() and path.name != "secret"
    }


WRITTEN = {"etc/config.toml": 0o644, "state/credentials/office": 0o600}


def roles(world: ImapWorld, config: Path) -> dict[str, Any]:
    """What the settings say of folders, loaded as every command does."""
    (box,) = Settings.load(config).mailboxes
    assert (box.account()["host"], box.account()["user"], box.mode) == ("127.0.0.1", world.user, "shadow")
    return dict(box.roles)


def test_a_person_at_a_terminal_goes_from_nothing_to_settings_that_work(dovecot_world: ImapWorld, place: Path) -> None:
    with AtTerminal(*words(place, *flags(dovecot_world), "--name", "office")) as typing:
        typing.answer("Login name", dovecot_world.user)
        shown = typing.until("Password:")
        assert "The secret will be sent to 127.0.0.1" in shown
        typing.answer("Password:", "wrong")
        typing.until("Password, once more")
        typing.answer("Password, once more:", PASSWORD)
        shown = typing.until("Enter accepts all")
        (row,) = [line.split() for line in shown.splitlines() if " Orders " in line]
        assert row[1:3] == ["Orders", "category"]
        typing.answer("(neutral, never", f"{row[0]} never")
        typing.until("settings: roles")
        typing.answer("Enter accepts all", "999 never")
        typing.answer("Type a number from 1 to", "")
        typing.answer("Write", "y")
        assert typing.end() == 0, typing.whole
        assert PASSWORD not in typing.whole
        assert "learn --from-folders" in typing.whole
    assert files(place) == WRITTEN
    config = place / "etc/config.toml"
    assert roles(dovecot_world, config) == {"Orders": "never"}
    assert '#Junk = "never"' in config.read_text()
    checked = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "--config", str(config), "check", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert {"what": "office login", "fine": True}.items() <= next(
        found for found in json.loads(checked.stdout) if found["what"] == "office login"
    ).items()


def test_flags_alone_do_the_same_on_a_server_with_folders_below_the_inbox(
    courier_world: ImapWorld, place: Path
) -> None:
    more = ["--user", courier_world.user, "--password-file", str(place / "secret"), "--name", "office", "--yes"]
    done = by_flags(place, *flags(courier_world), *more, "--role", "INBOX.Orders=neutral", "--json")
    told = json.loads(done.stdout)
    assert told["secret"] == str(place / "state/credentials/office")
    assert {one["name"]: one["role"] for one in told["folders"]}["INBOX.Orders"] == "neutral"
    assert files(place) == WRITTEN
    assert roles(courier_world, place / "etc/config.toml") == {"INBOX.Orders": "neutral"}


@pytest.mark.rt
def test_flags_alone_do_it_for_a_queue_of_request_tracker(rt_world: RtWorld, place: Path) -> None:
    (place / "secret").write_text(rt_world.server.tokens["bot"])
    more = ["--inbox", rt_world.inbox, "--name", "office", "--password-file", str(place / "secret"), "--yes"]
    told = json.loads(by_flags(place, "--url", rt_world.server.url, *more, "--json").stdout)
    folders = {one["name"]: one["role"] for one in told["folders"]}
    assert (folders[rt_world.inbox], folders[rt_world.first]) == ("inbox", "category")
    assert files(place) == WRITTEN
    (box,) = Settings.load(place / "etc/config.toml").mailboxes
    assert (box.kind, box.inbox) == ("request-tracker", rt_world.inbox)


def test_where_nobody_can_be_asked_all_missing_flags_are_named_at_once(place: Path) -> None:
    told = by_flags(place, fine=ExitCode.MISTAKE).stderr
    for flag in ("--preset", "--user", "--host", "--password-file", "--yes"):
        assert flag in told
    told = by_flags(place, "--preset", "microsoft", "--user", "a@example.org", fine=ExitCode.MISTAKE).stderr
    assert "these are missing: --tenant, --client-id, --yes." in told
    told = by_flags(place, "--preset", "request-tracker", "--yes", fine=ExitCode.MISTAKE).stderr
    assert "these are missing: --inbox, --url, --password-file." in told
    assert files(place) == {}


def test_mistakes_are_told_before_anything_is_sent(place: Path) -> None:
    secret = str(place / "secret")
    given = ["--host", "mail.example.invalid", "--user", "a", "--password-file", secret, "--yes"]
    told = by_flags(place, *given, "--tls", "none", "--name", "Büro", fine=ExitCode.MISTAKE).stderr
    assert "3 problems" in told
    told = by_flags(place, *given, "--role", "Orders=nothing", fine=ExitCode.TROUBLE).stderr
    assert '"Orders=nothing" is not FOLDER=ROLE' in told
    assert files(place) == {}


def test_a_refused_login_and_a_folder_that_is_not_there_write_nothing(dovecot_world: ImapWorld, place: Path) -> None:
    (place / "wrong").write_text("wrong")
    given = [*flags(dovecot_world), "--user", dovecot_world.user, "--yes"]
    told = by_flags(place, *given, "--password-file", str(place / "wrong"), fine=ExitCode.NEEDS_PERSON).stderr
    assert "127.0.0.1" in told
    (place / "wrong").unlink()
    secret = str(place / "secret")
    told = by_flags(place, *given, "--password-file", secret, "--role", "Ordres=never", fine=ExitCode.MISTAKE).stderr
    assert 'there is no folder "Ordres"' in told
    assert files(place) == {}


@pytest.mark.parametrize("how", ["Ctrl-C", "killed", "hung up", "no"])
@pytest.mark.parametrize("question", ["Login name", "Password:", "Enter accepts all", "Write"])
def test_broken_off_at_any_question_it_leaves_nothing(
    dovecot_world: ImapWorld, place: Path, question: str, how: str
) -> None:
    answers = {"Login name": dovecot_world.user, "Password:": PASSWORD, "Enter accepts all": "", "Write": "n"}
    with AtTerminal(*words(place, *flags(dovecot_world), "--name", "office")) as typing:
        for asked, line in answers.items():
            if asked == question:
                break
            typing.answer(asked, line)
        typing.until(question)
        if how == "Ctrl-C":
            typing.press(b"\x03")
            assert typing.end() == 130
            assert "nothing was written" in typing.whole
        elif how == "killed":
            typing.kill()
        elif how == "hung up":
            typing.hang_up()
            assert typing.process.wait(60) != 0
        elif question == "Write":
            typing.answer("Write", "n")
            assert typing.end() == 130
    assert files(place) == {}


def test_settings_that_are_there_stay_and_a_second_mailbox_gets_a_file_of_its_own(
    dovecot_world: ImapWorld, place: Path
) -> None:
    given = [*flags(dovecot_world), "--password-file", str(place / "secret"), "--yes"]
    by_flags(place, *given, "--user", dovecot_world.user, "--name", "office")
    first = (place / "etc/config.toml").read_bytes()
    told = by_flags(place, *given, "--user", dovecot_world.user, "--name", "sales", fine=ExitCode.MISTAKE).stderr
    assert "same inbox" in told
    assert files(place) == WRITTEN
    by_flags(place, *given, "--user", "sales-people", "--name", "sales")
    assert files(place) == WRITTEN | {"etc/mailboxes.d/sales.toml": 0o644, "state/credentials/sales": 0o600}
    assert (place / "etc/config.toml").read_bytes() == first
    assert [box.name for box in Settings.load(place / "etc/config.toml").mailboxes] == ["office", "sales"]


def test_settings_that_include_nothing_are_left_alone_with_the_line_that_helps(place: Path) -> None:
    config = place / "etc/config.toml"
    config.parent.mkdir()
    config.write_text(
        f'state_dir = "{place}/state"\n[[mailbox]]\nname = "old"\nhost = "h.example"\nuser = "a"\ncredential = "a"\n'
    )
    told = by_flags(place, "--yes", fine=ExitCode.TROUBLE).stderr
    assert 'include = "mailboxes.d/*.toml"' in told
    assert files(place).keys() == {"etc/config.toml"}


def test_another_secret_of_the_same_name_stays(dovecot_world: ImapWorld, place: Path) -> None:
    kept = place / "state/credentials/office"
    kept.parent.mkdir(parents=True)
    kept.write_text("another")
    given = [*flags(dovecot_world), "--user", dovecot_world.user, "--password-file", str(place / "secret"), "--yes"]
    told = by_flags(place, *given, "--name", "office", fine=ExitCode.TROUBLE).stderr
    assert "holds another secret" in told
    assert kept.read_text() == "another"
    assert not (place / "etc").exists()


def test_a_person_who_signs_in_later_is_told_how(place: Path) -> None:
    told = json.loads(
        by_flags(
            place, "--preset", "microsoft", "--user", "office@example.org", "--tenant", "t", "--client-id", "c",
            "--yes", "--json",
        ).stdout
    )  # fmt: skip
    assert told["secret"] is None
    assert told["next"][0].endswith("login office")
    (box,) = tomllib.loads((place / "etc/config.toml").read_text())["mailbox"]
    assert (box["host"], box["sign_in"], "credential" in box) == ("outlook.office365.com", "microsoft", False)
    assert "office" in {mailbox.name for mailbox in Settings.load(place / "etc/config.toml").mailboxes}


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_the_folders_fit_the_terminal(dovecot_world: ImapWorld, place: Path, columns: int) -> None:
    given = [*flags(dovecot_world), "--user", dovecot_world.user, "--password-file", str(place / "secret")]
    with AtTerminal(*words(place, *given, "--yes"), columns=columns) as typing:
        typing.answer("What commands shall call", "")
        typing.until("Next:")
    table = typing.whole.partition("what each is for")[2].partition("Written")[0]
    assert max(map(len, table.splitlines())) <= columns
    assert "Orders" in table


def test_who_may_not_write_there_is_told_before_the_first_question(place: Path) -> None:
    (place / "etc").write_text("a file, where the folder should be")
    told = by_flags(place, "--yes", fine=ExitCode.TROUBLE).stderr
    assert "Run it as root, or name places of your own" in told


def test_the_environment_says_where_a_container_has_its_secrets(dovecot_world: ImapWorld, place: Path) -> None:
    handed = place / "handed"
    handed.mkdir(mode=0o700)
    given = [*flags(dovecot_world), "--user", dovecot_world.user, "--password-file", str(place / "secret"), "--yes"]
    command = [sys.executable, "-m", "daemon.cli", *words(place, *given, "--name", "office")]
    environ = {**os.environ, "POSTROOM_CREDENTIALS_DIR": str(handed)}
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert (handed / "office").read_text() == PASSWORD
