"""live, shadow, pause, resume: whether Postroom may move mail."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, mailbox_option, pass_context
from daemon.store import mailboxes
from daemon.store.records import Mode


@click.command()
@mailbox_option
@pass_context
def live(context: Context, mailbox: str | None) -> None:
    """Let Postroom move mail in this mailbox from now on. `postroom status` says whether it has earned that."""
    _set_mode(context, mailbox, "live", "moves mail from its next look on")


@click.command()
@mailbox_option
@pass_context
def shadow(context: Context, mailbox: str | None) -> None:
    """Decide and count, but move nothing: how every new mailbox starts."""
    _set_mode(context, mailbox, "shadow", "moves nothing from its next look on")


def _set_mode(context: Context, mailbox: str | None, mode: Mode, words: str) -> None:
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.set_mode(tx, desk.mailbox_id, mode)
    console.print(f"{desk.settings.name} is {mode}: Postroom {words}.")


@click.command()
@click.option("--because", default="paused by hand", show_default=True, help="Shown in `postroom status`.")
@mailbox_option
@pass_context
def pause(context: Context, because: str, mailbox: str | None) -> None:
    """Stop sorting, for maintenance. New mail waits; corrections are still noticed."""
    _set_paused(context, mailbox, because, "is paused. `postroom resume` goes on.")


@click.command()
@mailbox_option
@pass_context
def resume(context: Context, mailbox: str | None) -> None:
    """Go on sorting after `pause`."""
    _set_paused(context, mailbox, None, "goes on at its next look.")


def _set_paused(context: Context, mailbox: str | None, reason: str | None, words: str) -> None:
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.set_paused(tx, desk.mailbox_id, reason)
    console.print(f"{desk.settings.name} {words}")
