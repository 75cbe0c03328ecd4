"""Tokens of Google from a local authority that speaks the real one's protocol: by browser, and by service account."""

from __future__ import annotations

import io
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.errors import ConnectorError, LoginRefused, SetupWrong, Unreachable
from connectors.sign_in import SignIn
from daemon.signin.google import GoogleTokens
from daemon.signin.loopback import listen, wait_for_address
from daemon.signin.token_source import PersonNeeded
from tests.servers.authority import GOOGLE_CLIENT, GOOGLE_SECRET, SERVICE_ACCOUNT, Authority, rsa_key

OFFICE = "office@example.org"
DESKTOP = json.dumps(
    {"installed": {"client_id": GOOGLE_CLIENT, "client_secret": GOOGLE_SECRET, "token_uri": "https://x"}}
)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    with Authority() as started:
        monkeypatch.setenv("SSL_CERT_FILE", str(started.certificate))
        yield started


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def google(
    authority: Authority, state: Path, credential: str = DESKTOP, clock: Callable[[], float] | None = None
) -> GoogleTokens:
    wanted = SignIn("office", "imap.gmail.com", OFFICE, OFFICE, authority=authority.url)
    return GoogleTokens(wanted, state, lambda: credential, *([clock] if clock else []))


def signed_in(authority: Authority, state: Path, clock: Callable[[], float] | None = None) -> GoogleTokens:
    tokens = google(authority, state, clock=clock)
    begun = tokens.begin(12345)
    tokens.finish(begun, authority.visit(begun.address))
    return tokens


@pytest.fixture(scope="module")
def account() -> tuple[str, object]:
    return rsa_key()


def service_account(key: str) -> str:
    return json.dumps({"type": "service_account", "client_email": SERVICE_ACCOUNT, "private_key": key})


def test_a_person_signs_in_by_a_browser(authority: Authority, tmp_path: Path) -> None:
    tokens = google(authority, tmp_path)
    with pytest.raises(PersonNeeded, match="postroom login office"):
        tokens.token()
    begun = tokens.begin(12345)
    asked = parse_qs(urlsplit(begun.address).query)
    assert asked["redirect_uri"] == ["http://127.0.0.1:12345"]
    assert asked["login_hint"] == [OFFICE]
    tokens.finish(begun, authority.visit(begun.address))
    assert tokens.token() in authority.access
    assert tokens.file.path.stat().st_mode & 0o077 == 0


def test_without_an_authority_in_the_settings_only_google_is_asked() -> None:
    tokens = GoogleTokens(SignIn("office", "imap.gmail.com", OFFICE, OFFICE), Path("/nowhere"), lambda: DESKTOP)
    assert tokens.begin(1).address.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    assert tokens._token_page == "https://oauth2.googleapis.com/token"


@pytest.mark.parametrize(
    ("came_back", "words"),
    [
        ("http://127.0.0.1:12345/?error=access_denied&state={state}", "declined"),
        ("http://127.0.0.1:12345/?code=x&state=another", "not the address"),
        ("http://127.0.0.1:12345/?state={state}", "not the address"),
        ("what?", "not the address"),
    ],
)
def test_only_the_answer_to_this_sign_in_counts(
    authority: Authority, tmp_path: Path, came_back: str, words: str
) -> None:
    tokens = google(authority, tmp_path)
    begun = tokens.begin(12345)
    with pytest.raises(LoginRefused, match=words):
        tokens.finish(begun, came_back.format(state=begun.state))
    assert authority.requests == []


def test_a_box_that_was_not_ticked_is_noticed(authority: Authority, tmp_path: Path) -> None:
    authority.google_scope = "openid"
    with pytest.raises(LoginRefused, match="not ticked"):
        signed_in(authority, tmp_path)
    assert not google(authority, tmp_path).file.path.exists()


def test_the_sign_in_of_another_account_is_refused(authority: Authority, tmp_path: Path) -> None:
    tokens = google(authority, tmp_path)
    begun = tokens.begin(12345)
    came_back = authority.visit(begun.address.replace("office%40", "eve%40"))
    with pytest.raises(LoginRefused, match=r'"eve@example.org" signed in'):
        tokens.finish(begun, came_back)
    assert not tokens.file.path.exists()


def test_a_token_is_renewed_shortly_before_its_end(authority: Authority, tmp_path: Path) -> None:
    clock = Clock()
    tokens = signed_in(authority, tmp_path, clock)
    first = tokens.token()
    clock.now += 3200
    assert tokens.token() == first
    clock.now += 120
    second = tokens.token()
    assert second != first
    assert tokens.renew() not in (first, second)
    assert google(authority, tmp_path, clock=clock).token() in authority.access


