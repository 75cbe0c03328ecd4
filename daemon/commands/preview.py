"""preview: what would happen to the newest mail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from connectors.base import Message
from daemon.commands.common import (
    Context,
    console,
    json_option,
    local,
    mailbox_option,
    pass_context,
    print_json,
    table,
)
from daemon.passes.decide import as_known, decisions_about
from daemon.passes.read_papers import fetch_read
from daemon.report.file_words import file_story, files_in_words
from daemon.report.progress_lines import clipped
from daemon.report.story import iso
from daemon.service import logs
from daemon.store.message_names import short_name


@click.command()
@click.option("--limit", default=20, show_default=True, help="How many of the inbox's newest messages.")
@mailbox_option
@json_option
@pass_context
def preview(context: Context, limit: int, mailbox: str | None, as_json: bool) -> None:
    """What would happen to the newest messages in the inbox. Nothing is moved and nothing is remembered."""
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        refs = [sighting.ref for sighting in desk.connector.newest(desk.settings.inbox, limit)]
        by_ref = {read.message.sighting.ref: read for read in fetch_read(desk, refs)}
        read = [by_ref[ref] for ref in refs if ref in by_ref]
        lacking = [ref for ref in refs if ref not in by_ref]
        held = desk.connector.withheld(lacking) if lacking else {}
        found = [one.message for one in read]
        decided = decisions_about(desk, as_known(desk, found[::-1]))  # in the order in which they came
    decisions = decided.made[::-1]
    names = {uid: category.name for uid, category in decided.policy.categories.items()}
    if as_json:
        print_json(
            [
                {
                    "message": short_name(message.sighting.identity),
                    "message_id": message.sighting.identity.message_id,
                    "arrived": iso(message.sighting.arrived),
                    "category": names.get(decision.category or ""),
                    "best": names.get(decision.best or ""),
                    "probability": decision.probability,
                    "sureness": decision.sureness,
                    "runner_up": names.get(decision.runner_up or ""),
                    "reason": decision.reason,
                    "files": [file_story(file, named=False) for file in one.files],
                }
                for message, one, decision in zip(found, read, decisions, strict=True)
            ]
        )
        return
    if not refs:
        console.print(f"Inbox of {desk.settings.name}: nothing lies in it.")
        return
    rows = [
        (
            _when(message),
            _mail(message),
            names.get(decision.category or "", "stays"),
            decision.reason + files_in_words([file_story(file) for file in one.files]),
        )
        for message, one, decision in zip(found, read, decisions, strict=True)
    ]
    table(f"Inbox of {desk.settings.name}: what would happen", ["when", "message", "to", "why"], rows)
    for ref, why in held.items():
        console.print(
            f"{ref.folder}, UID {ref.uid}: lies there, and the server does not give it. {why}", soft_wrap=True
        )
    console.print(_total([names.get(decision.category or "", "") for decision in decisions]), soft_wrap=True)


def _when(message: Message) -> str:
    """When the server got it."""
    return "" if message.sighting.arrived is None else local(message.sighting.arrived)


def _mail(message: Message) -> str:
    """Its short name, which `postroom why` takes; below it the sender and the subject."""
    return "\n".join(
        (short_name(message.sighting.identity), clipped(message.text.sender, 40), clipped(message.text.subject, 40))
    )


def _total(to: Sequence[str]) -> str:
    """How many would go where; "" stays."""
    would = Counter(to)
    stay = would.pop("", 0)
    parts = [f"{count} to {name}" for name, count in would.most_common()]
    return f"The newest {len(to)}: " + ", ".join([*parts, f"{stay} stay"]) + "."
