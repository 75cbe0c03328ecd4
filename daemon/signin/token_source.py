"""What every way to a token has: the account it is for, `token`, and where a person is needed, a sign-in in steps.

TokenSource.token()      the IMAP login's secret: from the file while it lasts, else a newer one from the authority
TokenSource.renew()      one that is newer than the last, because the mail server refused that
PersonNeeded             the error of both when a person has to sign in again; it names `postroom login`
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path

from connectors.errors import LoginRefused
from connectors.sign_in import SignIn
from daemon.signin.token_files import TokenFile

SOON_SECONDS = 300
"""A token that ends within this time counts as ended: it has to last for a login."""


class PersonNeeded(LoginRefused):
    """There is no token, and no way to one without a person."""

    def __init__(self, mailbox: str, fact: str) -> None:
        super().__init__(
            mailbox, fact, f"Run `postroom login {mailbox}`, then `systemctl reload postroom`, or restart the service."
        )


class TokenSource(ABC):
    """Tokens for one mailbox. Several mailboxes with the same app and person share a file."""

    def __init__(self, wanted: SignIn, file: TokenFile) -> None:
        self.wanted = wanted
        self.file = file

    @property
    @abstractmethod
    def as_app(self) -> bool:
        """Does the app sign in by itself, with nobody at a keyboard? Raises what reading the credential raises."""

    def credential_ends(self) -> datetime | None:
        """When the app's own credential ends, where it tells."""
        return None

    @abstractmethod
    def token(self) -> str:
        """An access token that lasts some minutes at least.

        Raises PersonNeeded, SetupWrong, LoginRefused, CertificateRefused, Unreachable, CredentialMissing.
        """

    @abstractmethod
    def renew(self) -> str:
        """A newer one than `token` gave last, however long that would have lasted."""


def token_file(state_dir: Path, provider: str, *parts: str) -> TokenFile:
    """Where the tokens of this sign-in are: a name that says nothing about whom it is for."""
    key = hashlib.sha256("\0".join(parts).lower().encode()).hexdigest()[:16]
    return TokenFile(state_dir / "credentials" / "tokens" / f"{provider}-{key}.json")
