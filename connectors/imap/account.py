"""One IMAP account and the way in: connect, TLS, certificate, login.

    ImapAccount | TLS context | connect | compare the pin | log in | read capabilities again      -> BoundedClient

No password travels before the certificate is trusted. The secret is asked for at every login and kept nowhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import imaplib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from imapclient import SocketTimeout

from connectors.errors import CertificateRefused, ConnectorError, LoginRefused, SetupWrong
from connectors.hosts import is_this_machine
from connectors.imap.failures import login_failure, translate, unreachable
from connectors.imap.line import BoundedClient, Line

LONGEST_CONNECT_S = 20.0
"""For each address of the host, and for the TLS handshake: whoever ends the service waits for it."""
SIGNED_BY_ITSELF = 18
"""X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT of OpenSSL: no CA has signed it, so none can be named."""
COMPARE = (
    "Its SHA-256 fingerprint is {}. Compare it with what `openssl x509 -noout -fingerprint -sha256 -in "
    "CERTIFICATE.pem` shows on the mail server. If it is the same, set `fingerprint` to it; if not, somebody listens."
)


@dataclass(frozen=True)
class ImapAccount:
    """Where and as whom to log in. Raises SetupWrong for settings that would send a secret in the clear.

    secret: called at every login; returns the password, or the access token for xoauth2 and oauthbearer (RFC 7628).
    fingerprint: sha256 of the server's certificate in hex. It replaces the check by CA, date and host name: a pin names
    one certificate, so the office that renews it changes the setting.
    timeout: seconds that one answer may take; a large one gets more, see `connectors.imap.line`.
    """

    name: str
    host: str
    port: int
    user: str
    secret: Callable[[], str] = field(repr=False, compare=False)
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    ca_file: Path | None = None
    fingerprint: str | None = None
    inbox: str = "INBOX"
    timeout: float = 60.0
    sign_in: Literal["password", "xoauth2", "oauthbearer"] = "password"
    renewed: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    """A newer token, for when the server refuses the one from `secret`; None: there is no way to one."""

    def __post_init__(self) -> None:
        if self.tls == "none" and not is_this_machine(self.host):
            raise SetupWrong(
                self.place, "Without TLS the password would cross the network in the clear.", 'Set tls = "implicit".'
            )

    @property
    def place(self) -> str:
        """How errors name this account."""
        return f"{self.name} ({self.host}:{self.port})"


def tls_context(account: ImapAccount) -> ssl.SSLContext:
    """Verifies by default. Raises SetupWrong if the CA file cannot be read."""
    try:
        context = ssl.create_default_context(cafile=account.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SetupWrong(
            account.place, f"The CA file {account.ca_file} cannot be used: {error.strerror or error}."
        ) from error
    if account.fingerprint is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # log_in compares the pin before anything is sent
    return context


def log_in(account: ImapAccount, halt: threading.Event) -> BoundedClient:
    """A connection that is logged in. Raises Unreachable, CertificateRefused, SetupWrong or LoginRefused.

    `halt`: set by whoever wants it to end, now or ever: what is being read raises Unreachable.
    """
    try:
        return _log_in(account, account.secret, halt)
    except TokenRefused:
        if account.renewed is None:
            raise
    # Tokens are revoked before their time when a password changes or an administrator says so.
    return _log_in(account, account.renewed, halt)


class TokenRefused(LoginRefused):
    """The server does not accept a token that was there."""

    next_step = "Run `postroom check`: it reads the token and names what is missing."


def _log_in(account: ImapAccount, secret: Callable[[], str], halt: threading.Event) -> BoundedClient:
    try:
        client = _connect(account, halt)
    except CertificateRefused as refused:
        raise _told_with_fingerprint(account, halt, refused) from refused
    try:
        _check_pin(account, client)
        _sign_in(account, client, secret)
    except ConnectorError:
        _hang_up(client)
        raise
    client.normalise_times = False
    return client


def _connect(account: ImapAccount, halt: threading.Event) -> BoundedClient:
    context = tls_context(account) if account.tls != "none" else None
    try:
        client = BoundedClient(
            Line(account.place, account.timeout, halt),
            account.host,
            account.port,
            ssl=account.tls == "implicit",
            ssl_context=context,
            timeout=SocketTimeout(min(account.timeout, LONGEST_CONNECT_S), account.timeout),
        )
    except ConnectorError:
        raise
    except Exception as error:
        # Who expects TLS from the first byte waits for ours, and in the end hangs up.
        waited = isinstance(error, TimeoutError | imaplib.IMAP4.abort)
        if waited and account.tls != "implicit" and _speaks_tls(account):
            fact, step = "This port speaks TLS from the first byte.", 'Set tls = "implicit".'
            raise SetupWrong(account.place, fact, step) from error
        raise unreachable(error, account.place) from error
    _silence(client)
    keep_alive(client.socket())
    if account.tls == "starttls":
        try:
            client.starttls(context)
        except ConnectorError:
            _hang_up(client)
            raise
        except Exception as error:
            _hang_up(client)
            failure = unreachable(error, account.place)
            if isinstance(failure, SetupWrong):
                fact = "The server offers no STARTTLS, so no password was sent."
                raise SetupWrong(account.place, fact, 'Set tls = "implicit" and port = 993.') from error
            raise failure from error
    return client


def _speaks_tls(account: ImapAccount) -> bool:
    """Does the port answer a TLS handshake? Nothing else is sent."""
    within = min(account.timeout, LONGEST_CONNECT_S)
    try:
        with (
            socket.create_connection((account.host, account.port), within) as connection,
            tls_context(replace(account, fingerprint="")).wrap_socket(connection, server_hostname=account.host),
        ):
            return True
    except OSError:  # ssl.SSLError is one
        return False


def _told_with_fingerprint(account: ImapAccount, halt: threading.Event, refused: CertificateRefused) -> ConnectorError:
    """The same; of a certificate that signed itself with its fingerprint, by which a person can tell whether it is the
    server's own. Nothing secret is sent to whoever shows it."""
    cause = refused.__cause__
    if not isinstance(cause, ssl.SSLCertVerificationError) or cause.verify_code != SIGNED_BY_ITSELF:
        return refused
    try:
        client = _connect(replace(account, fingerprint=""), halt)  # any certificate will do
    except ConnectorError:
        return refused
    shown = client.socket().getpeercert(binary_form=True)
    _hang_up(client)
    return CertificateRefused(
        refused.place, refused.fact, COMPARE.format(_as_openssl_prints(hashlib.sha256(shown).hexdigest()))
    )


