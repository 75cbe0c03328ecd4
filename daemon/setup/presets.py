"""Where people's mail is: what is known of each provider, so that nobody has to look it up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

APP_PASSWORD = "App password (not the account's own; {})"


@dataclass(frozen=True)
class Preset:
    """One provider or kind of server. `exchangers`: how the hosts end that take a domain's mail there (MX)."""

    name: str
    words: str
    kind: str = "imap"
    host: str = ""
    sign_in: str = "password"
    secret: str = "Password"
    exchangers: tuple[str, ...] = ()


PRESETS = (
    Preset("imap", "Dovecot, Cyrus, a hosting provider or any other IMAP server"),
    Preset(
        "microsoft",
        "Microsoft 365; needs an app in Entra: docs/installing.md",
        host="outlook.office365.com",
        sign_in="microsoft",
        secret="The app's client secret (Enter: a person signs in later, by `postroom login`)",
        exchangers=("mail.protection.outlook.com", "mx.microsoft"),
    ),
    Preset(
        "google",
        "Gmail or Google Workspace",
        host="imap.gmail.com",
        secret=APP_PASSWORD.format("Google Account, Security, 2-Step Verification, App passwords"),
        exchangers=("google.com", "googlemail.com"),
    ),
    Preset(
        "fastmail",
        "Fastmail",
        host="imap.fastmail.com",
        secret=APP_PASSWORD.format("Fastmail, Settings, Privacy & Security, App passwords, access: Mail (IMAP)"),
        exchangers=("messagingengine.com",),
    ),
    Preset(
        "request-tracker",
        "a queue of Request Tracker 5",
        kind="request-tracker",
        secret="Token of the bot's user (or the password of --user)",
    ),
)
BY_NAME = {preset.name: preset for preset in PRESETS}


def preset_for(exchangers: Iterable[str]) -> Preset | None:
    """Who takes the domain's mail, told by its MX records; None: nobody whom we know."""
    for host in exchangers:
        for preset in PRESETS:
            if any(host == end or host.endswith(f".{end}") for end in preset.exchangers):
                return preset
    return None
