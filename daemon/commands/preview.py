"""preview: what would happen to the newest mail."""

from __future__ import annotations

import click

from daemon.commands.common import Context, json_option, mailbox_option, pass_context, print_json, table
from daemon.passes.decide import as_known, decisions_about
from daemon.passes.read_papers import fetch_read
from daemon.report.file_words import file_story, files_in_words
from daemon.service import logs


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
        found = [one.message for one in read]
        decided = decisions_about(desk, as_known(desk, found[::-1]))  # in the order in which they came
    decisions = decided.made[::-1]
    names = {uid: category.name for uid, category in decided.policy.categories.items()}
    if as_json:
        print_json(
            [
                {
                    "message_id": message.sighting.identity.message_id,
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
    rows = [
        (
            message.text.subject[:40],
            names.get(decision.category or "", "stays"),
            decision.reason + files_in_words([file_story(file) for file in one.files]),
        )
        for message, one, decision in zip(found, read, decisions, strict=True)
    ]
    table(f"Inbox of {desk.settings.name}: what would happen", ["subject", "to", "why"], rows)
