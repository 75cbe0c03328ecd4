"""Whom a mailbox signs in as, and where its token comes from, as its settings say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

MICROSOFT_HOSTS = ("outlook.office365.com", "outlook.office.com", "imap-mail.outlook.com", "outlook.com")
NATIONAL_HOSTS = ("outlook.office365.us", "outlook-dod.office365.us", "partner.outlook.cn")
GOOGLE_HOSTS = ("imap.gmail.com", "imap.googlemail.com")


@dataclass(frozen=True)
class SignIn:
    """How one mailbox signs in. `mailbox` is its name, which errors begin with.

    user: the account, whose mail it is. person: who signs in. authority: "" for the provider's own. credential: the
    name of the secret; "" where a person signs in without one. credential_ends: when that ends, if the settings say it.
    """

    mailbox: str
    host: str
    user: str
    person: str
    tenant: str = ""
    client_id: str = ""
    authority: str = ""
    by: Literal["password", "token", "microsoft", "google"] = "password"
    """With the credential itself (a token is one that something else renews), or with tokens of a provider."""
    credential: str = ""
    credential_ends: date | None = None


def at_microsoft(host: str) -> bool:
    """Is this one of Microsoft's own mail servers?"""
    return host.lower().rstrip(".") in (*MICROSOFT_HOSTS, *NATIONAL_HOSTS)


def at_google(host: str) -> bool:
    """Is this one of Google's own mail servers?"""
    return host.lower() in GOOGLE_HOSTS
