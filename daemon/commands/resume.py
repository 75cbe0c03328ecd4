"""resume: sorting goes on."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, mailbox_option, pass_context
from daemon.store import mailboxes


@click.command()
@mailbox_option
@pass_context
def resume(context: Context, mailbox: str | None) -> None:
    """Go on after `pause`, or after Postroom paused or stopped by itself.

    What made it stop does not stop it again: too many corrections are counted from now on, and the mailbox as it is now
    is what it is compared with.
    """
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.resume(tx, desk.mailbox_id, desk.clock())
    console.print(f"{desk.settings.name} goes on at its next look.")
