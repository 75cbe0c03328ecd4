"""pause: no sorting for a while."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, mailbox_option, pass_context
from daemon.store import mailboxes


@click.command()
@click.option("--because", default="paused by hand", show_default=True, help="Shown in `postroom status`.")
@mailbox_option
@pass_context
def pause(context: Context, because: str, mailbox: str | None) -> None:
    """Stop sorting, for maintenance. New mail waits; corrections are still noticed."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.set_paused(tx, desk.mailbox_id, because)
    console.print(f"{desk.settings.name} is paused. `postroom resume` goes on.")
