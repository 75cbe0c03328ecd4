"""live: Postroom moves mail, or tags it."""

from __future__ import annotations

import click

from daemon.commands.common import Context, mailbox_option, pass_context
from daemon.commands.mode import categories_argument, set_mode

NO_MODEL = (
    "will {do} mail, but there is no model yet. Until one is in use, it {does} only replies to and near copies of mail "
    "that people filed. `postroom learn --from-folders` trains the first"
)


@click.command()
@categories_argument
@mailbox_option
@pass_context
def live(context: Context, categories: tuple[str, ...], mailbox: str | None) -> None:
    """Let Postroom move or tag mail from now on: of these categories alone, or of the whole mailbox.

    `postroom status` says what people did with the mail of each, and so whether it has earned that. Without a category
    those stay in shadow of which you said so.

    \b
    postroom live Invoices Orders
    postroom live
    """
    words = "{does} such mail from its next look on" if categories else "{does} mail from its next look on"
    set_mode(context, mailbox, "live", categories, words, without_model=NO_MODEL)
