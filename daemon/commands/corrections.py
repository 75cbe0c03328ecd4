"""corrections: what people moved."""

from __future__ import annotations

import click

from daemon.commands.common import Context, console, json_option, local, mailbox_option, pass_context, print_json, table
from daemon.mistakes import PostroomError
from daemon.store import learning, mailboxes


@click.command()
@click.option(
    "--void",
    type=int,
    metavar="ID",
    help="Take one back: it teaches nothing any more; what it had replaced counts again.",
)
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
                    "id": correction.id,
                    "at": correction.at.isoformat(timespec="seconds"),
                    "kind": correction.kind,
                    "from": correction.from_folder,
                    "to": correction.to_folder,
                    "category": names.get(correction.to_category or ""),
                    "who": correction.who,
                    "voided": correction.voided is not None,
                }
                for correction in found
            ]
        )
        return
    if not found:
        console.print("No corrections yet: nobody has moved what Postroom decided about.")
        return
    rows = [
        (
            correction.id,
            local(correction.at),
            correction.kind + (" (void)" if correction.voided else ""),
            correction.from_folder,
            correction.to_folder,
            correction.who,
        )
        for correction in found
    ]
    table("Corrections", ["id", "when", "what", "from", "to", "who"], rows, frozenset({0}))
