"""A move tried on real servers: with a message of its own, and nothing of it or of people's is different afterwards."""

from __future__ import annotations

import pytest

from connectors.base import Folder
from connectors.errors import ConnectorError
from connectors.imap.mailbox import ImapConnector
from connectors.imap.trial_move import OURS
from daemon.rules.roles import guess_roles
from tests.imap_fixtures import ImapWorld
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail

pytestmark = pytest.mark.imap
SERVERS = ("dovecot", "cyrus", "courier", "greenmail", "james", "maddy", "imap4d", "pymap")


def everything(world: ImapWorld) -> tuple[list[str], list[object]]:
    return sorted(folder.name for folder in world.another().folders()), sorted(map(repr, world.look()))


@pytest.mark.parametrize("server", SERVERS)
def test_it_moves_a_message_of_its_own_and_leaves_nothing(request: pytest.FixtureRequest, server: str) -> None:
    world: ImapWorld = request.getfixturevalue(f"{server}_world")
    world.deliver("a person's")
    before = everything(world)
    tried = world.another().try_move()
    assert tried is not None
    assert OURS in tried.folder
    assert tried.clock_off is not None
    assert abs(tried.clock_off) < 60, "the server runs here"
    assert everything(world) == before


def test_what_a_killed_trial_left_goes_with_the_next_and_a_persons_mail_in_it_stays(dovecot_world: ImapWorld) -> None:
    left, taken = f"{OURS}0123abcd-1", f"{OURS}0123abcd-2"
    dovecot_world.hands.create(left)
    dovecot_world.another().try_move()
    assert left not in everything(dovecot_world)[0]
    dovecot_world.hands.create(taken)
    dovecot_world.hands.put(make_mail("a person's"), taken)
    with pytest.raises(ConnectorError, match="holds mail that is not Postroom's, and stays"):
        dovecot_world.another().try_move()
    assert dovecot_world.folders_of("a person's") == [taken]


def test_a_server_that_refuses_in_the_middle_is_left_as_it_was(
    dovecot_world: ImapWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectorError("office", "No.")

    before = everything(dovecot_world)
    connector = dovecot_world.another()
    monkeypatch.setattr(ImapConnector, "apply", refuse)
    with pytest.raises(ConnectorError, match="No"):
        connector.try_move()
    assert everything(dovecot_world) == before


def test_gmail_where_a_message_cannot_be_taken_back_is_not_tried(gmail_world: ImapWorld) -> None:
    before = everything(gmail_world)
    assert gmail_world.another().try_move() is None
    assert everything(gmail_world) == before


@pytest.mark.parametrize("name", [f"{OURS}0123abcd-1", f"INBOX.{OURS}0123abcd-2"])
def test_the_service_looks_into_no_folder_of_a_trial(name: str) -> None:
    assert guess_roles([Folder(name, ".")], "INBOX", {})[name].role == "never"


def test_when_a_certificate_ends_is_told_over_tls_and_nothing_without(dovecot_world: ImapWorld) -> None:
    assert dovecot_world.another().certificate() is None
    server = dovecot_world.server
    assert isinstance(server, Dovecot)
    connector = dovecot_world.another(host="localhost", tls="starttls", ca_file=server.certificate)
    held = connector.certificate()
    assert held is not None
    assert held[0] < held[1]
