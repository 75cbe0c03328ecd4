"""Tokens of Microsoft 365, by msal: a person signs in once with a code, or the app signs in with its own credential.

    no credential:  device code | the person signs in at Microsoft's page | refresh token in the file | access tokens
    a credential:   client secret or certificate | access tokens, nobody needed

msal speaks the protocol and fills the cache; the file, the lock and the words are ours. What Microsoft says to a
failure is never shown, because it names people: the number of the error is, and what it means.
https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msal
from cryptography import x509

from connectors.errors import ConnectorError, LoginRefused, SetupWrong, Unreachable
from connectors.sign_in import SignIn
from daemon.signin.authority import Http, in_words
from daemon.signin.token_source import PersonNeeded, TokenSource, token_file

AUTHORITY = "https://login.microsoftonline.com"
NATIONAL_CLOUDS = {
    "outlook.office365.us": "https://login.microsoftonline.us",
    "outlook-dod.office365.us": "https://login.microsoftonline.us",
    "partner.outlook.cn": "https://login.partner.microsoftonline.cn",
}
"""IMAP host -> authority. There the host is also the resource that a token is for."""
DEVICE_PAGES = frozenset(
    {"microsoft.com", "www.microsoft.com", "login.microsoft.com", "login.microsoftonline.com", "aka.ms"}
)
"""Where Microsoft lets people type a code. No other address is ever shown, so that nobody can be lured elsewhere."""

# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_SETUP_ERRORS = {
    7000215: "The client secret is wrong: put the secret's value into the credential, not its id",
    7000222: "The client secret has expired: make a new one in Entra and replace the credential",
    700027: "The certificate is not the one that the app registration lists, or it has expired",
    700016: "The tenant has no app with this client_id",
    7000112: "The app is disabled in the tenant",
    7000218: 'The app is no public client: set "Allow public client flows" to yes under Authentication',
    90002: "There is no such tenant",
    50034: "The tenant has no such user",
    65001: "Nobody has consented to the app's permission yet: an administrator grants it under API permissions",
    500011: "The tenant does not know Exchange Online as a resource",
    53003: "A Conditional Access policy forbids this sign-in",
}
_PERSON_ERRORS = {
    50173: "the password was changed, or the sign-in was revoked",
    50133: "the password was changed, or the sign-in was revoked",
    50078: "the second factor has to be proved again",
    50079: "a second factor has to be set up",
    50076: "the second factor has to be proved",
    70008: "the sign-in has expired",
    70043: "a policy ends sign-ins after some time",
    700082: "the sign-in has expired, because it was not used for long",
    50057: "the person's account is disabled",
}


def resource(host: str, *, as_app: bool) -> str:
    """What a token for this IMAP host is asked for. Two spellings of one thing: Microsoft documents them like this."""
    if host in NATIONAL_CLOUDS:
        return f"https://{host}"
    return "https://outlook.office365.com" if as_app else "https://outlook.office.com"


@dataclass
class DeviceCode:
    """What to show to the person: type `code` at `address`, within `seconds`."""

    address: str
    code: str
    seconds: int
    flow: dict[str, Any] = field(repr=False)

    @property
    def interval(self) -> int:
        """Seconds to wait before the next `finish`; grows when Microsoft asks for patience."""
        return int(self.flow.get("interval", 5))


class MicrosoftTokens(TokenSource):
    """See `TokenSource`. `credential` returns the client secret or a PEM file's text; None: a person signs in."""

    def __init__(self, wanted: SignIn, state_dir: Path, credential: Callable[[], str] | None) -> None:
        self._credential = credential
        self.authority = wanted.authority or NATIONAL_CLOUDS.get(wanted.host, AUTHORITY)
        self.scopes = [
            f"{resource(wanted.host, as_app=self.as_app)}/{'.default' if self.as_app else 'IMAP.AccessAsUser.All'}"
        ]
        who = "" if self.as_app else wanted.person
        file = token_file(state_dir, "microsoft", self.authority, wanted.tenant, wanted.client_id, who)
        super().__init__(wanted, file)
        self._secret = ""
        self._http = Http()
        self._cache = msal.SerializableTokenCache()
        self._app: Any = None

    @property
    def as_app(self) -> bool:
        return self._credential is not None

    def token(self) -> str:
        return self._token(fresh=False)

    def renew(self) -> str:
        return self._token(fresh=True)

    def _token(self, *, fresh: bool) -> str:
        with self.file.held(), self._in_words():
            app = self._open()
            if self.as_app:
                if fresh:
                    app.remove_tokens_for_client()
                answer = app.acquire_token_for_client(self.scopes)
            else:
                accounts = app.get_accounts(self.wanted.person)
                if not accounts:
                    raise PersonNeeded(self.wanted.mailbox, "Nobody has signed in yet.")
                answer = app.acquire_token_silent_with_error(self.scopes, accounts[0], force_refresh=fresh)
                if not answer:
                    raise PersonNeeded(self.wanted.mailbox, "The sign-in has expired.")
            self._save()
        return self._token_of(answer)

    # Signing in

    def begin(self) -> DeviceCode:
        """Ask for a code. Raises SetupWrong where the app may not, or where the page is not Microsoft's."""
        with self._in_words():
            flow = self._open().initiate_device_flow(self.scopes)
        if "user_code" not in flow:
            raise self._failure(flow)
        address = str(flow.get("verification_uri", ""))
        if not self._is_trusted(address):
            raise SetupWrong(
                self.wanted.mailbox,
                "The authority wants the code typed at an address that is not Microsoft's own. It is not shown.",
                "Check `authority` in the settings, and who answers for it.",
            )
        return DeviceCode(address, str(flow["user_code"]), int(flow.get("expires_in", 900)), flow)

    def finish(self, code: DeviceCode) -> bool:
        """Has the person signed in? False: not yet. Raises LoginRefused if it went wrong or took too long."""
        mailbox, person = self.wanted.mailbox, self.wanted.person
        with self._in_words():
            answer = self._open().acquire_token_by_device_flow(code.flow, exit_condition=lambda _flow: True)
        error = answer.get("error")
        if error in ("authorization_pending", "slow_down"):
            if code.flow["expires_at"] < time.time():
                error = "expired_token"
            else:
                return False
        again = f"Run `postroom login {mailbox}` again."
        if error in ("expired_token", "code_expired", "bad_verification_code"):
            raise LoginRefused(mailbox, "The code has expired before anybody signed in.", again)
        if error in ("authorization_declined", "access_denied"):
            raise LoginRefused(mailbox, "The sign-in was declined.", again)
        if "access_token" not in answer:
            raise self._failure(answer)
        signed_in = str(answer.get("id_token_claims", {}).get("preferred_username", ""))
        if signed_in.lower() != person.lower():
            self._cache = msal.SerializableTokenCache()  # not theirs to use: nothing of it is kept
            self._app = None
            raise LoginRefused(
                mailbox,
                f'"{signed_in}" signed in, but the settings expect "{person}". Nothing was kept.',
                f'Sign in as "{person}" (a private window helps), or write `person = "{signed_in}"`.',
            )
        with self.file.held():
            self.file.write(self._cache.serialize())
        return True

    def credential_ends(self) -> datetime | None:
        """A certificate tells; a client secret does not."""
        if self._credential is None or "BEGIN CERTIFICATE" not in (text := self._credential()):
            return None
        try:
            return x509.load_pem_x509_certificate(_certificate(text)).not_valid_after_utc
        except ValueError:
            raise self._bad_certificate() from None

    # Inside

    def _open(self) -> Any:
        """The app with what the file holds now. A changed credential counts at once."""
        text = self.file.read()
        secret = self._credential() if self._credential is not None else ""
        if self._app is None or secret != self._secret:
            self._app = self._make(secret)
            self._secret = secret
        self._cache.deserialize(text if _is_cache(text) else "{}")  # damaged is as good as none
        return self._app

    def _make(self, secret: str) -> Any:
        address = f"{self.authority.rstrip('/')}/{self.wanted.tenant}"
        # Without instance discovery: which authority to trust is said by the settings, and one host less is asked.
        options: dict[str, Any] = {
            "authority": address,
            "token_cache": self._cache,
            "http_client": self._http,
            "instance_discovery": False,
        }
        kind = msal.PublicClientApplication
        if self.as_app:
            kind = msal.ConfidentialClientApplication
            options["client_credential"] = self._client_credential(secret)
        try:
            return kind(self.wanted.client_id, **options)
        except ValueError:
            if self.as_app and self._http.last_status == 0:
                raise self._bad_certificate() from None
            if 400 <= self._http.last_status < 500:
                raise SetupWrong(
                    self.wanted.mailbox,
                    f'{self.authority} knows no tenant "{self.wanted.tenant}".',
                    "Write `tenant` as in Entra: the directory's id, or a domain like example.onmicrosoft.com.",
                ) from None
            raise

    def _client_credential(self, secret: str) -> str | dict[str, str]:
        if "-----BEGIN" not in secret:
            return secret
        if "PRIVATE KEY" not in secret or "BEGIN CERTIFICATE" not in secret:
            raise self._bad_certificate()
        return {"private_key": secret, "public_certificate": secret}

    def _bad_certificate(self) -> SetupWrong:
        return SetupWrong(
            self.wanted.mailbox,
            "The credential is neither a client secret nor a certificate with its key.",
            "Put the private key and the certificate, both as PEM, into one file.",
        )

    def _save(self) -> None:
        if self._cache.has_state_changed:
            self.file.write(self._cache.serialize())

    def _token_of(self, answer: Mapping[str, Any]) -> str:
        if "access_token" not in answer:
            raise self._failure(answer)
        return str(answer["access_token"])

    def _failure(self, answer: Mapping[str, Any]) -> ConnectorError:
        """An answer without a token, in words. Nothing of Microsoft's description but the error's number."""
        mailbox = self.wanted.mailbox
        error = str(answer.get("error", "no token"))
        error = error if re.fullmatch(r"[a-z_]{1,40}", error) else "unknown"
        codes = [code for code in answer.get("error_codes") or [] if isinstance(code, int)]
        said = f"{error}, AADSTS{codes[0]}" if codes else error
        for code in codes:
            if code in _SETUP_ERRORS:
                return SetupWrong(
                    mailbox, f"{_SETUP_ERRORS[code]} ({said}).", "See docs/installing.md, section Microsoft 365."
                )
            if code in _PERSON_ERRORS and not self.as_app:
                return PersonNeeded(mailbox, f"Microsoft gives no token: {_PERSON_ERRORS[code]} ({said}).")
        busy = self._http.last_status == 429
        if busy or error in ("temporarily_unavailable", "server_error", "service_not_available"):
            return Unreachable(mailbox, f"Microsoft gives no token at this moment ({said}).")
        if error in ("invalid_grant", "interaction_required", "login_required", "consent_required") and not self.as_app:
            return PersonNeeded(mailbox, f"The sign-in has expired or was revoked ({said}).")
        return SetupWrong(
            mailbox, f"Microsoft gives no token ({said}).", "See docs/installing.md, section Microsoft 365."
        )

    def _is_trusted(self, address: str) -> bool:
        parts, own = urlsplit(address), urlsplit(self.authority)
        if parts.scheme != "https" or "@" in parts.netloc or not address.isascii() or not address.isprintable():
            return False
        return parts.netloc == own.netloc or parts.netloc in DEVICE_PAGES

    def _in_words(self) -> Any:
        return in_words(self.wanted.mailbox, urlsplit(self.authority).netloc)


def _is_cache(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and all(isinstance(kind, dict) for kind in found.values())


def _certificate(text: str) -> bytes:
    return text[text.index("-----BEGIN CERTIFICATE") :].encode()
