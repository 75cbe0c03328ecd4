"""The HTTP client for the authorities that hand out tokens, in the shape that msal asks for, and its failures in words.

No request is ever repeated here, nothing is logged, and no error carries the text of an answer: it may hold a token.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from connectors.errors import CertificateRefused, ConnectorError, Unreachable
from connectors.http_limits import limited, within

TIMEOUT_SECONDS = 30.0
LONGEST_ANSWER = 1024 * 1024


class Http:
    """GET and POST of forms over TLS, trusting what this machine trusts. msal takes it as its `http_client`."""

    def __init__(self) -> None:
        self._client: httpx.Client | None = None
        self.last_status = 0
        """Of the last answer: msal tells an unknown tenant and a broken proxy in the same words."""

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        """What msal expects of a client: an answer of any status."""
        return self._ask("GET", url, params=params, headers=headers)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        """Post a form, as msal expects of a client. Empty values are left out, as the standard wants it."""
        if isinstance(data, Mapping):
            given = {key: value for key, value in data.items() if value is not None}
            data = {key: value.decode() if isinstance(value, bytes) else value for key, value in given.items()}
        return self._ask("POST", url, params=params, headers=headers, data=data)

    def close(self) -> None:
        """Drop the connections; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _ask(self, method: str, url: str, **rest: Any) -> httpx.Response:
        if not url.startswith("https://"):
            raise httpx.UnsupportedProtocol("tokens travel over https alone")
        if self._client is None:
            # The machine's own store of CAs, where an office puts that of its proxy.
            self._client = limited(httpx.Client(verify=ssl.create_default_context(), timeout=TIMEOUT_SECONDS))
        with within(TIMEOUT_SECONDS, most=LONGEST_ANSWER):
            answer = self._client.request(method, url, **rest)
        self.last_status = answer.status_code
        return answer


@contextmanager
def in_words(place: str, authority: str) -> Iterator[None]:
    """Whatever breaks on the way to the authority becomes an error of `connectors.errors`, without a foreign text."""
    try:
        yield
    except ConnectorError:
        raise
    except httpx.ConnectError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise CertificateRefused(
                place,
                f"The certificate of {authority} is not trusted, so nothing was sent.",
                "If a proxy of the office reads along, add its CA to this machine's store (update-ca-certificates).",
            ) from None
        raise Unreachable(place, f"{authority} cannot be reached for a token.") from None
    except httpx.HTTPError as error:
        raise Unreachable(place, f"{authority} gave no usable answer ({type(error).__name__}).") from None
    except (ValueError, KeyError, RuntimeError) as error:
        # msal's own words may quote the authority's answer.
        raise Unreachable(place, f"{authority} gave no usable answer ({type(error).__name__}).") from None
    except Exception as error:
        if type(error).__module__.startswith("msal"):
            raise Unreachable(place, f"{authority} does not work at this moment.") from None
        raise


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a token endpoint's answer. Raises ValueError; HTTP 429 and 5xx raise httpx.HTTPError."""
    if response.status_code == 429 or response.status_code >= 500:
        raise httpx.RemoteProtocolError("try later")
    found = json.loads(response.content)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
