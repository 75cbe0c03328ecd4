"""`postroom check`: the move that it tries, the server's certificate and clock, memory, rights, the model's speed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Identity, MessageRef, Sighting, Tried
from daemon.commands import machine_checked
from daemon.commands.machine_checked import memory, rights
from daemon.commands.server_checked import certificate, newest_arrival, trial
from daemon.mistakes import PostroomError
from daemon.settings import Settings
from tests.a_model import put_model
from tests.imap_fixtures import ImapWorld
from tests.servers.dovecot import Dovecot
from tests.service_process import ServiceProcess

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


class Server:
    """What a check asks a connector, answered as a test says."""

    def __init__(self, **says: Any) -> None:
        self.says = says

    def certificate(self) -> Any:
        return self.says["certificate"]

    def try_move(self) -> Any:
        return self.says["tried"]

    def newest(self, folder: str, limit: int) -> list[Sighting]:
        ref, identity = MessageRef(folder, 1, 1), Identity(None, "<1@example.org>", "1")
        return [Sighting(ref, identity, arrived=self.says["arrived"])]


@pytest.mark.parametrize(
    ("life", "left", "fine"),
    [(365, 31, True), (365, 29, False), (90, 23, True), (90, 21, False), (6, 2, True), (6, 1, False), (365, -1, False)],
)
def test_a_certificate_that_ends_soon_for_its_kind_is_told(life: int, left: int, fine: bool) -> None:
    end = NOW + timedelta(days=left, hours=1)
    [(what, found, seen)] = certificate(Server(certificate=(end - timedelta(days=life), end)), NOW)  # type: ignore[arg-type]
    assert (what, found) == ("certificate", fine), seen
    assert f"{end:%Y-%m-%d}" in seen


@pytest.mark.parametrize(("off", "fine"), [(0.4, True), (-119, True), (130, False), (-130, False)])
def test_a_clock_that_differs_by_more_than_the_service_can_bear_is_told(off: float, fine: bool) -> None:
    _, (what, found, seen) = trial(Server(tried=Tried("x", off)))  # type: ignore[arg-type]
    assert (what, found) == ("clock", fine)
    assert ("NTP" in seen) == (not fine)
    assert ("before" in seen) == (off == 130)


def test_mail_from_the_future_tells_of_a_clock_and_old_mail_of_none() -> None:
    for minutes, told in ((-60, 0), (1, 0), (10, 1)):
        server = Server(arrived=NOW + timedelta(minutes=minutes))
        assert len(list(newest_arrival(server, "INBOX", NOW))) == told  # type: ignore[arg-type]


def test_a_machine_too_small_to_train_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GB" in memory()
    monkeypatch.setattr(machine_checked, "whole_memory_mb", lambda: 500)
    with pytest.raises(PostroomError, match=r"0\.5 GB in all"):
        memory()


def test_settings_that_others_may_write_are_told_with_the_command_that_helps(tmp_path: Path) -> None:
    config, more = tmp_path / "config.toml", tmp_path / "mailboxes.d"
    more.mkdir()
    for file in (config, more / "a.toml"):
        file.write_text("")
        file.chmod(0o644)
    settings = Settings(state_dir=tmp_path / "state", include="mailboxes.d/*.toml")
    assert "nobody else" in rights(config, settings)
    (more / "a.toml").chmod(0o664)
    with pytest.raises(PostroomError, match=r"chmod go-w .*a\.toml"):
        rights(config, settings)


def test_secrets_that_others_may_look_at_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checked, "UNIT_FOLDER", str(tmp_path))
    tmp_path.chmod(0o700)
    settings = Settings(state_dir=tmp_path / "state")
    rights(None, settings)
    tmp_path.chmod(0o750)
    with pytest.raises(PostroomError, match="is open to other users"):
        rights(None, settings)


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        yield service


def found_by(service: ServiceProcess, *more: str) -> dict[str, tuple[bool, str]]:
    told = service.ask("check", *more, fine=(0, 1))
    return {one["what"]: (one["fine"], one["seen"]) for one in told}


@pytest.mark.imap
def test_a_move_is_tried_only_if_it_is_said_and_the_mailbox_is_as_before(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    dovecot_world.deliver("a person's")
    before = sorted(map(repr, dovecot_world.look()))
    names = [folder.name for folder in dovecot_world.connector.folders()]
    plain, tried = found_by(service), found_by(service, "--try-move")
    assert "office move" not in plain
    assert tried["office move"][0]
    assert tried["office clock"] == (True, "the mail server's and this machine's differ by 0 s")
    assert plain["rights"][0]
    assert plain["memory"][0]
    assert sorted(map(repr, dovecot_world.look())) == before
    assert [folder.name for folder in dovecot_world.connector.folders()] == names


@pytest.mark.imap
def test_a_server_that_refuses_the_test_folder_is_told_in_its_words(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    server = dovecot_world.server
    assert isinstance(server, Dovecot)
    folder = server.root / "mail" / dovecot_world.user / "Maildir"
    folder.chmod(0o500)
    fine, seen = found_by(service, "--try-move")["office move"]
    folder.chmod(0o700)
    assert not fine
    assert "office" in seen


@pytest.mark.imap
def test_the_model_in_use_is_loaded_and_its_speed_told(service: ServiceProcess) -> None:
    assert "speed" not in found_by(service)
    service.command("once")
    put_model(service.state, "office", datetime.now(UTC))
    fine, seen = found_by(service)["speed"]
    assert fine
    assert re.fullmatch(r"\d+ ms a mail, \d+\.\d s to load \(threads = 2\)", seen)
