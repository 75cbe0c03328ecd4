"""undo: what Postroom moved is put back."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, json_option, mailbox_option, pass_context, print_json
from daemon.commands.progress import counting_bar
from daemon.passes.put_back import moment
from daemon.passes.put_back import undo as put_back


@click.command()
@click.option("--since", required=True, metavar="TIME", help="2h, 09:00, 2026-11-22 or 2026-11-22T09:00.")
@click.option("--category", metavar="NAME", help="Only what was filed there.")
@click.option("--dry-run", is_flag=True, help="Change nothing: say how many would be put back.")
@mailbox_option
@json_option
@pass_context
def undo(context: Context, since: str, category: str | None, dry_run: bool, mailbox: str | None, as_json: bool) -> None:
    """Put back what Postroom moved, and take off what it tagged, as far as nobody has touched it since. It is not
    sorted again.

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
