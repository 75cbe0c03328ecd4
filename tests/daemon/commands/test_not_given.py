"""What commands say of a folder that the server does not open and a mail that it does not give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon import cli
from tests.imap_fixtures import ImapWorld, dovecot, dovecot_world
from tests.servers.dovecot import Dovecot
from tests.servers.private import PASSWORD

__all__ = ["dovecot", "dovecot_world"]
pytestmark = pytest.mark.imap
Say = Callable[..., str]


@pytest.fixture
def ask(dovecot_world: ImapWorld, tmp_path: Path) -> Say:
    secret = tmp_path / "state" / "credentials" / "office"
    secret.parent.mkdir(parents=True)
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    config = tmp_path / "postroom.toml"
    config.write_text(
        f'state_dir = "{tmp_path}/state"\n[[mailbox]]\nname = "office"\nhost = "127.0.0.1"\n'
        f'port = {dovecot_world.server.port}\ntls = "none"\nuser = "{dovecot_world.user}"\ncredential = "office"\n'
        '[sorting]\nact_after = "1h"\n'
    )

    def say(*words: str) -> str:
        done = CliRunner().invoke(cli.postroom, ["--config", str(config), *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return " ".join(done.stdout.split())

    return say


@pytest.fixture
def unreadable(ask: Say, dovecot: Dovecot, dovecot_world: ImapWorld) -> Iterator[None]:
    """Mail whose file the server may not read, and a folder that it may not enter. Headers it has read before."""
    dovecot_world.deliver("fine", message_id="<fine@example.org>")
    dovecot_world.deliver("ill", message_id="<ill@example.org>")
    ask("once")
    ask("preview")
    maildir = dovecot.maildir(dovecot_world.user)
    [mail] = [path for path in maildir.glob("[nc]*/*") if b"Subject: ill" in path.read_bytes()]
    folder = maildir / ".Orders"
    mail.chmod(0)
    folder.chmod(0)
    yield
    folder.chmod(0o700)


@pytest.mark.usefixtures("unreadable")
def test_what_the_server_keeps_is_told_with_its_place(ask: Say) -> None:
    assert '"Orders": there, and cannot be opened. The server cannot do this now' in ask("check")
    assert "it has no other known use; the server does not open it" in ask("folders")
    assert "INBOX, UID 2: lies there, and the server does not give it" in ask("preview")
    assert "the newest message in INBOX lies there, and the server does not give it" in ask("check")


@pytest.mark.usefixtures("dovecot_world")
def test_an_empty_inbox_is_said_to_be_empty(ask: Say) -> None:
    assert ask("preview") == "Inbox of office: nothing lies in it."
