"""What `live` and `shadow` share: whether Postroom may move mail, of a whole mailbox or of some categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from daemon.commands.common import Context, console
from daemon.mistakes import WrongName
from daemon.passes.desk import Desk
from daemon.store import mailboxes, training
from daemon.store.database import Tx
from daemon.store.records import Category, Mode


def categories_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """[CATEGORY]..."""
    return click.argument("categories", metavar="[CATEGORY]...", nargs=-1)(command)


def set_mode(
    context: Context, mailbox: str | None, mode: Mode, names: Sequence[str], words: str, *, without_model: str
) -> None:
    """Set it in the store, for these categories alone or without any for the whole mailbox, and say what it means:
    `words`, or `without_model` where no model is in use. {do} and {does} in them: "move" and "moves", or "tag" and
    "tags". Raises WrongName for a category that there is not."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.begin() as tx:
            chosen = _named(tx, desk, names)
            if chosen:
                for category in chosen:
                    mailboxes.update_category(tx, desk.mailbox_id, category.uid, mode=mode)
            else:
                _set_whole(tx, desk, mode)
            known = mailboxes.category_names(tx, desk.mailbox_id)
            own = {known[one.uid]: one.mode for one in mailboxes.categories(tx, desk.mailbox_id) if one.mode}
            whole, model = mailboxes.get(tx, desk.mailbox_id).mode, training.current_model(tx, desk.mailbox_id)
    said = words if model is not None else without_model
    does = said.format(do=desk.settings.act_by, does=f"{desk.settings.act_by}s")
    which = f"{', '.join(known[one.uid] for one in chosen)} of " if chosen else ""
    verb = "are" if len(chosen) > 1 else "is"
    console.print(f"{which}{desk.settings.name} {verb} {_in(mode)}. Postroom {does}.", soft_wrap=True)
    if others := [name for name, its in own.items() if its != whole]:
        console.print(f"The mailbox is {_in(whole)}, but for {_listed(own, others)}.", soft_wrap=True)


def _set_whole(tx: Tx, desk: Desk, mode: Mode) -> None:
    """Shadow is for all: nothing moves then, and what people did before lets no category act by itself again. Live
    leaves categories in shadow of which somebody said so."""
    mailboxes.set_mode(tx, desk.mailbox_id, mode)
    for category in mailboxes.categories(tx, desk.mailbox_id):
        if mode == "shadow" or category.mode == "live":
            mailboxes.update_category(tx, desk.mailbox_id, category.uid, mode=None)
    if mode == "shadow":
        mailboxes.set_evidence_from(tx, desk.mailbox_id, datetime.now(UTC))


def _named(tx: Tx, desk: Desk, names: Sequence[str]) -> list[Category]:
    known = mailboxes.category_names(tx, desk.mailbox_id)
    by_name = {known[one.uid]: one for one in mailboxes.categories(tx, desk.mailbox_id)}
    wrong = [name for name in names if name not in by_name]
    if wrong:
        there = f"There are: {', '.join(by_name)}." if by_name else "None is known yet: `postroom folders`."
        raise WrongName(desk.settings.name, f"there is no category {', '.join(wrong)}. Nothing was changed.", there)
    return [by_name[name] for name in dict.fromkeys(names)]


def _listed(own: dict[str, Mode], others: Sequence[str]) -> str:
    return ", ".join(f"{name} ({_in(own[name])})" for name in others)


def _in(mode: Mode) -> str:
    return "in shadow" if mode == "shadow" else mode
