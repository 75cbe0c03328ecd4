"""folders: what every folder is for, and why Postroom thinks so."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from daemon.commands.common import (
    Context,
    console,
    json_option,
    mailbox_option,
    pass_context,
    print_json,
    table,
)
from daemon.commands.twins_shown import choose, show_twins, twins_as_json
from daemon.passes.folder_list import Shown, list_folders, show_folders
from daemon.rules.tags import in_use
from daemon.settings.toml_lines import value
from daemon.store import mailboxes
from daemon.store.records import TwinChoice

MEANINGS = {
    "inbox": "watched and sorted",
    "category": "mail belongs here; moving a message here teaches",
    "review": "unsure mail waits here",
    "neutral": "people may put mail here; it teaches nothing",
    "never": "not looked into, not moved into",
}
NOT_OPENED = "; the server does not open it"


@click.command()
@click.option("--twins", is_flag=True, help="The pairs of folders that seem to mean the same, and what you can say.")
@click.option(
    "--merge", type=int, metavar="PAIR", help="Say that both are one: the lessons of both count as those of one."
)
@click.option("--here", type=int, metavar="PAIR", help="Say that one has ended: new mail goes into the other.")
@click.option("--differ", type=int, metavar="PAIR", help="Say that they mean two things; nobody is asked again.")
@click.option("--into", metavar="FOLDER", help="With --merge and --here: the one that stays; else the one used lately.")
@mailbox_option
@json_option
@pass_context
def folders(
    context: Context,
    twins: bool,
    merge: int | None,
    here: int | None,
    differ: int | None,
    into: str | None,
    mailbox: str | None,
    as_json: bool,
) -> None:
    """What every folder is for, and why: guessed from its name or the server's word, or said by the settings.

    Reads the list from the server and changes nothing there. What is guessed wrong is put right in the settings, under
    [mailbox.roles]. New folders are named, with the lines that make them a category.

    Offices rename, split and copy folders, and then two of them mean the same. Such twins are found by what the model
    mistakes, by copies in both and by who writes to them, never by a name alone. Until somebody says something their
    mail stays, or goes to the one that people use lately where that is clear. --twins lists them by number, with what
    each answer does. Another answer takes an earlier one back; no mail is moved, and no lesson is lost.

    \b
    postroom folders
    postroom folders --twins
    postroom folders --merge 3
    postroom folders --here 3 --into "Plant North (Acme)"
    postroom folders --differ 3
    """
    said: list[tuple[TwinChoice, int | None]] = [("merge", merge), ("here", here), ("differ", differ)]
    choices = [(choice, number) for choice, number in said if number is not None]
    if len(choices) + twins > 1:
        raise click.UsageError("Say only one of --twins, --merge, --here and --differ.")
    if into is not None and merge is None and here is None:
        raise click.UsageError("--into goes with --merge or --here.")
    if choices or twins:
        with context.mailroom() as mailroom:
            if choices:
                [(choice, number)] = choices
                choose(context.one(mailroom, mailbox), number, choice, into)
                return
            desks = context.some(mailroom, mailbox)
            if as_json:
                print_json([twins_as_json(desk) for desk in desks])
                return
            for desk in desks:
                show_twins(desk)
        return
    _list(context, mailbox, as_json)


def _list(context: Context, mailbox: str | None, as_json: bool) -> None:
    found: list[dict[str, Any]] = []
    with context.mailroom() as mailroom:
        for desk in context.some(mailroom, mailbox):
            list_folders(desk)
            with desk.database.read() as tx:
                shown = show_folders(tx, desk)
                tags = [one.tag for one in in_use(mailboxes.categories(tx, desk.mailbox_id)).values()]
            rows = [asdict(folder) for folder in shown]
            found.append({"mailbox": desk.settings.name, "folders": rows, "tags": tags})
            if not as_json:
                _show(desk.settings.name, shown)
                if tags:
                    words = f"Mail is tagged and stays in the inbox: {', '.join(map(str, tags))}."
                    console.print(words, soft_wrap=True)
    if as_json:
        for told in found:
            for folder in told["folders"]:
                since = folder["missing_since"]
                folder["missing_since"] = None if since is None else since.isoformat(timespec="seconds")
        print_json(found)


def _show(name: str, shown: list[Shown]) -> None:
    counts = any(folder.messages is not None for folder in shown)  # Request Tracker does not
    rows = [
        (
            folder.name + (" (new)" if folder.offered else ""),
            "gone" if folder.missing_since else folder.role,
            folder.messages,
            folder.why + (NOT_OPENED if counts and folder.messages is None and not folder.missing_since else ""),
        )
        for folder in shown
    ]
    table(f"Folders of {name}", ["folder", "role", "messages", "why"], rows, frozenset({2}))
    console.print()
    for role in dict.fromkeys(folder.role for folder in shown):
        console.print(f"  {role}: {MEANINGS[role]}", soft_wrap=True)
    console.print('  Guessed wrong? In the settings: [mailbox.roles], then for example "Folder" = "neutral".')
    new = [folder for folder in shown if folder.offered]
    if offered := [folder for folder in new if folder.role == "neutral" and folder.could_be]:
        console.print("\nNew. To make one a category, add to the settings:")
        for folder in offered:
            click.echo(f"\n[[mailbox.category]]\nname = {value(folder.name)}")
    if taken := [folder.name for folder in new if folder.role == "category"]:
        console.print(f"\nNew, and taken for categories: {', '.join(taken)}.", soft_wrap=True)
