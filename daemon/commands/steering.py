"""live, shadow, pause, resume, undo: whether Postroom may move mail, and taking it back."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, counting_bar, json_option, mailbox_option, pass_context, print_json
from daemon.passes.put_back import moment
from daemon.passes.put_back import undo as put_back
from daemon.store import mailboxes, training
from daemon.store.records import Mode

NO_MODEL = (
    "will move mail, but there is no model yet. Until one is in use, it files only replies to and near copies of mail "
    "that people filed. `postroom learn --from-folders` trains the first"
)


@click.command()
@mailbox_option
@pass_context
def live(context: Context, mailbox: str | None) -> None:
    """Let Postroom move mail in this mailbox from now on. `postroom status` says whether it has earned that."""
    _set_mode(context, mailbox, "live", "moves mail from its next look on", without_model=NO_MODEL)


@click.command()
@mailbox_option
@pass_context
def shadow(context: Context, mailbox: str | None) -> None:
    """Decide and count, but move nothing: how every new mailbox starts."""
    words = "moves nothing from its next look on"
    _set_mode(context, mailbox, "shadow", words, without_model=words)


def _set_mode(context: Context, mailbox: str | None, mode: Mode, words: str, *, without_model: str) -> None:
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.set_mode(tx, desk.mailbox_id, mode)
            model = training.current_model(tx, desk.mailbox_id)
    said = words if model is not None else without_model
    console.print(f"{desk.settings.name} is {mode}: Postroom {said}.", soft_wrap=True)


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
    """Go on after `pause`, or after Postroom paused or stopped by itself.

    What made it stop does not stop it again: too many corrections are counted from now on, and the mailbox as it is now
    is what it is compared with.
    """
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.resume(tx, desk.mailbox_id, desk.clock())
    console.print(f"{desk.settings.name} goes on at its next look.")


@click.command()
@click.option("--since", required=True, metavar="TIME", help="2h, 09:00, 2026-11-22 or 2026-11-22T09:00.")
@click.option("--category", metavar="NAME", help="Only what was filed there.")
@click.option("--dry-run", is_flag=True, help="Change nothing: say how many would be put back.")
@mailbox_option
@json_option
@pass_context
def undo(context: Context, since: str, category: str | None, dry_run: bool, mailbox: str | None, as_json: bool) -> None:
    """Put back what Postroom moved, as far as nobody has touched it since. It is not sorted again.

    \b
    postroom undo --since 09:00 --dry-run
    postroom undo --since 2h --category Newsletters
    """
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with counting_bar(as_json, "looking at" if dry_run else "putting back") as show:
            found = put_back(desk, moment(since, desk.clock()), category, dry_run=dry_run, show=show)
    if as_json:
        print_json({"dry_run": dry_run, "put_back": found.back, "left": found.touched})
        return
    verb = "would be" if dry_run else "were"
    console.print(f"{found.back} messages {verb} put back; {found.touched} stay, because somebody has touched them.")


def _set_paused(context: Context, mailbox: str | None, reason: str, words: str) -> None:
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.set_paused(tx, desk.mailbox_id, reason)
    console.print(f"{desk.settings.name} {words}")
