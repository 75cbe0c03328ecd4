"""shadow: Postroom decides, and moves nothing."""

from __future__ import annotations

import click

from daemon.commands.common import Context, mailbox_option, pass_context
from daemon.commands.mode import categories_argument, set_mode


@click.command()
@categories_argument
@mailbox_option
@pass_context
def shadow(context: Context, categories: tuple[str, ...], mailbox: str | None) -> None:
    """Decide and count, but move nothing: of these categories alone, or of the whole mailbox.

    Every new mailbox starts so. Without a category it is for all of them, whatever was said of some.
    """
    words = "moves no such mail from its next look on" if categories else "moves nothing from its next look on"
    set_mode(context, mailbox, "shadow", categories, words, without_model=words)
