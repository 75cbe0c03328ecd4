"""Mistakes in how a mailbox signs in, which no single key shows.

That is what `sign_in` needs, what it has no use for, and where a password cannot work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.sign_in import at_google, at_microsoft

TOKEN_KEYS = ("person", "tenant", "client_id", "authority", "credential_ends")
USED = {
    "microsoft": TOKEN_KEYS,
    "google": ("authority",),
}


def sign_in_mistakes(box: Mapping[str, Any]) -> Iterator[str]:
    """Every mistake of one [[mailbox]], as it stands in the file: "key: the fact. The next step." """
    sign_in = box.get("sign_in", "password")
    host = str(box.get("host", ""))
    if not box.get("credential") and sign_in != "microsoft":
        if sign_in == "google":
            yield 'credential: missing. Write credential = "...", the name of the JSON file that Google made.'
        else:
            yield 'credential: missing. Write credential = "...".'
    if sign_in == "password" and at_microsoft(host):
        yield (
            "sign_in: Microsoft 365 takes no passwords over IMAP, not even app passwords. "
            'Write sign_in = "microsoft" (docs/installing.md, "Microsoft 365").'
        )
    if sign_in == "microsoft" and at_google(host):
        yield 'sign_in: "microsoft" does not fit a server of Google. Write sign_in = "google".'
    if sign_in == "google" and at_microsoft(host):
        yield 'sign_in: "google" does not fit a server of Microsoft. Write sign_in = "microsoft".'
    if sign_in == "microsoft":
        yield from _microsoft(box)
    if isinstance(sign_in, str) and sign_in in ("password", "xoauth2", "oauthbearer", "microsoft", "google"):
        for key in TOKEN_KEYS:
            if box.get(key) and key not in USED.get(sign_in, ()):
                yield f"{key}: {_why_unused(key, sign_in)}"
    yield from _authority(box.get("authority", ""))


def _microsoft(box: Mapping[str, Any]) -> Iterator[str]:
    for key, what in (("tenant", "the directory's id or domain"), ("client_id", "the app's id")):
        if not box.get(key):
            yield f'{key}: missing. Write {key} = "...", {what} from Entra.'
    tenant = str(box.get("tenant", ""))
    if box.get("credential") and tenant.lower() in ("common", "organizations", "consumers"):
        yield f'tenant: "{tenant}" is not a tenant that an app can sign in to. Write the directory\'s id or domain.'
    if any(character in tenant for character in "/?#@: "):
        yield f'tenant: "{tenant}" is not the id or the domain of a directory.'
    if box.get("credential") and box.get("person"):
        yield "person: with a credential the app signs in by itself. Remove `person`, or the credential."
    if box.get("credential_ends") and not box.get("credential"):
        yield "credential_ends: there is no credential that could end. Remove the line."


def _why_unused(key: str, sign_in: str) -> str:
    if sign_in == "google" and key == "person":
        return "Gmail lets nobody but its owner into a mailbox over IMAP. Sign in as `user`, and remove this line."
    if sign_in == "google" and key == "client_id":
        return "Google's client id is in the credential's file already. Remove this line."
    return f'is not used with sign_in = "{sign_in}". Remove the line, or write sign_in = "microsoft".'


def _authority(authority: object) -> Iterator[str]:
    if not authority:
        return
    try:
        parts = urlsplit(str(authority))
        plain = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc
    except ValueError:
        plain = False
    if not plain or parts.path.strip("/") or parts.query:
        yield 'authority: must be "https://" and a host, nothing more: tokens go there.'
