"""From a mailbox's settings to its source of tokens; None where the credential itself is the secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.settings import ImapSettings
from daemon.signin.token_source import SignIn

if TYPE_CHECKING:
    from daemon.signin.google import GoogleTokens
    from daemon.signin.microsoft import MicrosoftTokens


def tokens_for(
    mailbox: ImapSettings, state_dir: Path, read: Callable[[str], str]
) -> MicrosoftTokens | GoogleTokens | None:
    """`read` gives a credential by its name. Nothing is asked for before a token is."""
    wanted = wanted_by(mailbox)
    # Imported where they are used: msal alone takes a quarter of a second, of every command.
    if mailbox.sign_in == "microsoft":
        from daemon.signin.microsoft import MicrosoftTokens

        credential = (lambda: read(mailbox.credential)) if mailbox.credential else None
        return MicrosoftTokens(wanted, state_dir, credential)
    if mailbox.sign_in == "google":
        from daemon.signin.google import GoogleTokens

        return GoogleTokens(wanted, state_dir, lambda: read(mailbox.credential))
    return None


def wanted_by(mailbox: ImapSettings) -> SignIn:
    """The part of the settings that a token depends on."""
    return SignIn(
        mailbox=mailbox.name,
        host=mailbox.host.lower(),
        user=mailbox.user,
        person=mailbox.person or mailbox.user,
        tenant=mailbox.tenant,
        client_id=mailbox.client_id,
        authority=mailbox.authority,
    )