def _as_openssl_prints(digits: str) -> str:
    return ":".join(digits[start : start + 2] for start in range(0, len(digits), 2)).upper()


def keep_alive(connection: socket.socket) -> None:
    """Let the kernel notice within two minutes that the other side is gone, and routers that we are not."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        number = getattr(socket, option, None)  # TCP_KEEPALIVE is what macOS calls TCP_KEEPIDLE
        if number is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, number, value)


def _check_pin(account: ImapAccount, client: BoundedClient) -> None:
    if account.fingerprint is None or account.tls == "none":
        return
    certificate = client.socket().getpeercert(binary_form=True)
    found = hashlib.sha256(certificate).hexdigest()
    if not hmac.compare_digest(found, account.fingerprint.replace(":", "").lower()):
        fact = "The server's certificate is not the one that `fingerprint` names."
        raise CertificateRefused(account.place, fact, COMPARE.format(_as_openssl_prints(found)))


def _sign_in(account: ImapAccount, client: BoundedClient, ask: Callable[[], str]) -> None:
    try:
        secret = ask()
    except ConnectorError:
        raise
    except Exception as error:
        raise LoginRefused(account.place, f"The credential cannot be read ({type(error).__name__}).") from error
    if any(character in account.user + secret for character in "\r\n\0"):
        raise LoginRefused(account.place, "User or secret contains a line break, which no server accepts.")
    try:
        match account.sign_in:
            case "xoauth2":
                client.oauth2_login(account.user, secret)
            case "oauthbearer":
                client.oauthbearer_login(account.user, secret)
            # LOGIN has no charset for what is beyond ASCII; SASL PLAIN has UTF-8 (RFC 4616).
            case _ if not (account.user + secret).isascii() or client.has_capability("LOGINDISABLED"):
                client.plain_login(account.user, secret)
            case _:
                client.login(account.user, secret)
    except Exception as error:
        # Not `from error`: its text is the server's answer to a line with the secret in it.
        disabled = account.sign_in == "password" and account.tls == "none" and client.has_capability("LOGINDISABLED")
        failure = login_failure(error, account.place, account.user, logins_disabled=disabled)
        if account.sign_in != "password" and isinstance(failure, LoginRefused):
            failure = TokenRefused(failure.place, failure.fact)
        raise failure from None
    # imaplib remembers its last ten lines, the one with the password too (not under `python -O`).
    getattr(client._imap, "_cmd_log", {}).clear()
    client._imap.debug = 0
    # Servers offer more once they know who asks (RFC 9051 section 6.2.3), and what the greeting offered must not stand
    # in for it: forget both and ask.
    client._imap.untagged_responses.pop("CAPABILITY", None)
    try:
        client._cached_capabilities = client._do_capabilites()
        _say_who_asks(client)
    except ConnectorError:
        raise
    except Exception as error:
        raise translate(error, account.place) from error


def _say_who_asks(client: BoundedClient) -> None:
    """ID (RFC 2971), where it is offered: NetEase opens no folder before. Name and version, nothing of the machine."""
    if not client.has_capability("ID"):
        return
    try:
        client._imap._simple_command("ID", f'("name" "Postroom" "version" "{_version()}")')
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        pass  # offered and not understood


def _version() -> str:
    try:
        return version("postroom")
    except PackageNotFoundError:  # run from a folder of sources
        return "unknown"


def _silence(client: BoundedClient) -> None:
    """imaplib's debug log would carry passwords, subjects and addresses: it goes nowhere."""

    def nowhere(*_: Any) -> None:
        pass

    client._imap._mesg = nowhere


def _hang_up(client: BoundedClient) -> None:
    with contextlib.suppress(Exception):  # it may be closed already, which is what we want
        client.shutdown()
