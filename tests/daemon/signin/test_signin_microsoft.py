"""Tokens of Microsoft 365 from a local authority that speaks the real one's protocol: every way in, every way out."""

from __future__ import annotations

import json
import multiprocessing
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import CertificateRefused, ConnectorError, LoginRefused, NeedsPerson, SetupWrong, Unreachable
from connectors.sign_in import SignIn
from daemon.mistakes import CredentialMissing
from daemon.signin.claims import claims_of
from daemon.signin.microsoft import DeviceCode, MicrosoftTokens, resource
from daemon.signin.token_source import PersonNeeded
from tests.servers.authority import CLIENT, PRINCIPAL, SECRET, TENANT, Authority, app_certificate, microsoft_error

ANN = "ann@example.org"


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    with Authority() as started:
        monkeypatch.setenv("SSL_CERT_FILE", str(started.certificate))
        yield started


def wanted(authority: Authority, **changes: str) -> SignIn:
    values = {"mailbox": "office", "host": "outlook.office365.com", "user": ANN, "person": ANN, "tenant": TENANT}
    return SignIn(**{**values, "client_id": CLIENT, "authority": authority.url, **changes})


def person(authority: Authority, state: Path, **changes: str) -> MicrosoftTokens:
    return MicrosoftTokens(wanted(authority, **changes), state, None)


def app(
    authority: Authority, state: Path, secret: Callable[[], str] = lambda: SECRET, **changes: str
) -> MicrosoftTokens:
    return MicrosoftTokens(wanted(authority, **changes), state, secret)


def finish(tokens: MicrosoftTokens, code: DeviceCode) -> bool:
    """Without the wait that a person's sign-in takes."""
    code.flow.pop("latest_attempt_at", None)
    return tokens.finish(code)


def signed_in(authority: Authority, state: Path, **changes: str) -> MicrosoftTokens:
    tokens = person(authority, state, **changes)
    code = tokens.begin()
    authority.approve(tokens.wanted.person)
    assert finish(tokens, code)
    return tokens


def an_hour_later(tokens: MicrosoftTokens) -> None:
    """Access tokens in the file are about to end."""
    kept = json.loads(tokens.file.path.read_text())
    for token in kept["AccessToken"].values():
        token["expires_on"] = str(int(time.time()) + 60)
    tokens.file.path.write_text(json.dumps(kept))


# -- a person signs in


def test_a_person_signs_in_with_a_code_and_has_a_token_for_exchange(authority: Authority, tmp_path: Path) -> None:
    tokens = person(authority, tmp_path)
    with pytest.raises(PersonNeeded, match="postroom login office"):
        tokens.token()
    code = tokens.begin()
    assert (code.code, code.address, code.interval) == ("ABCD-1234", f"{authority.url}/devicelogin", 1)
    assert finish(tokens, code) is False
    authority.says = [microsoft_error("slow_down")]
    assert finish(tokens, code) is False
    assert code.interval == 6, "Microsoft asked for patience"
    authority.approve(ANN)
    assert finish(tokens, code) is True
    claims = claims_of(tokens.token()) or {}
    assert (claims["aud"], claims["scp"]) == ("https://outlook.office.com", "IMAP.AccessAsUser.All")


@pytest.mark.parametrize(
    ("error", "words"),
    [("expired_token", "has expired"), ("code_expired", "has expired"), ("authorization_declined", "was declined")],
)
def test_a_code_that_leads_nowhere_says_so(authority: Authority, tmp_path: Path, error: str, words: str) -> None:
    tokens = person(authority, tmp_path)
    code = tokens.begin()
    authority.end_code(error)
    with pytest.raises(LoginRefused, match=words):
        finish(tokens, code)
    assert not tokens.file.path.exists()


def test_a_code_that_nobody_used_in_time_has_expired(authority: Authority, tmp_path: Path) -> None:
    tokens = person(authority, tmp_path)
    code = tokens.begin()
    code.flow["expires_at"] = time.time() - 1
    with pytest.raises(LoginRefused, match="has expired"):
        finish(tokens, code)


def test_the_sign_in_of_somebody_else_is_refused_and_not_kept(authority: Authority, tmp_path: Path) -> None:
    tokens = person(authority, tmp_path)
    code = tokens.begin()
    authority.approve("eve@example.org")
    with pytest.raises(LoginRefused, match=r'"eve@example.org" signed in, but the settings expect "ann@example.org"'):
        finish(tokens, code)
    assert not tokens.file.path.exists()
    with pytest.raises(PersonNeeded):
        tokens.token()


@pytest.mark.parametrize(
    "page",
    [
        "https://microsoft.com.example.net/devicelogin",
        "https://login.example.net/device",
        "http://microsoft.com/devicelogin",
        "https://microsoft.com@example.net/",
        "javascript:alert(1)",
        "https://microsoft.com\n.example.net/",
        "",
    ],
)
def test_no_address_but_microsofts_own_is_ever_shown(authority: Authority, tmp_path: Path, page: str) -> None:
    authority.page = page or "https://"
    with pytest.raises(SetupWrong, match="not Microsoft's own") as refused:
        person(authority, tmp_path).begin()
    assert "example.net" not in str(refused.value)


