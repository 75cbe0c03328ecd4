"""The one HTTP layer under every helpdesk connector: JSON over httpx, and only `connectors.errors` come out.

    address checked | TLS | request | answer, bounded | status -> error | JSON

Reads (GET) are tried a second time when the server asks for patience with Retry-After. Writes are sent once: whether a
write without an answer happened is for the connector's `recover` to find out.
The secret is asked for when the first request needs it and lives only in the open client's headers, which httpx
masks in `repr`.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from connectors.errors import (
    ActionRefused,
    CertificateRefused,
    ConnectorError,
    LoginRefused,
    SetupWrong,
    Unexplained,
    Unreachable,
)
from connectors.hosts import is_this_machine
from connectors.http_limits import BrokenOff, TooLarge, TooLong, limited, within

MAX_ANSWER_BYTES = 8 * 1024 * 1024
HEAD_BYTES = 256 * 1024
"""What may come beside the content of an answer: its head, and the marks between its pieces."""
MAX_PATIENCE_SECONDS = 30.0
"""A server that asks for a longer wait is asked again at the next poll instead."""

TRY_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Answer:
    """One answer of a helpdesk: `body` is decoded JSON, None if there was none. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any


class HttpApi:
    """One helpdesk's API. `place` begins every error message; `headers` makes the login headers when they are needed.

    Raises SetupWrong at once if `url` is not https:// (http:// is allowed to this machine only). A proxy from the
    environment is used, except on the way to this machine.
    """

    def __init__(
        self,
        place: str,
        url: str,
        headers: Callable[[], Mapping[str, str]],
        *,
        ca_file: str | None = None,
        timeout: float = 30.0,
        max_bytes: int = MAX_ANSWER_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = place
        self._url = checked_url(place, url)
        self._headers = headers
        self._ca_file = ca_file
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._sleep = sleep
        self._client: httpx.Client | None = None
        self._halt = threading.Event()

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        expected: Collection[int] = (),
        most: int | None = None,
    ) -> Answer:
        """Read one resource. An error status in `expected` is returned; any other raises (see `status_error`).

        `most`: bytes that may come, where these are more or fewer than usual.
        """
        answer = self._request("GET", path, params=params, most=most)
        patience = retry_after(answer, datetime.now(UTC))
        if patience is not None and not self._halt.is_set():
            self._sleep(patience)
            answer = self._request("GET", path, params=params, most=most)
        return self._checked("GET", answer, expected)

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str] | None = None,
        *,
        expected: Collection[int] = (),
    ) -> Answer:
        """Write once. After Unreachable or Unexplained nobody knows whether the server did it."""
        return self._checked(method, self._request(method, path, body=body, headers=headers), expected)

    def break_off(self) -> None:
        """From another thread: the request in progress, and all later ones, raise Unreachable within seconds."""
        self._halt.set()

    def close(self) -> None:
        """Drop the connections and the secret. Never raises; the next request connects again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        most: int | None = None,
    ) -> RawAnswer:
        client = self._open()
        most = most or self._max_bytes
        try:
            with within(self._timeout, most=most + HEAD_BYTES, halt=self._halt):
                response = client.request(method, self._url + path, params=params, json=body, headers=headers)
            if len(response.content) > most:
                raise TooLarge("too large")
            return RawAnswer(response.status_code, dict(response.headers), response.content)
        except TooLarge as error:
            raise Unexplained(self.place, f"An answer is larger than {most} bytes.") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError, ssl.SSLError) as error:
            raise transport_error(self.place, error) from error

    def _open(self) -> httpx.Client:
        if self._client is None:
            url = httpx.URL(self._url)
            self._client = limited(
                httpx.Client(
                    headers={"Accept": "application/json", **self._headers()},
                    # Plain http goes to this machine only, where there is no certificate to check.
                    verify=self._trusted() if url.scheme == "https" else False,
                    timeout=self._timeout,
                    trust_env=not is_this_machine(url.host),
                    # A redirect would carry the secret to wherever the answer points.
                    follow_redirects=False,
                )
            )
        return self._client

    def _trusted(self) -> ssl.SSLContext:
        """The system's certificate store, or the office's own CA and nothing else."""
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SetupWrong(self.place, f"ca_file {self._ca_file} cannot be read as certificates.") from error

    def _checked(self, method: str, answer: RawAnswer, expected: Collection[int]) -> Answer:
        fine = 200 <= answer.status < 300
        if not fine and answer.status not in expected:
            raise status_error(self.place, method, answer.status, self._points(answer))
        return Answer(answer.status, answer.headers, self._decoded(answer.content) if fine else None)

    def _points(self, answer: RawAnswer) -> str:
        """Where a redirect leads, in words: the address itself is the server's text and may hold anything."""
        here = httpx.URL(self._url)
        there = here.join(answer.headers.get("location", ""))  # one that is no address failed before (transport_error)
        if there.host != here.host:
            return "to another host"
        if (there.scheme, there.port) != (here.scheme, here.port):
            return "to https:// or another port of this host"
        return "to another path of this host"

    def _decoded(self, content: bytes) -> Any:
        if not content:
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Unexplained(self.place, "The answer is not JSON. Is this the helpdesk's address?") from error


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: Mapping[str, str]
    content: bytes


