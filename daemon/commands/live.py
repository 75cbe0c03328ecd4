"""live: Postroom moves mail, or tags it."""

from __future__ import annotations

import click

from daemon.commands.common import Context, mailbox_option, pass_context
from daemon.commands.mode import set_mode

NO_MODEL = (
    "will {do} mail, but there is no model yet. Until one is in use, it {does} only replies to and near copies of mail "
    "that people filed. `postroom learn --from-folders` trains the first"
)


@click.command()
@mailbox_option
@pass_context
def live(context: Context, mailbox: str | None) -> None:
    """Let Postroom move or tag mail in this mailbox from now on. `postroom status` says whether it has earned that."""
    set_mode(context, mailbox, "live", "{does} mail from its next look on", without_model=NO_MODEL)