@pytest.mark.parametrize("page", ["https://microsoft.com/devicelogin", "https://login.microsoft.com/device"])
def test_microsofts_own_pages_are_shown(authority: Authority, tmp_path: Path, page: str) -> None:
    authority.page = page
    assert person(authority, tmp_path).begin().address == page


# -- afterwards


def test_a_token_is_used_until_shortly_before_its_end_and_then_renewed(authority: Authority, tmp_path: Path) -> None:
    tokens = signed_in(authority, tmp_path)
    first = tokens.token()
    asked = len(authority.requests)
    assert tokens.token() == first
    assert person(authority, tmp_path).token() == first, "another process reads the same file"
    assert len(authority.requests) == asked
    an_hour_later(tokens)
    second = tokens.token()
    assert second != first
    assert authority.requests[asked:] == ["refresh_token"]


def test_a_rotated_refresh_token_is_kept(authority: Authority, tmp_path: Path) -> None:
    tokens = signed_in(authority, tmp_path)
    for _ in range(3):  # the authority takes every refresh token once
        an_hour_later(tokens)
        assert person(authority, tmp_path).token() in authority.access


def test_a_token_can_be_renewed_before_its_time(authority: Authority, tmp_path: Path) -> None:
    tokens = signed_in(authority, tmp_path)
    first = tokens.token()
    authority.end_access()
    assert tokens.token() == first, "nobody told us yet"
    assert tokens.renew() in authority.access


def test_a_revoked_sign_in_stops_the_mailbox_and_names_the_command(authority: Authority, tmp_path: Path) -> None:
    tokens = signed_in(authority, tmp_path)
    an_hour_later(tokens)
    authority.revoke()
    with pytest.raises(PersonNeeded, match=r"AADSTS50173.*postroom login office") as stopped:
        tokens.token()
    assert isinstance(stopped.value, NeedsPerson)
    assert "ann" not in str(stopped.value), "Microsoft's description names people"


def test_one_sign_in_serves_several_mailboxes(authority: Authority, tmp_path: Path) -> None:
    signed_in(authority, tmp_path, mailbox="office", user="office@example.org")
    orders = person(authority, tmp_path, mailbox="orders", user="orders@example.org")
    assert orders.token() in authority.access
    with pytest.raises(PersonNeeded):
        person(authority, tmp_path, person="bob@example.org").token()


# -- an app


def test_an_app_signs_in_with_its_secret(authority: Authority, tmp_path: Path) -> None:
    claims = claims_of(app(authority, tmp_path).token()) or {}
    assert (claims["aud"], claims["roles"], claims["oid"]) == (
        "https://outlook.office365.com",
        ["IMAP.AccessAsApp"],
        PRINCIPAL,
    )


def test_an_apps_token_serves_all_its_mailboxes_and_processes(authority: Authority, tmp_path: Path) -> None:
    first = app(authority, tmp_path, mailbox="office").token()
    assert app(authority, tmp_path, mailbox="orders", user="orders@example.org").token() == first
    assert authority.requests == ["client_credentials"]
    assert app(authority, tmp_path).renew() != first


def test_an_app_signs_in_with_a_certificate(authority: Authority, tmp_path: Path) -> None:
    pem = app_certificate(90)
    authority.app_certificate = pem[pem.index("-----BEGIN CERT") :].encode()
    tokens = app(authority, tmp_path, lambda: pem)
    assert tokens.token() in authority.access
    ends = tokens.credential_ends()
    assert ends is not None
    assert timedelta(days=89) < ends - datetime.now(UTC) < timedelta(days=91)
    assert app(authority, tmp_path).credential_ends() is None


@pytest.mark.parametrize("text", ["-----BEGIN PRIVATE KEY-----\nx", "-----BEGIN CERTIFICATE-----\nx", "half"])
def test_a_broken_certificate_is_refused_before_anything_is_sent(
    authority: Authority, tmp_path: Path, text: str
) -> None:
    pem = app_certificate(90)
    text = pem.replace("A", "B") if text == "half" else text
    with pytest.raises(SetupWrong, match="certificate with its key"):
        app(authority, tmp_path, lambda: text).token()
    assert authority.requests == []


def test_a_wrong_secret_is_named_and_the_right_one_counts_at_once(authority: Authority, tmp_path: Path) -> None:
    secrets = iter(["secret-id-not-value", SECRET])
    tokens = app(authority, tmp_path, lambda: next(secrets))
    with pytest.raises(SetupWrong, match=r"The client secret is wrong.*AADSTS7000215") as refused:
        tokens.token()
    assert "secret-id-not-value" not in f"{refused.value} {refused.value!r} {refused.value.__cause__!r}"
    assert tokens.token() in authority.access


# -- what Microsoft may answer


