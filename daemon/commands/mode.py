"""What `live` and `shadow` share: whether Postroom may move mail."""

from __future__ import annotations

from daemon.commands.common import Context, console
from daemon.store import mailboxes, training
from daemon.store.records import Mode


def set_mode(context: Context, mailbox: str | None, mode: Mode, words: str, *, without_model: str) -> None:
    """Set it in the store, and say what it means: `words`, or `without_model` where no model is in use. {do} and {does}
    in them: "move" and "moves", or "tag" and "tags"."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            mailboxes.set_mode(tx, desk.mailbox_id, mode)
            model = training.current_model(tx, desk.mailbox_id)
    said = words if model is not None else without_model
    does = said.format(do=desk.settings.act_by, does=f"{desk.settings.act_by}s")
    console.print(f"{desk.settings.name} is {mode}: Postroom {does}.", soft_wrap=True)
