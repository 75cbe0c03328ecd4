"""What `postroom check` and `postroom login` say about a mailbox's token, before and after the mail server saw it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from connectors.errors import ConnectorError, LoginRefused, MailboxClosed
from connectors.sign_in import SignIn, at_microsoft
from daemon.mistakes import PostroomError
from daemon.signin.claims import claims_of, missing_grants, recipe
from daemon.signin.token_source import TokenSource

WARN_DAYS = 30
"""A credential that ends sooner is reported as wrong: in time for a holiday."""

Seen = tuple[bool, str]
"""Is it fine, and what was seen."""


class TokenReport:
    """One token, read once. `problems` are the reasons why the mail server will refuse it, as far as they show."""

    def __init__(self, wanted: SignIn, token: str, *, as_app: bool, now: datetime) -> None:
        self.wanted, self.as_app = wanted, as_app
        self.claims = claims_of(token)
        self.problems = [] if self.claims is None else missing_grants(self.claims, wanted, as_app=as_app, now=now)

    def words(self) -> str:
        """What is fine about it."""
        if self.claims is None:
            return "there is a token"
        ends = self.claims.get("exp")
        until = f", until {datetime.fromtimestamp(ends, UTC):%H:%M} UTC" if isinstance(ends, int | float) else ""
        whose = "the app's own" if self.as_app else f"{self.wanted.person}'s"
        return f"{whose}, for Exchange over IMAP{until}; renewed by itself"

    def advice(self, error: ConnectorError) -> str:
        """What to add to the mail server's refusal: the right that is missing, if the token itself shows no fault."""
        closed = isinstance(error, MailboxClosed) or (isinstance(error, LoginRefused) and self.as_app)
        if self.claims is None or self.problems or not closed:
            return ""
        return recipe(self.claims, self.wanted, as_app=self.as_app)


def report(wanted: SignIn, tokens: TokenSource, now: datetime | None = None) -> TokenReport:
    """Get a token and read it. Raises what `TokenSource.token` raises."""
    return TokenReport(wanted, tokens.token(), as_app=tokens.as_app, now=now or datetime.now(UTC))


def report_given(wanted: SignIn, token: str, now: datetime | None = None) -> TokenReport | None:
    """Read a token that somebody else delivers as the credential; None if it is not Microsoft's."""
    claims = claims_of(token) if at_microsoft(wanted.host) else None
    if claims is None:
        return None
    return TokenReport(wanted, token, as_app="scp" not in claims, now=now or datetime.now(UTC))


def credential_end(wanted: SignIn, tokens: TokenSource, now: datetime | None = None) -> Iterator[Seen]:
    """When the client's credential ends, where that can be known: a certificate tells, for a secret the settings do."""
    if wanted.by != "microsoft" or not tokens.as_app:
        return
    try:
        ends = tokens.credential_ends()
    except (PostroomError, ConnectorError) as error:
        yield False, str(error)
        return
    if ends is None and wanted.credential_ends is None:
        yield True, "a client secret does not say when it ends: write `credential_ends`, and this line will warn"
        return
    day = ends.date() if ends is not None else wanted.credential_ends
    assert day is not None
    left = (day - (now or datetime.now(UTC)).date()).days
    what = "the certificate" if ends is not None else "the client secret"
    if left < 0:
        yield False, f"{what} ended on {day}. Make a new one in Entra, and replace the credential."
    elif left < WARN_DAYS:
        yield False, f"{what} ends in {left} days, on {day}. Make a new one in Entra, and replace the credential."
    else:
        yield True, f"{what} ends on {day}, in {left} days"