@pytest.mark.parametrize(
    ("error", "code", "kind", "words"),
    [
        ("invalid_client", 7000222, SetupWrong, "The client secret has expired"),
        ("unauthorized_client", 700016, SetupWrong, "no app with this client_id"),
        ("invalid_grant", 65001, SetupWrong, "consented"),
        ("invalid_grant", 53003, SetupWrong, "Conditional Access"),
        ("temporarily_unavailable", 0, Unreachable, "at this moment"),
        ("something_new", 0, SetupWrong, "something_new"),
    ],
)
def test_microsofts_errors_in_words(
    authority: Authority, tmp_path: Path, error: str, code: int, kind: type[ConnectorError], words: str
) -> None:
    authority.says = [microsoft_error(error, code)]
    with pytest.raises(kind, match=words) as refused:
        app(authority, tmp_path).token()
    assert "ann@example.org" not in str(refused.value)


def test_an_app_that_is_no_public_client_says_what_to_switch_on(authority: Authority, tmp_path: Path) -> None:
    tokens = person(authority, tmp_path)
    code = tokens.begin()
    authority.says = [(401, microsoft_error("invalid_client", 7000218)[1])]
    with pytest.raises(SetupWrong, match="Allow public client flows"):
        finish(tokens, code)


def test_an_unknown_app_is_named_before_a_code_is_shown(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(SetupWrong, match="no app with this client_id"):
        person(authority, tmp_path, client_id="0" * 36).begin()


def test_an_unknown_tenant_is_a_mistake_in_the_settings(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(SetupWrong, match=r'knows no tenant "example.net"'):
        app(authority, tmp_path, tenant="example.net").token()


@pytest.mark.parametrize("answer", [(503, {}), (429, {"error": "busy"}), (200, {})])
def test_an_authority_in_trouble_is_tried_again(authority: Authority, tmp_path: Path, answer: Any) -> None:
    authority.says = [answer]
    if answer[0] == 200:
        with pytest.raises(ConnectorError):
            app(authority, tmp_path).token()
        return
    with pytest.raises(Unreachable):
        app(authority, tmp_path).token()


def test_an_authority_that_nobody_certifies_gets_nothing(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(CertificateRefused, match="so nothing was sent"):
        app(authority, tmp_path).token()
    assert authority.requests == []


def test_an_authority_that_is_not_there_is_tried_again(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        MicrosoftTokens(replace(wanted(authority), authority="https://127.0.0.1:9"), tmp_path, None).begin()


def test_national_clouds_have_their_own_resource() -> None:
    assert resource("partner.outlook.cn", as_app=True) == "https://partner.outlook.cn"
    assert resource("outlook.office365.com", as_app=True) == "https://outlook.office365.com"
    assert resource("outlook.office365.com", as_app=False) == "https://outlook.office.com"
    tokens = MicrosoftTokens(
        SignIn("office", "outlook.office365.us", ANN, ANN, TENANT, CLIENT), Path("/nowhere"), lambda: SECRET
    )
    assert (tokens.authority, tokens.scopes) == (
        "https://login.microsoftonline.us",
        ["https://outlook.office365.us/.default"],
    )


# -- the file


def test_tokens_are_for_their_owner_alone(authority: Authority, tmp_path: Path) -> None:
    tokens = signed_in(authority, tmp_path)
    file = tokens.file.path
    assert file.parent == tmp_path / "credentials" / "tokens"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "ann" not in file.name
    file.chmod(0o640)
    with pytest.raises(CredentialMissing, match="chmod 600"):
        tokens.token()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"AccessToken": []}', "\xff"])
def test_a_damaged_file_is_as_good_as_none(authority: Authority, tmp_path: Path, damage: str) -> None:
    tokens = signed_in(authority, tmp_path)
    tokens.file.path.write_bytes(damage.encode("latin-1"))
    with pytest.raises(PersonNeeded):
        person(authority, tmp_path).token()


def test_a_crash_while_writing_leaves_the_old_tokens(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = signed_in(authority, tmp_path)
    before = tokens.file.path.read_text()

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CredentialMissing, match="No space left"), tokens.file.held() as file:
        file.write("half")
    assert tokens.file.path.read_text() == before
    assert sorted(path.suffix for path in tokens.file.path.parent.iterdir()) == [".json", ".lock"]


def test_service_and_command_line_never_spend_one_refresh_token_twice(authority: Authority, tmp_path: Path) -> None:
    an_hour_later(signed_in(authority, tmp_path))
    start = threading.Barrier(6)
    found: list[str] = []

    def ask() -> None:
        tokens = person(authority, tmp_path)
        start.wait()
        found.append(tokens.token())

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert authority.requests.count("refresh_token") == 1


def _hold(path: Path, ready: Any, go_on: Any) -> None:
    from daemon.signin.token_files import TokenFile

    with TokenFile(path).held():
        ready.set()
        go_on.wait(10)


def test_another_process_waits_for_its_turn(authority: Authority, tmp_path: Path) -> None:
    tokens = signed_in(authority, tmp_path)
    context = multiprocessing.get_context("spawn")
    ready, go_on = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tokens.file.path, ready, go_on))
    other.start()
    assert ready.wait(20)
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(tokens.token()))
    thread.start()
    thread.join(0.3)
    assert found == []
    go_on.set()
    thread.join(10)
    other.join(10)
    assert len(found) == 1
