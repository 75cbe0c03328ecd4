"""Tokens of Google: a person signs in once in a browser, or a Workspace service account acts for the mailbox.

    credential = the OAuth client's JSON file:    browser | code | refresh token in the file | access tokens
    credential = the service account's JSON file: signed request | access tokens, nobody needed

Both files are used as Google's console hands them out. The addresses in them are not: tokens come from Google, or from
where `authority` says. Google's flow for devices without a browser does not give out the scope for mail, and the one
that shows a code to copy was ended in 2022; what is left is a redirect to this machine, whose address a person can also
copy from the browser of another machine.
https://developers.google.com/identity/protocols/oauth2/native-app
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

from connectors.errors import ConnectorError, LoginRefused, SetupWrong, Unreachable
from connectors.sign_in import SignIn
from daemon.signin.authority import Http, answer_of, in_words
from daemon.signin.claims import claims_of
from daemon.signin.token_source import SOON_SECONDS, PersonNeeded, TokenSource, token_file

SCOPE = "https://mail.google.com/"
SIGN_IN_PAGE = "https://accounts.google.com/o/oauth2/v2/auth"
TOKEN_PAGE = "https://oauth2.googleapis.com/token"
DOCS = "See docs/installing.md, section Gmail and Google Workspace."


@dataclass(frozen=True)
class Client:
    """What the credential's JSON says. A service account has a key, an OAuth client a secret."""

    id: str
    secret: str = field(default="", repr=False)
    key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Kept:
    """What the token file holds."""

    access: str = field(default="", repr=False)
    ends: float = 0.0
    refresh: str = field(default="", repr=False)
    scope: str = ""

    @classmethod
    def read(cls, text: str) -> Kept:
        """Nothing, if the file is not one of ours."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls()

    def write(self) -> str:
        """For the file."""
        return json.dumps({"access": self.access, "ends": self.ends, "refresh": self.refresh, "scope": self.scope})


@dataclass(frozen=True)
class BrowserSignIn:
    """What to open in a browser, and where it comes back to."""

    address: str
    redirect: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


class GoogleTokens(TokenSource):
    """See `TokenSource`. `credential` returns the JSON file's text; read when it is needed."""

    def __init__(
        self,
        wanted: SignIn,
        state_dir: Path,
        credential: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credential = credential
        self._clock = clock
        self._http = Http()
        self._sign_in_page, self._token_page = SIGN_IN_PAGE, TOKEN_PAGE
        if wanted.authority:
            self._sign_in_page = wanted.authority.rstrip("/") + "/o/oauth2/v2/auth"
            self._token_page = wanted.authority.rstrip("/") + "/token"
        super().__init__(wanted, token_file(state_dir, "google", self._token_page, wanted.user))

    @property
    def as_app(self) -> bool:
        """Is the credential a service account's? Raises SetupWrong if it is of another kind."""
        return bool(self.client().key)

    def client(self) -> Client:
        """The credential, understood. Raises SetupWrong that says which file to take."""
        try:
            found = json.loads(self._credential())
            if found.get("type") == "service_account":
                return Client(found["client_email"], key=found["private_key"])
            if "installed" in found:
                return Client(found["installed"]["client_id"], secret=found["installed"].get("client_secret", ""))
            kind = "a client for web pages" if "web" in found else "of another kind"
        except (ValueError, KeyError, TypeError, AttributeError):
            kind = "not Google's JSON file"
        raise SetupWrong(
            self.wanted.mailbox,
            f"The credential is {kind}.",
            'Put the JSON file of an OAuth client of type "Desktop app", or of a service account, into it as it is.',
        )

    def token(self) -> str:
        return self._token(fresh=False)

    def renew(self) -> str:
        return self._token(fresh=True)

    def _token(self, *, fresh: bool) -> str:
        client = self.client()
        with self.file.held():
            kept = Kept.read(self.file.read())
            if not fresh and kept.access and kept.ends - self._clock() > SOON_SECONDS:
                return kept.access
            if client.key:
                form = {"grant_type": JWT_GRANT, "assertion": self._assertion(client)}
            elif not kept.refresh:
                raise PersonNeeded(self.wanted.mailbox, "Nobody has signed in yet.")
            else:
                form = {"grant_type": "refresh_token", "refresh_token": kept.refresh}
                form |= {"client_id": client.id, "client_secret": client.secret}
            kept = self._kept(self._ask(form, client), kept)
            self.file.write(kept.write())
            return kept.access

    # Signing in

    def begin(self, port: int) -> BrowserSignIn:
        """The address to open. The browser comes back to this port of its own machine."""
        client = self.client()
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        redirect = f"http://127.0.0.1:{port}"
        question = urlencode(
            {
                "client_id": client.id,
                "redirect_uri": redirect,
                "response_type": "code",
                "scope": f"{SCOPE} openid email",  # the last two tell who signed in
                "state": state,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
                "login_hint": self.wanted.user,
                # A refresh token is only given out together with a consent.
                "access_type": "offline",
                "prompt": "consent",
            }
        )
        return BrowserSignIn(f"{self._sign_in_page}?{question}", redirect, state, verifier)

    def finish(self, begun: BrowserSignIn, came_back: str) -> None:
        """Trade what the browser brought back (the whole address) for tokens. Raises LoginRefused."""
        mailbox, again = self.wanted.mailbox, f"Run `postroom login {self.wanted.mailbox}` again."
        brought = parse_qs(urlsplit(came_back.strip()).query)
        if "error" in brought:
            raise LoginRefused(mailbox, "The sign-in was declined.", again)
        if not brought.get("code") or not secrets.compare_digest(brought.get("state", [""])[0], begun.state):
            raise LoginRefused(mailbox, "That is not the address that this sign-in leads to.", again)
        client = self.client()
        form = {
            "grant_type": "authorization_code",
            "code": brought["code"][0],
            "redirect_uri": begun.redirect,
            "code_verifier": begun.verifier,
        }
        answer = self._ask({**form, "client_id": client.id, "client_secret": client.secret}, client)
        kept = self._kept(answer, Kept())
        if not kept.refresh:
            raise LoginRefused(
                mailbox, "Google gave no refresh token, so the sign-in would end within the hour.", again
            )
        signed_in = str((claims_of(str(answer.get("id_token", ""))) or {}).get("email", ""))
        if signed_in and signed_in.lower() != self.wanted.user.lower():
            fact = f'"{signed_in}" signed in, but the mailbox is "{self.wanted.user}". Nothing was kept.'
            raise LoginRefused(mailbox, fact, f'Sign in as "{self.wanted.user}", or correct `user`.')
        if SCOPE not in kept.scope.split():
            raise LoginRefused(
                mailbox, "The box for reading mail was not ticked on Google's page, so there is no access.", again
            )
        with self.file.held():
            self.file.write(kept.write())

    # Inside

    def _assertion(self, client: Client) -> str:
        now = int(self._clock())
        claims = {"iss": client.id, "sub": self.wanted.user, "scope": SCOPE, "aud": self._token_page}
        try:
            return jwt.encode({**claims, "iat": now, "exp": now + 3600}, client.key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            fact = "The service account's key cannot be read."
            raise SetupWrong(self.wanted.mailbox, fact, "Make a new key, and replace the file.") from None

    def _ask(self, form: Mapping[str, str], client: Client) -> Mapping[str, Any]:
        """An answer of the token endpoint that holds a token."""
        with in_words(self.wanted.mailbox, urlsplit(self._token_page).netloc):
            answer = answer_of(self._http.post(self._token_page, data=form))
        if "access_token" not in answer:
            raise self._failure(answer, client)
        return answer

    def _kept(self, answer: Mapping[str, Any], before: Kept) -> Kept:
        """For the file. Google may rotate the refresh token, and usually does not send it again."""
        with in_words(self.wanted.mailbox, urlsplit(self._token_page).netloc):
            return Kept(
                access=str(answer["access_token"]),
                ends=self._clock() + float(answer.get("expires_in", 3600)),
                refresh=str(answer.get("refresh_token") or before.refresh),
                scope=str(answer.get("scope") or before.scope or SCOPE),
            )

    def _failure(self, answer: Mapping[str, Any], client: Client) -> ConnectorError:
        """An answer without a token, in words; nothing of Google's description."""
        mailbox = self.wanted.mailbox
        error = str(answer.get("error", "no token"))
        error = error if re.fullmatch(r"[a-z_]{1,40}", error) else "unknown"
        if client.key and error == "unauthorized_client":
            fact = f"The service account may not act for this mailbox ({error})."
            return SetupWrong(mailbox, fact, f"In the admin console, delegate {SCOPE} to its client id. {DOCS}")
        if client.key and error == "invalid_grant":
            fact = f'Workspace has no user "{self.wanted.user}", the key was deleted, or this clock is wrong ({error}).'
            return SetupWrong(mailbox, fact, DOCS)
        if error == "invalid_grant":
            fact = f"The sign-in has expired or was revoked ({error}); while an app is in testing, it lasts 7 days."
            return PersonNeeded(mailbox, fact)
        if error in ("temporarily_unavailable", "internal_failure", "rate_limit_exceeded"):
            return Unreachable(mailbox, f"Google gives no token at this moment ({error}).")
        known = {
            "invalid_client": "Google does not know the OAuth client, or its secret was replaced",
            "unauthorized_client": "The OAuth client may not ask for this",
            "admin_policy_enforced": "The Workspace's administrator does not trust this app",
            "access_denied": "Google refuses the access",
        }
        return SetupWrong(mailbox, f"{known.get(error, 'Google gives no token')} ({error}).", DOCS)


JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
