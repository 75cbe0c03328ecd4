"""What a token shows about the grant that is missing, and the mistakes in the settings of a sign-in."""

from __future__ import annotations

import base64
import imaplib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import LoginRefused, MailboxClosed, Unreachable
from connectors.imap import ImapSettings
from connectors.imap.failures import login_failure, translate
from connectors.sign_in import SignIn
from daemon.mistakes import SettingsError
from daemon.settings import Settings
from daemon.signin.claims import claims_of, missing_grants, recipe
from daemon.signin.token_files import TokenFile
from daemon.signin.token_report import TokenReport, credential_end, report_given
from daemon.signin.token_source import TokenSource

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TENANT = "11111111-2222-3333-4444-555555555555"
SHARED = SignIn("office", "outlook.office365.com", "office@example.org", "ann@example.org", TENANT, "app-id")
PERSONS: dict[str, Any] = {
    "aud": "https://outlook.office.com",
    "scp": "IMAP.AccessAsUser.All User.Read",
    "tid": TENANT,
    "upn": "Ann@example.org",
    "appid": "app-id",
    "exp": NOW.timestamp() + 600,
}
APPS: dict[str, Any] = {
    "aud": "https://outlook.office365.com",
    "roles": ["IMAP.AccessAsApp"],
    "tid": TENANT,
    "appid": "app-id",
    "oid": "object-id",
    "exp": NOW.timestamp() + 600,
}


def token(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.signature"


def test_a_tokens_payload_is_read_and_nothing_else_is_made_of_it() -> None:
    assert claims_of(token(PERSONS)) == PERSONS
    for strange in ("", "ya29.opaque", "a.b", "a.%%%.c", token([]), "a." + "A" * 5 + ".c"):
        assert claims_of(strange) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"aud": "00000002-0000-0ff1-ce00-000000000000"}, None),
        ({"aud": "https://graph.microsoft.com"}, 'for "https://graph.microsoft.com" and not for Exchange'),
        ({"scp": "User.Read"}, "lacks the scope IMAP.AccessAsUser.All"),
        ({"scp": None}, "lacks the scope IMAP.AccessAsUser.All"),
        ({"exp": NOW.timestamp() - 1}, "the token ended at 2026-11-25 11:59 UTC"),
        ({"tid": "22222222-2222-3333-4444-555555555555"}, "Correct `tenant`"),
        ({"upn": "bob@example.org"}, 'that of "bob@example.org"'),
        ({"appid": "another"}, "for the app another"),
    ],
)
def test_what_is_missing_in_a_persons_token(change: dict[str, Any], words: str | None) -> None:
    found = missing_grants({**PERSONS, **change}, SHARED, as_app=False, now=NOW)
    assert len(found) == (words is not None)
    assert words is None or words in found[0]


def test_every_fault_of_a_token_is_named_at_once() -> None:
    found = missing_grants({**APPS, "aud": "x", "roles": [], "exp": 0}, SHARED, as_app=True, now=NOW)
    assert len(found) == 3
    assert "no permission IMAP.AccessAsApp" in found[1]
    assert missing_grants(APPS, SHARED, as_app=True, now=NOW) == []


def test_the_recipe_names_the_enterprise_app_and_the_mailbox() -> None:
    said = recipe(APPS, SHARED, as_app=True)
    assert "New-ServicePrincipal -AppId app-id -ObjectId object-id" in said
    assert 'Add-MailboxPermission -Identity "office@example.org" -User object-id -AccessRights FullAccess' in said
    persons = recipe(PERSONS, SHARED, as_app=False)
    assert 'Add-MailboxPermission -Identity "office@example.org" -User "ann@example.org"' in persons
    own = SignIn("office", "outlook.office365.com", "ann@example.org", "ann@example.org")
    assert "Set-CASMailbox" in recipe(PERSONS, own, as_app=False)


def test_advice_comes_where_the_token_is_right_and_the_mailbox_stays_closed() -> None:
    closed, refused = MailboxClosed("office", "closed"), LoginRefused("office", "refused")
    good = TokenReport(SHARED, token(APPS), as_app=True, now=NOW)
    assert "New-ServicePrincipal" in good.advice(closed)
    assert "New-ServicePrincipal" in good.advice(refused)
    assert good.advice(Unreachable("office", "away")) == ""
    faulty = TokenReport(SHARED, token({**APPS, "roles": []}), as_app=True, now=NOW)
    assert faulty.problems
    assert faulty.advice(closed) == ""
    opaque = TokenReport(SHARED, "ya29.x", as_app=False, now=NOW)
    assert (opaque.problems, opaque.words()) == ([], "there is a token")
    assert "until 12:10 UTC" in good.words()


def test_exchanges_words_for_a_closed_mailbox_are_understood() -> None:
    error = imaplib.IMAP4.error("SELECT command error: BAD [b'User is authenticated but not connected.']")
    for failure in (translate(error, "office"), login_failure(error, "office", "ann")):
        assert isinstance(failure, MailboxClosed)
        assert "postroom check" in str(failure)


# -- the settings

