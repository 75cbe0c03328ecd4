"""Every command answered in every bad way: an error of ours or none, few questions, and never a hang."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from connectors.base import Identity, MessageRef, Move, Watch
from connectors.errors import ConnectorError
from connectors.imap.account import ImapAccount
from connectors.imap.mailbox import ImapConnector
from tests.servers.hostile import GREETING, HostileImap

COMMANDS = (
    GREETING,
    b"CAPABILITY",
    b"LOGIN",
    b"ID",
    b"LIST",
    b"STATUS",
    b"EXAMINE",
    b"SELECT",
    b"UID SEARCH",
    b"UID FETCH",
    b"UID MOVE",
    b"UID COPY",
    b"UID STORE",
    b"NOOP",
    b"UNSELECT",
)
ANSWERS = (
    b"{tag} NO\r\n",
    b"{tag} BAD\r\n",
    b"* BYE\r\n",
    b"{tag} OK\r\n",
    b"* \r\n{tag} OK\r\n",
    b"* 1 FETCH\r\n* LIST\r\n* STATUS\r\n* SEARCH x\r\n* 99999999999999999999 EXISTS\r\n{tag} OK\r\n",
    b"* 1 FETCH (UID 1 FLAGS (\r\n* LIST (\r\n* STATUS x (\r\n* SEARCH (\r\n{tag} OK\r\n",
    b"* 1 FETCH (UID {2}\r\n12 BODY[ {3}\r\n\xff\x00\xfe)\r\n{tag} OK\r\n",
    b'* LIST () "/" "\xff\x00"\r\n* STATUS "\xff" (UIDNEXT -1 MESSAGES a)\r\n* OK [UIDVALIDITY x] \r\n{tag} OK\r\n',
    b"\xff\xfe\x00\r\n{tag} OK\r\n",
    b"{tag}\r\n",
    b"\r\n\r\n{tag} OK\r\n",
    b"+ go on\r\n{tag} OK\r\n",
)


REF, WHO = MessageRef("INBOX", 7, 1), Identity(None, "<1@x>", "d")
ASKED: tuple[Callable[[ImapConnector], object], ...] = (
    lambda connector: connector.folders(),
    lambda connector: connector.changes(None, Watch("INBOX", {"Orders": frozenset({1})})),
    lambda connector: connector.changes('{"INBOX":[7,1,0,0]}', Watch("INBOX", {}, again=(REF,))),
    lambda connector: list(connector.fetch([REF])),
    lambda connector: connector.withheld([REF]),
    lambda connector: connector.apply(REF, WHO, Move("Orders"), lambda _: None),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_is_answered_ends_soon_and_in_words(command: bytes) -> None:
    for answer in ANSWERS:
        with HostileImap(command, answer, offers=b"ID") as server:
            account = ImapAccount("office", "127.0.0.1", server.port, "u", lambda: "p", tls="none", timeout=2)
            with ImapConnector(account, settle=0) as connector:
                for ask in ASKED:
                    with contextlib.suppress(ConnectorError):
                        ask(connector)
            assert len(server.asked) < 400, (answer, len(server.asked))