def test_a_revoked_sign_in_stops_the_mailbox_and_names_the_command(authority: Authority, tmp_path: Path) -> None:
    clock = Clock()
    tokens = signed_in(authority, tmp_path, clock)
    authority.revoke()
    clock.now += 3600
    with pytest.raises(PersonNeeded, match=r"revoked.*postroom login office") as stopped:
        tokens.token()
    assert "ann" not in str(stopped.value)


def test_a_service_account_acts_for_the_mailbox(
    authority: Authority, tmp_path: Path, account: tuple[str, object]
) -> None:
    key, authority.account_key = account
    tokens = google(authority, tmp_path, service_account(key))
    assert tokens.as_app
    token = tokens.token()
    assert authority.access[token][0] == OFFICE
    assert tokens.token() == token
    assert authority.requests == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("unauthorized_client", "may not act for this mailbox"),
        ("invalid_grant", "no user"),
        ("access_denied", "refuses"),
    ],
)
def test_what_a_service_account_may_lack(
    authority: Authority, tmp_path: Path, account: tuple[str, object], error: str, words: str
) -> None:
    authority.says = [(400, {"error": error, "error_description": "office@example.org is not ..."})]
    with pytest.raises(SetupWrong, match=words):
        google(authority, tmp_path, service_account(account[0])).token()


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (503, {}, Unreachable),
        (429, {}, Unreachable),
        (200, {"access_token": "x", "expires_in": "soon"}, Unreachable),
        (401, {"error": "invalid_client"}, SetupWrong),
        (400, {"error": "rate_limit_exceeded"}, Unreachable),
        (400, {"error": "<script>"}, SetupWrong),
    ],
)
def test_googles_errors_in_words(
    authority: Authority, tmp_path: Path, status: int, answer: dict[str, str], kind: type[ConnectorError]
) -> None:
    tokens = signed_in(authority, tmp_path)
    authority.says = [(status, answer)]
    with pytest.raises(kind) as refused:
        tokens.renew()
    assert "script" not in str(refused.value)
    assert tokens.renew() in authority.access, "what was kept is still there"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GOCSPX-just-the-secret", "not Google's JSON file"),
        ('{"web": {"client_id": "x"}}', "for web pages"),
        ('{"type": "authorized_user"}', "of another kind"),
        ('{"type": "service_account"}', "not Google's JSON file"),
        ("[]", "not Google's JSON file"),
    ],
)
def test_another_file_than_googles_is_refused(tmp_path: Path, text: str, words: str) -> None:
    tokens = GoogleTokens(SignIn("office", "imap.gmail.com", OFFICE, OFFICE), tmp_path, lambda: text)
    with pytest.raises(SetupWrong, match=words) as refused:
        tokens.token()
    assert "GOCSPX" not in str(refused.value)


def test_a_key_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path) -> None:
    wanted = SignIn("office", "imap.gmail.com", OFFICE, OFFICE)
    tokens = GoogleTokens(wanted, tmp_path, lambda: service_account("-----BEGIN PRIVATE KEY-----\nsecret"))
    with pytest.raises(SetupWrong, match="key cannot be read") as refused:
        tokens.token()
    assert "PRIVATE" not in str(refused.value)


# -- where the browser comes back to


def visit(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as page:
            return int(page.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_browser_comes_back_to_this_machine() -> None:
    with listen() as listener:
        port = listener.getsockname()[1]
        seen: list[int] = []

        def browse() -> None:
            with socket.create_connection(("127.0.0.1", port)):
                pass  # browsers connect ahead of their need
            seen.extend([visit(port, "/favicon.ico"), visit(port, "/?state=s&code=c")])

        thread = threading.Thread(target=browse)
        thread.start()
        assert wait_for_address(listener, None, 10) == f"http://127.0.0.1:{port}/?state=s&code=c"
        thread.join()
    assert seen == [404, 200]


def test_an_address_can_be_typed_instead() -> None:
    left, right = socket.socketpair()
    with listen() as listener, left, right, left.makefile("r") as typed:
        right.sendall(b"\nhttp://127.0.0.1:1/?code=c\n")
        assert wait_for_address(listener, typed, 10) == "http://127.0.0.1:1/?code=c"


def test_nobody_comes() -> None:
    with listen() as listener:
        assert wait_for_address(listener, io.StringIO(), 0.05) is None
        left, right = socket.socketpair()
        with left, left.makefile("r") as typed:
            right.close()  # the terminal is gone
            assert wait_for_address(listener, typed, 0.05) is None
