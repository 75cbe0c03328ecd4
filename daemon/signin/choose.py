"""From how a mailbox signs in to its source of tokens; None where the credential itself is the secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.sign_in import SignIn

if TYPE_CHECKING:
    from daemon.signin.google import GoogleTokens
    from daemon.signin.microsoft import MicrosoftTokens


def tokens_for(
    wanted: SignIn | None, state_dir: Path, read: Callable[[str], str]
) -> MicrosoftTokens | GoogleTokens | None:
    """`read` gives a credential by its name. Nothing is asked for before a token is."""
    # Imported where they are used: msal alone takes a quarter of a second, of every command.
    if wanted is not None and wanted.by == "microsoft":
        from daemon.signin.microsoft import MicrosoftTokens

        credential = (lambda: read(wanted.credential)) if wanted.credential else None
        return MicrosoftTokens(wanted, state_dir, credential)
    if wanted is not None and wanted.by == "google":
        from daemon.signin.google import GoogleTokens

        return GoogleTokens(wanted, state_dir, lambda: read(wanted.credential))
    return None
