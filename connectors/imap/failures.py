"""From what imaplib, IMAPClient, ssl and socket raise to the error tree of `connectors.errors`.

    exception | is the line dead? | what does the server's answer say? | ConnectorError

Pure functions: an exception and a place go in, an error comes out. No error holds what a server sent: an answer that
cannot be read is mail, and a refusal may quote some. Of a refusal only the words of servers' status texts are told
(connectors/said.py); at login only the code, since a clumsy server might repeat the password there.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
import traceback

from imapclient import exceptions

from connectors.errors import (
    ActionRefused,
    CertificateRefused,
    ConnectorError,
    FolderMissing,
    LoginRefused,
    MailboxClosed,
    MessageGone,
    SetupWrong,
    TooManyConnections,
    Unexplained,
    Unreachable,
)
from connectors.said import CODES, quoted


class NotUnderstood(Unexplained):
    """A tagged BAD: the server does not know the command, or takes its arguments for wrong."""


# Response codes of RFC 5530 and RFC 9051 section 7.1.
TRY_LATER = {"UNAVAILABLE", "INUSE", "SERVERBUG"}
NO_SUCH_FOLDER = {"TRYCREATE", "NONEXISTENT"}

_CLOSED = "The login is right, but the server does not open this mailbox to it (authenticated but not connected)."
_CODE = re.compile(r"\[([A-Z][A-Z-]*)")
_REFUSED_WORDS = {
    "OVERQUOTA": "The mailbox is full",
    "NOPERM": "The account has no permission for this",
    "READ-ONLY": "The folder is read-only for this account",
    "LIMIT": "A limit of the server is reached",
    "CANNOT": "The server cannot do this here",
    "CORRUPTION": "The server says that the folder is damaged",
}


def response_code(text: str) -> str:
    """The registered code in brackets that a tagged NO starts with, or "" where the server gives none."""
    found = _CODE.search(text)
    return found[1] if found and found[1] in CODES else ""


def is_dead(error: BaseException) -> bool:
    """Must the connection be dropped? Only after a plain NO both sides still know where they are."""
    return isinstance(error, Unreachable | Unexplained | CertificateRefused)


def translate(error: Exception, place: str) -> ConnectorError:
    """What went wrong after login, as an error of ours. An error that is ours already stays as it is."""
    text = _text(error)
    match error:
        case ConnectorError():
            return error
        case imaplib.IMAP4.readonly():
            return ActionRefused(place, "The folder is read-only for this account.")
        case exceptions.CapabilityError():
            return SetupWrong(place, f"The server lacks a capability{quoted(text)}.")
        case imaplib.IMAP4.abort():
            return Unreachable(place, f"The connection broke{quoted(text)}.")
        case exceptions.LoginError():
            return LoginRefused(place, "The server refused the login.")
        case exceptions.IllegalStateError() | exceptions.ProtocolError() | exceptions.InvalidCriteriaError():
            return _not_understood(error, place)
        case imaplib.IMAP4.error():
            return _refusal(text, place)
        case ssl.SSLError() | OSError():
            return unreachable(error, place)
        # imaplib and IMAPClient parse with int(), split() and indexing: a broken answer shows up as one of these.
        case _:
            return _not_understood(error, place)


def _not_understood(error: Exception, place: str) -> ConnectorError:
    """Names the error and which function was reading; what it read would be somebody's mail."""
    ours = [frame.name for frame in traceback.extract_tb(error.__traceback__) if "connectors" in frame.filename]
    reading = f" in {ours[-1]}" if ours else ""
    return Unexplained(place, f"The server's answer is not understood ({type(error).__name__}{reading}).")


def _refusal(text: str, place: str) -> ConnectorError:
    """A tagged NO or BAD."""
    code = response_code(text)
    if "authenticated but not connected" in text.lower():
        return MailboxClosed(place, _CLOSED)
    if code in TRY_LATER:
        return Unreachable(place, f"The server cannot do this now{quoted(text)}.")
    if code in NO_SUCH_FOLDER:
        return FolderMissing(place, "There is no such folder.")
    if code == "EXPUNGEISSUED":
        return MessageGone(place, "Another client took the message at the same moment.")
    if code in _REFUSED_WORDS:
        return ActionRefused(place, f"{_REFUSED_WORDS[code]}{quoted(text)}.")
    if "command error: BAD" in text or "got more than" in text:
        return NotUnderstood(place, f"The server does not understand us{quoted(text)}.")
    return ActionRefused(place, f"The server refused{quoted(text)}.")


