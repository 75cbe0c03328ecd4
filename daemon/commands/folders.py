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
from daemon.passes.folder_list import Shown, list_folders, show_folders
from daemon.rules.tags import in_use
from daemon.settings.toml_lines import value
from daemon.store import mailboxes

MEANINGS = {
    "inbox": "watched and sorted",
    "category": "mail belongs here; moving a message here teaches",
    "review": "unsure mail waits here",
    "neutral": "people may put mail here; it teaches nothing",
    "never": "not looked into, not moved into",
}


@click.command()
@mailbox_option
@json_option
@pass_context
def folders(context: Context, mailbox: str | None, as_json: bool) -> None:
    """What every folder is for, and why: guessed from its name or the server's word, or said by the settings.

    Reads the list from the server and changes nothing there. What is guessed wrong is put right in the settings, under
    [mailbox.roles]. New folders are named, with the lines that make them a category.
    """
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
    rows = [
        (
            folder.name + (" (new)" if folder.offered else ""),
            "gone" if folder.missing_since else folder.role,
            folder.messages,
            folder.why,
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
