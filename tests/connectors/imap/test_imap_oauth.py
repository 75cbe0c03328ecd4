"""Signing in with a token: a real Dovecot that asks a local introspection endpoint (RFC 7662), as an office's would."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from connectors.errors import LoginRefused
from connectors.imap.account import ImapAccount
from connectors.imap.mailbox import ImapConnector
from tests.servers.dovecot import Dovecot
from tests.servers.private import private_folder

pytestmark = pytest.mark.imap

GOOD_TOKEN = "ya29.good-token"

SETTINGS = """
introspection_url = http://127.0.0.1:{port}/introspect
introspection_mode = post
force_introspection = yes
active_attribute = active
active_value = true
username_attribute = username
"""

EXTRA = """
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {path}
}}
"""


class Introspection(BaseHTTPRequestHandler):
    """Knows one token, of one user."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        known = parse_qs(body).get("token") == [GOOD_TOKEN]
        answer = {"active": True, "username": "ann"} if known else {"active": False}
        words = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, format: str, *args: Any) -> None:
        """Not on the terminal."""


@pytest.fixture(scope="module")
def token_server() -> Iterator[Dovecot]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Introspection) as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever)
        thread.start()
        folder = private_folder("oauth-")
        path = folder / "oauth2.conf"
        path.write_text(SETTINGS.format(port=endpoint.server_address[1]))
        try:
            with Dovecot(extra=EXTRA.format(path=path)) as server:
                yield server
        finally:
            endpoint.shutdown()
            thread.join()
            path.unlink()
            folder.rmdir()


@pytest.mark.parametrize("sign_in", ["xoauth2", "oauthbearer"])
def test_a_token_signs_in(token_server: Dovecot, sign_in: Any) -> None:
    tokens = iter([GOOD_TOKEN, GOOD_TOKEN])
    account = ImapAccount(
        "office", "127.0.0.1", token_server.port, "ann", lambda: next(tokens), tls="none", sign_in=sign_in
    )
    with ImapConnector(account) as connector:
        assert "INBOX" in [folder.name for folder in connector.folders()]
        connector.close()
        assert connector.folders()  # a new login asks for a new token
    assert list(tokens) == []


@pytest.mark.parametrize("sign_in", ["xoauth2", "oauthbearer"])
def test_an_expired_token_is_refused_and_never_shown(token_server: Dovecot, sign_in: Any) -> None:
    stale = "ya29.stale-token"
    account = ImapAccount("office", "127.0.0.1", token_server.port, "ann", lambda: stale, tls="none", sign_in=sign_in)
    with ImapConnector(account) as connector, pytest.raises(LoginRefused) as refused:
        connector.folders()
    assert stale not in f"{refused.value!r} {refused.value} {refused.value.__cause__!r} {connector.__dict__!r}"


def test_a_token_of_another_user_is_refused(token_server: Dovecot) -> None:
    account = ImapAccount(
        "office", "127.0.0.1", token_server.port, "bob", lambda: GOOD_TOKEN, tls="none", sign_in="xoauth2"
    )
    with ImapConnector(account) as connector, pytest.raises(LoginRefused):
        connector.folders()