def unreachable(error: Exception, place: str) -> ConnectorError:
    """Name resolution, TCP and TLS on the way to the server."""
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message or str(error)
            return CertificateRefused(place, f"The server's certificate is not trusted: {why}.")
        case ssl.SSLError() if _reason(error) in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return SetupWrong(
                place, "This port does not speak TLS.", 'Set tls = "starttls" (port 143), or use port 993.'
            )
        case ssl.SSLError():
            return Unreachable(place, f"The TLS connection failed: {_reason(error) or type(error).__name__}.")
        case socket.gaierror():
            return Unreachable(
                place, "The host name cannot be resolved.", "Check `host` and the name server; Postroom tries again."
            )
        case TimeoutError():
            return Unreachable(place, "The server did not answer in time.")
        case ConnectionRefusedError():
            return Unreachable(
                place, "Nothing listens on this port.", "Check `host` and `port`, or the server; Postroom tries again."
            )
        case OSError():
            return Unreachable(place, f"The connection failed: {error.strerror or type(error).__name__}.")
        case imaplib.IMAP4.error() if _is_too_many(_text(error)):
            return TooManyConnections(place, TOO_MANY)
        case _:
            return translate(error, place)


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's name for it; errors that Python itself raises have none."""
    return str(getattr(error, "reason", "") or "")


TOO_MANY = "The server takes no more connections now: a limit of its own is reached."
_MANY = re.compile(r"too many|maximum|limit|exceed|concurrent|simultaneous")
_OF_PASSWORDS = re.compile(r"failed|failures|attempt|invalid|incorrect|password|credential")
"""A server that counts wrong logins locks accounts: that one needs a person."""


def _is_too_many(text: str) -> bool:
    """Does a server without a code for it refuse one connection too many? The password may be right, and nobody need
    do anything."""
    words = text.lower()
    of_connections = "connection" in words or "session" in words
    return of_connections and bool(_MANY.search(words)) and not _OF_PASSWORDS.search(words)


# What big providers say of passwords that are right and not taken: part of their text, the fact, the next step.
_LOGIN_REASONS = (
    (
        ("application-specific password", "app password"),
        "The account takes no ordinary password here, only one made for an app.",
        "Make an app password in the account's security settings, write it into the credential and restart the "
        'service; or set sign_in = "google".',
    ),
    (
        ("basicauthblocked", "basic authentication"),
        "The server takes no passwords any more.",
        'Set sign_in = "microsoft" (docs/installing.md).',
    ),
    (
        ("not enabled for imap", "imap access is disabled", "imap is disabled", "imap access is not enabled"),
        "IMAP is switched off for this account.",
        "Switch it on in the account's settings or at its administrator, then restart the service.",
    ),
)


def login_failure(error: Exception, place: str, user: str, *, logins_disabled: bool = False) -> ConnectorError:
    """What went wrong while signing in. Quotes nothing but the response code: the rest may hold the secret.

    `logins_disabled`: the server had said that it takes no passwords on this connection.
    """
    # IMAPClient wraps everything in LoginError, a broken line too.
    cause = error.__context__ if isinstance(error, exceptions.LoginError) else error
    if isinstance(cause, ConnectorError):
        return cause
    if isinstance(cause, imaplib.IMAP4.abort):
        return Unreachable(place, "The server closed the connection during the login.")
    if isinstance(cause, OSError):
        return unreachable(cause, place)
    if "authenticated but not connected" in _text(error).lower():
        return MailboxClosed(place, _CLOSED)
    code = response_code(_text(error))
    if code == "LIMIT":
        return TooManyConnections(place, f"The server does not take logins now [{code}].")
    if code in TRY_LATER:
        return Unreachable(place, f"The server does not take logins now [{code}].")
    if _is_too_many(_text(error)):
        return TooManyConnections(place, TOO_MANY)
    if code == "PRIVACYREQUIRED":
        return SetupWrong(place, "The server takes passwords over TLS only.", 'Set tls = "implicit" or "starttls".')
    if logins_disabled:
        return SetupWrong(
            place,
            "The server takes no passwords on such a connection (LOGINDISABLED).",
            'Set tls = "implicit" or "starttls".',
        )
    said = f" [{code}]" if code else ""
    text = _text(error).lower()
    for parts, fact, next_step in _LOGIN_REASONS:
        if any(part in text for part in parts):
            return LoginRefused(place, f'The server refused the login of user "{user}"{said}. {fact}', next_step)
    return LoginRefused(place, f'The server refused the login of user "{user}"{said}.')


def _text(error: Exception) -> str:
    """All that the error says, on one line: to look into, never to show."""
    text = ", ".join(part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in error.args)
    return " ".join(text.split())
