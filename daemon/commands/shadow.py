"""shadow: Postroom decides, and moves nothing."""

from __future__ import annotations

import click

from daemon.commands.common import Context, mailbox_option, pass_context
from daemon.commands.mode import set_mode


@click.command()
@mailbox_option
@pass_context
def shadow(context: Context, mailbox: str | None) -> None:
    """Decide and count, but move nothing: how every new mailbox starts."""
    words = "moves nothing from its next look on"
    set_mode(context, mailbox, "shadow", words, without_model=words)