def checked_url(place: str, url: str) -> str:
    """`url` without its last slash. Raises SetupWrong where the secret would travel unprotected or nowhere."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise SetupWrong(place, f'The url "{url}" is not an address.') from error
    if parts.userinfo:
        raise SetupWrong(place, "The url holds a user or password.", "Name the credential in the settings instead.")
    if parts.scheme not in ("http", "https") or not parts.host:
        raise SetupWrong(place, f'The url "{url}" does not begin with https:// and a host.')
    if parts.scheme == "http" and not is_this_machine(parts.host):
        raise SetupWrong(place, f"The url {url} would send the secret unprotected.", "Use https://.")
    return url.rstrip("/")


def transport_error(place: str, error: Exception) -> ConnectorError:
    """What a failure below HTTP means to us: whose fault, and is it worth trying again?"""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateRefused(place, f"The certificate is not trusted: {cause.verify_message}.")
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return CertificateRefused(place, f"TLS failed: {cause.reason or 'no reason given'}.")
    match error:
        case TooLong():
            return Unreachable(place, "The server takes too long over one answer.")
        case BrokenOff():
            return Unreachable(place, "Postroom ends and does not wait for the server's answer.", "")
        case httpx.DecodingError():
            return Unexplained(place, "The answer is compressed, though that was not asked for.")
        case httpx.TimeoutException():
            return Unreachable(place, "The server did not answer in time.")
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return SetupWrong(place, "The url is not an address that can be asked.")
        case httpx.ProxyError():
            return Unreachable(place, "The proxy named in the environment did not connect us.")
        case httpx.NetworkError():
            return Unreachable(place, "The server cannot be reached.")
        case httpx.RemoteProtocolError():
            return Unreachable(place, "The server broke off in the middle of an answer.")
        case ssl.SSLError():
            return Unreachable(place, "The server ended the TLS connection.")
        case _:
            return Unexplained(place, f"The exchange failed: {type(error).__name__}.")


def _causes(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def status_error(place: str, method: str, status: int, points: str = "elsewhere") -> ConnectorError:
    """What an error status means to us. A refused read is a missing right; a refused write is a refused action.

    `points`: where a redirect leads.
    """
    reading = method == "GET"
    if status == 401:
        return LoginRefused(place, "The helpdesk does not accept the token or password.")
    if status in TRY_LATER or status >= 500:
        return Unreachable(place, f"The helpdesk answers {status}: it cannot work just now.")
    if 300 <= status < 400:
        return SetupWrong(place, f"The helpdesk points {points} ({status}).", "Correct the mailbox's `url`.")
    if status == 407:
        return SetupWrong(place, "The proxy asks for a login.", "Correct HTTPS_PROXY in the daemon's environment.")
    if status == 403 and reading:
        return SetupWrong(place, "The helpdesk does not let our user read this.", "Give it the right in the helpdesk.")
    if status == 404 and reading:
        return SetupWrong(place, "There is no such helpdesk at this address.", "Correct the mailbox's `url`.")
    if reading:
        return Unexplained(place, f"The helpdesk answers {status} to a question that it should understand.")
    return ActionRefused(place, f"The helpdesk refuses the change ({status}).")


def retry_after(answer: RawAnswer, now: datetime) -> float | None:
    """How many seconds the server asks us to wait before we ask again (RFC 9110 section 10.2.3); None: don't wait."""
    header = answer.headers.get("retry-after")
    if header is None or answer.status not in (429, 503):
        return None
    try:
        seconds = float(header) if header.strip().isdigit() else (parsedate_to_datetime(header) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return max(0.0, seconds) if seconds <= MAX_PATIENCE_SECONDS else None
