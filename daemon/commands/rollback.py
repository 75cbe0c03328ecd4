"""rollback: back to the model before."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, mailbox_option, own_model, pass_context


@click.command()
@mailbox_option
@pass_context
def rollback(context: Context, mailbox: str | None) -> None:
    """Go back to the model that was in use before."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        own_model(desk, "rollback")
        model = mailroom.registry.rollback(desk.mailbox_id, desk.clock())
    console.print(f"Model {model.version} is in use again.")