MICROSOFT = f"""
[[mailbox]]
name = "office"
host = "outlook.office365.com"
user = "office@example.org"
sign_in = "microsoft"
tenant = "{TENANT}"
client_id = "app-id"
"""
GOOGLE = """
[[mailbox]]
name = "office"
host = "imap.gmail.com"
user = "office@example.org"
sign_in = "google"
credential = "google-json"
"""


def load(folder: Path, text: str) -> ImapSettings:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    (box,) = Settings.load(file).mailboxes
    assert isinstance(box, ImapSettings)
    return box


def test_little_is_needed_to_sign_in(tmp_path: Path) -> None:
    box = load(tmp_path, MICROSOFT + 'person = "ann@example.org"')
    assert box.signs_in() == SignIn(
        "office", "outlook.office365.com", "office@example.org", "ann@example.org", TENANT, "app-id", by="microsoft"
    )
    assert load(tmp_path, MICROSOFT + 'credential = "s"\ncredential_ends = 2027-05-01').credential_ends == date(
        2027, 5, 1
    )
    assert load(tmp_path, GOOGLE).credential == "google-json"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MICROSOFT.replace('sign_in = "microsoft"', 'credential = "x"'), "takes no passwords over IMAP"),
        (MICROSOFT.replace(f'tenant = "{TENANT}"', ""), 'tenant: missing. Write tenant = "..."'),
        (MICROSOFT.replace('client_id = "app-id"', ""), 'client_id: missing. Write client_id = "..."'),
        (MICROSOFT.replace(TENANT, "common") + 'credential = "x"', '"common" is not a tenant that an app'),
        (MICROSOFT.replace(TENANT, "https://x"), "is not the id or the domain"),
        (MICROSOFT + 'credential = "x"\nperson = "ann"', "the app signs in by itself"),
        (MICROSOFT + "credential_ends = 2027-05-01", "there is no credential that could end"),
        (MICROSOFT + 'credential_ends = "soon"', "credential_ends"),
        (MICROSOFT + 'authority = "http://login.example.org"', 'authority: must be "https://" and a host'),
        (MICROSOFT + 'authority = "https://a@login.example.org"', 'authority: must be "https://" and a host'),
        (MICROSOFT + 'authority = "https://login.example.org/x"', 'authority: must be "https://" and a host'),
        (MICROSOFT.replace("outlook.office365.com", "imap.gmail.com"), 'Write sign_in = "google"'),
        (GOOGLE.replace("imap.gmail.com", "outlook.office365.com"), 'Write sign_in = "microsoft"'),
        (GOOGLE.replace('credential = "google-json"', ""), "the name of the JSON file"),
        (GOOGLE + 'person = "ann"', "lets nobody but its owner"),
        (GOOGLE + 'client_id = "x"', "is in the credential's file already"),
        (GOOGLE + 'tenant = "x"', 'is not used with sign_in = "google"'),
        (GOOGLE.replace('"google"', '"goggle"'), 'Did you mean "google"?'),
        (GOOGLE.replace("imap.gmail.com", "x").replace('sign_in = "google"', 'tenant = "y"'), "tenant: is not used"),
        (GOOGLE.replace("google-json", "not a name!"), "must be a plain name"),
    ],
)
def test_every_mistake_of_a_sign_in_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    found = [problem for problem in refused.value.problems if words in problem]
    assert found, refused.value.problems
    assert found[0].startswith("[[mailbox]] 1 (office) ")


# -- when a credential ends


class Source(TokenSource):
    """An app whose credential says when it ends."""

    as_app = True

    def __init__(self, ends: datetime | None) -> None:
        super().__init__(SHARED, TokenFile(Path("/nowhere")))
        self.ends = ends

    def credential_ends(self) -> datetime | None:
        return self.ends

    def token(self) -> str:
        return ""

    def renew(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("certificate", "setting", "fine", "words"),
    [
        (None, "", True, "does not say when it ends"),
        (None, "2026-12-31", True, "the client secret ends on 2026-12-31, in 36 days"),
        (None, "2026-12-01", False, "the client secret ends in 6 days"),
        (None, "2026-11-01", False, "the client secret ended on 2026-11-01"),
        (datetime(2026, 11, 30, tzinfo=UTC), "2027-12-01", False, "the certificate ends in 5 days"),
    ],
)
def test_the_end_of_a_credential_is_told_in_time(
    tmp_path: Path, certificate: datetime | None, setting: str, fine: bool, words: str
) -> None:
    box = load(tmp_path, MICROSOFT + 'credential = "x"' + (f"\ncredential_ends = {setting}" if setting else ""))
    ((seen_fine, seen),) = credential_end(box.signs_in(), Source(certificate), NOW)
    assert seen_fine is fine
    assert words in seen


def test_a_token_that_somebody_else_delivers_is_read_too(tmp_path: Path) -> None:
    text = MICROSOFT.replace('"microsoft"', '"xoauth2"\ncredential = "x"')
    box = load(tmp_path, text.replace(f'tenant = "{TENANT}"\nclient_id = "app-id"', ""))
    read = report_given(box.signs_in(), token({**APPS, "aud": "x"}), NOW)
    assert read is not None
    assert "not for Exchange" in read.problems[0]
    assert report_given(box.signs_in(), "opaque", NOW) is None
