"""resume: sorting goes on."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, mailbox_option, pass_context
from daemon.mistakes import PostroomError
from daemon.state.lock import holder
from daemon.store import mailboxes


@click.command()
@mailbox_option
@click.option(
    "--restored",
    is_flag=True,
    help="The state directory comes from a backup: what happened since teaches nothing. Say it before the start.",
)
@pass_context
def resume(context: Context, mailbox: str | None, restored: bool) -> None:
    """Go on after `pause`, or after Postroom paused or stopped by itself.

    What made it stop does not stop it again: too many corrections are counted from now on, and the mailbox as it is now
    is what it is compared with.
    """
    if restored and holder(context.settings.state_dir) is not None:
        raise PostroomError("--restored", "a service works on this directory.", "Stop it, say this, and start it.")
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.resume(tx, desk.mailbox_id, desk.clock())
        if restored and desk.watermark is not None:
            desk.watermark.write(desk.clock())
    console.print(f"{desk.settings.name} goes on at its next look.")
