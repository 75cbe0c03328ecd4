"""Sign in to a mailbox that no settings file names yet, and list its folders. Writes nothing, keeps nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.base import Folder
from connectors.connector_kinds import connector_of, mailbox_from
from connectors.mailbox_settings import Access
from daemon.signin.choose import tokens_for


def try_sign_in(box: Mapping[str, Any], secret: str) -> list[Folder] | None:
    """The folders; None where a person has to sign in by a browser first. `box` is free of mistakes.

    Raises ConnectorError, PostroomError.
    """
    mailbox = mailbox_from(box)
    with tempfile.TemporaryDirectory() as scratch:  # where tokens would be kept
        tokens = tokens_for(mailbox.signs_in(), Path(scratch), lambda _: secret)
        if tokens is not None and not tokens.as_app:
            return None
        access = Access(lambda: secret) if tokens is None else Access(tokens.token, tokens.renew)
        with connector_of(mailbox, access) as connector:
            connector.capabilities()
            return connector.folders()
