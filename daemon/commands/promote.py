"""promote: another model into use."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, mailbox_option, own_model, pass_context


@click.command()
@click.argument("version")
@mailbox_option
@pass_context
def promote(context: Context, version: str, mailbox: str | None) -> None:
    """Put another model into use. The one in use becomes the one that `rollback` returns to."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        own_model(desk, f"promote {version}")
        mailroom.registry.promote(desk.mailbox_id, version, desk.clock())
    console.print(f"Model {version} is in use now.")
