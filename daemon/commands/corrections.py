"""corrections: what people moved."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, json_option, local, mailbox_option, pass_context, print_json, table
from daemon.mistakes import PostroomError
from daemon.store import learning, mailboxes


@click.command()
@click.option("--void", type=int, metavar="ID", help="Take one back: it teaches nothing any more.")
@click.option("--limit", default=50, show_default=True, help="How many to show, newest first.")
@mailbox_option
@json_option
@pass_context
def corrections(context: Context, void: int | None, limit: int, mailbox: str | None, as_json: bool) -> None:
    """List what people moved, newest first: the ledger that Postroom learns from."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        if void is not None:
            with desk.database.begin() as tx:
                if not learning.void_correction(tx, desk.mailbox_id, void, desk.clock()):
                    raise PostroomError(str(void), "there is no such correction, or it is void.", "List them first.")
        with desk.database.read() as tx:
            found = learning.corrections(tx, desk.mailbox_id)[-limit:][::-1]
            names = {category.uid: category.name for category in mailboxes.categories(tx, desk.mailbox_id)}
    if as_json:
        print_json(
            [
                {
                    "id": each.id,
                    "at": each.at.isoformat(timespec="seconds"),
                    "kind": each.kind,
                    "from": each.from_folder,
                    "to": each.to_folder,
                    "category": names.get(each.to_category or ""),
                    "who": each.who,
                    "voided": each.voided is not None,
                }
                for each in found
            ]
        )
        return
    if not found:
        console.print("No corrections yet: nobody has moved what Postroom decided about.")
        return
    rows = [
        (
            each.id,
            local(each.at),
            each.kind + (" (void)" if each.voided else ""),
            each.from_folder,
            each.to_folder,
            each.who,
        )
        for each in found
    ]
    table("Corrections", ["id", "when", "what", "from", "to", "who"], rows, frozenset({0}))
