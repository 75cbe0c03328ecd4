"""corrections: what people moved, and what they moved so many at a time that it is asked about."""

from __future__ import annotations

import re
from typing import Any

import click

from daemon.commands.common import (
    Context,
    console,
    json_option,
    local,
    local_day,
    mailbox_option,
    pass_context,
    print_json,
    table,
)
from daemon.commands.corrections_shown import show_corrections
from daemon.mistakes import PostroomError
from daemon.passes.desk import Desk
from daemon.report.open_batches import ASK, OpenBatch, open_batches
from daemon.report.story import iso
from daemon.store import batches, learning

BY_A_PERSON = "a person said so"
CLOSED = {"accepted": "accepted", "void": "made void", "taken back": "taken back"}
"""How a bulk move's outcome is said in a sentence."""


class Named(click.ParamType[tuple[bool, int]]):
    """The number of a correction, or of a bulk move with a B before it: (is it a bulk move, number)."""

    name = "ID"

    def __init__(self, *, bulk_only: bool = False) -> None:
        self._bulk_only = bulk_only

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[bool, int]:
        """Raises UsageError for anything else. A number alone is always a correction's."""
        found = re.fullmatch(r"([Bb]?)([0-9]{1,18})", str(value))
        if found is None or (self._bulk_only and not found[1]):
            neither = "neither a correction's number, like 4711, nor a bulk move's"
            is_not = "no bulk move's number" if self._bulk_only else neither
            self.fail(f"{str(value)!r} is {is_not}, like B3. `{ASK}` lists bulk moves.", param, ctx)
        return bool(found[1]), int(found[2])


@click.command()
@click.option("--batches", "asked", is_flag=True, help="The bulk moves that wait for your word.")
@click.option(
    "--accept", type=Named(bulk_only=True), metavar="BATCH", help="Say that a bulk move was meant: it teaches."
)
@click.option("--void", type=Named(), metavar="ID|BATCH", help="Take one back; what it had replaced counts again.")
@click.option("--limit", default=50, show_default=True, help="How many to show, newest first.")
@mailbox_option
@json_option
@pass_context
def corrections(
    context: Context,
    asked: bool,
    accept: tuple[bool, int] | None,
    void: tuple[bool, int] | None,
    limit: int,
    mailbox: str | None,
    as_json: bool,
) -> None:
    """List what people moved or tagged, newest first: the ledger that Postroom learns from.

    More than 25 messages that were moved to one folder within ten minutes are a bulk move. It may have been a slip, or
    no matter of what the mail says, so it teaches nothing until somebody accepts or voids it. What nobody answers is
    accepted once it has stood a week and people file new mail like it in the same way; else it is void after 60 days.
    An answer is final: only single moves are taken back afterwards.

    \b
    postroom corrections
    postroom corrections --batches
    postroom corrections --accept B3
    postroom corrections --void B3
    postroom corrections --void 4711
    """
    if sum((asked, accept is not None, void is not None)) > 1:
        raise click.UsageError("Say only one of --batches, --accept and --void.")
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        if asked:
            with desk.database.read() as tx:
                waiting = open_batches(tx, desk.mailbox_id)
                known = len(batches.batches(tx, desk.mailbox_id, waiting=False))
            _show_batches(waiting, known, as_json)
        elif accept is not None:
            _answer(desk, accept[1], as_json, accepted=True)
        elif void is not None and void[0]:
            _answer(desk, void[1], as_json, accepted=False)
        else:
            if void is not None:
                _void(desk, void[1])
            show_corrections(desk, limit, as_json)


def _void(desk: Desk, correction: int) -> None:
    with desk.database.begin() as tx:
        if not learning.void_correction(tx, desk.mailbox_id, correction, desk.clock()):
            raise PostroomError(str(correction), "there is no such correction, or it is void.", "List them first.")


def _answer(desk: Desk, batch: int, as_json: bool, *, accepted: bool) -> None:
    end = batches.accept if accepted else batches.void
    with desk.database.begin() as tx:
        count = end(tx, desk.mailbox_id, batch, desk.clock(), BY_A_PERSON)
        found = next(iter(batches.batches(tx, desk.mailbox_id, waiting=False, number=batch)), None)
    name = f"B{batch}"
    if found is None:
        raise PostroomError(name, "there is no such bulk move.", f"See `{ASK}`.")
    if count is None:
        raise PostroomError(
            name,
            f"it was {CLOSED[found.outcome or 'void']} on {local_day(found.closed or found.opened)}, because "
            f"{found.because}. That is final.",
            "Single moves are taken back by `postroom corrections --void ID`.",
        )
    if as_json:
        print_json({"batch": name, "outcome": found.outcome, "messages": count})
        return
    stays = "The mail stays where it is; drag it back if it was a slip"
    if accepted:
        counts = "counts from now on" if count == 1 else "count from now on"
    else:
        counts = f"teaches nothing. {stays}" if count == 1 else f"teach nothing. {stays}"
    moves = "this move" if count == 1 else f"these {count} moves"
    console.print(f"{name} is {found.outcome}: {moves} to {found.folder} {counts}.", soft_wrap=True)


def _show_batches(waiting: list[OpenBatch], known: int, as_json: bool) -> None:
    if as_json:  # for scripts, which may log what they get: no subjects
        print_json([_as_json(found) for found in waiting])
        return
    if not waiting:
        answered = " `postroom corrections` lists the moves of those that are closed." if known else ""
        console.print(f"No bulk move waits.{answered}", soft_wrap=True)
        return
    rows = []
    for found in waiting:
        batch = found.batch
        sources = ", ".join(f"{number} {folder}" for folder, number in batch.sources.items())
        examples = "; ".join(subject[:40] for subject in found.examples)
        until = local_day(found.void_on)
        row = (found.name, local(batch.opened), until, batch.members, sources, batch.folder, batch.who, examples)
        rows.append(row)
    heads = ["batch", "when", "waits until", "messages", "from", "to", "who", "for example"]
    table("Bulk moves", heads, rows, frozenset({3}))
    console.print(
        "Were they meant? `postroom corrections --accept BATCH`; a slip, or no matter of what the mail says? "
        "`postroom corrections --void BATCH`. An answer is final. Until then they teach nothing, and what has waited "
        "so long is void. The mail stays where it is.",
        soft_wrap=True,
    )


def _as_json(found: OpenBatch) -> dict[str, Any]:
    batch = found.batch
    return {
        "batch": found.name,
        "at": iso(batch.opened),
        "messages": batch.members,
        "lying": batch.lying,
        "from": dict(batch.sources),
        "to": batch.folder,
        "category": found.category,
        "who": batch.who,
        "void_on": iso(found.void_on),
    }
