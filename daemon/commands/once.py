"""once: one pass by hand."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from daemon.commands.common import Context, console, json_option, mailbox_option, pass_context, print_json, table
from daemon.passes.desk import Desk
from daemon.passes.lent import keep_share
from daemon.passes.mailroom import open_mailroom
from daemon.passes.one_pass import Pass, one_pass
from daemon.service import logs
from daemon.settings import Settings
from daemon.state.lock import StateLock
from daemon.state.private import enclose
from daemon.state.scratch import scratch_folder
from daemon.state.state_dir import database_path
from daemon.store import journal, mailboxes
from daemon.store.database import copy_database


@click.command()
@click.option("--dry-run", is_flag=True, help="Change nothing, neither mail nor records: say what would happen.")
@mailbox_option
@json_option
@pass_context
def once(context: Context, dry_run: bool, mailbox: str | None, as_json: bool) -> None:
    """One pass by hand: look, learn from corrections, sort what is due.

    \b
    postroom once --dry-run     what would happen to the mail that waits now
    postroom once               do it
    """
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    if dry_run:
        results = _dry_run(context.settings, mailbox)
    else:
        with StateLock(context.settings.state_dir), context.mailroom() as mailroom:
            desks = context.some(mailroom, mailbox)
            for desk in desks:
                keep_share(desk)
            results = [_do(desk) for desk in desks]
    if as_json:
        print_json({"dry_run": dry_run, "mailboxes": results})
        return
    rows = [[r["mailbox"], r["new"], r["corrections"], _outcomes(r["sorted"]), r["paused"] or ""] for r in results]
    table("", ["mailbox", "new", "corrections", "sorted", "paused"], rows, frozenset({1, 2}))
    if dry_run:
        console.print("Nothing was changed.")


def _do(desk: Desk) -> dict[str, Any]:
    return _as_json(desk.settings.name, one_pass(desk))


def _as_json(name: str, done: Pass) -> dict[str, Any]:
    return {
        "mailbox": name,
        "recovered": done.recovered,
        **{key: value for key, value in asdict(done.looked).items() if key != "missing"},
        "missing": list(done.looked.missing),
        "corrections": done.corrections,
        "sorted": done.sorted.outcomes,
        "paused": done.paused,
    }


def _outcomes(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "nothing was due"


def _dry_run(settings: Settings, mailbox: str | None) -> list[dict[str, Any]]:
    """One pass, in shadow, on a copy of the database that is thrown away: no command that changes anything."""
    enclose(settings.state_dir)  # before the copy is made
    with scratch_folder(settings.state_dir, "dry-run") as scratch:
        copy = scratch / "postroom.sqlite"
        copy_database(database_path(settings), copy)
        with open_mailroom(settings, database_file=copy) as mailroom:
            desks = mailroom.desks() if mailbox is None else [mailroom.desk(mailbox)]
            for desk in desks:
                desk.sorting = desk.sorting.model_copy(update={"act_after": timedelta(), "settle": timedelta()})
                with desk.database.begin() as tx:
                    mailboxes.set_mode(tx, desk.mailbox_id, "shadow")
                    mailboxes.hurry(tx, desk.mailbox_id)
                    # A half-done action is finished by a real pass only: recovering it would change mail.
                    journal.drop_unfinished(tx, desk.mailbox_id)
            return [_do(desk) for desk in desks]
