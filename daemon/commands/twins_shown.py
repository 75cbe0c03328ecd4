"""What `folders --twins` shows of folders that may mean the same, and what becomes of a person's word about them."""

from __future__ import annotations

import shlex
from typing import Any

import click

from daemon.commands.common import console, local_day
from daemon.mistakes import PostroomError
from daemon.passes.desk import Desk
from daemon.report.story import iso
from daemon.report.twin_folders import ASK, TwinRow, TwinSide, twin_rows
from daemon.settings.toml_lines import value
from daemon.store import training, twin_pairs
from daemon.store.records import TwinChoice


def show_twins(desk: Desk) -> None:
    """Every pair of this mailbox, with the choices."""
    with desk.database.read() as tx:
        rows = twin_rows(tx, desk.mailbox_id)
        untrained = training.current_model(tx, desk.mailbox_id) is None
    waiting = [row for row in rows if row.is_open]
    if not rows:
        later = " A training will look more closely." if untrained else ""
        console.print(f"{desk.settings.name}: no two folders seem to mean the same.{later}", soft_wrap=True)
    for row in rows:
        _show(row)
    if rows and not waiting:
        console.print("\nNothing waits for an answer; --merge N, --here N or --differ N changes one.")
    if waiting:
        console.print("\nYour choice for pair N (no mail is moved, and you may change your mind):")
        console.print("  postroom folders --merge N     both are one: mail of both goes into one")
        console.print("  postroom folders --here N      one has ended: new mail goes into the other")
        console.print("  postroom folders --differ N    they mean two things; never asked again")
        console.print("Or one of them is no category. In the settings, under [mailbox.roles]:")
        for row in waiting:
            for side in row.sides:
                click.echo(f'    {value(side.folder)} = "neutral"')


def _show(row: TwinRow) -> None:
    console.print(f"\n[bold]{row.number}[/bold]  " + _escaped(row.names), soft_wrap=True, markup=True)
    for side in row.sides:
        newest = "none" if side.newest is None else local_day(side.newest)
        console.print(f"   {side.folder}: lessons {side.lessons}, newest {newest}", soft_wrap=True)
    console.print(f"   Why: {'; '.join(row.why)}.", soft_wrap=True)
    console.print(f"   {row.stands}", soft_wrap=True)
    if row.is_open:
        other = next(side.folder for side in row.sides if side.uid != row.stays.uid)
        words = f"   --merge and --here take {row.stays.folder}, unless you add --into {shlex.quote(other)}."
        console.print(words, soft_wrap=True)


def _escaped(words: str) -> str:
    return words.replace("[", r"\[")


def twins_as_json(desk: Desk) -> dict[str, Any]:
    """The same for scripts."""
    with desk.database.read() as tx:
        rows = twin_rows(tx, desk.mailbox_id)
    return {"mailbox": desk.settings.name, "twins": [_as_json(row) for row in rows]}


def _as_json(row: TwinRow) -> dict[str, Any]:
    return {
        "pair": row.number,
        "folders": [{"folder": side.folder, "lessons": side.lessons, "newest": iso(side.newest)} for side in row.sides],
        "why": list(row.why),
        "since": iso(row.since),
        "lately": row.lately,
        "taken_over": row.over,
        "open": row.is_open,
        "choice": row.choice,
        "into": row.into,
        "chosen": iso(row.chosen),
    }


def choose(desk: Desk, number: int, choice: TwinChoice, folder: str | None) -> None:
    """Note what a person says of a pair. Raises PostroomError for a pair or a folder that is not there."""
    with desk.database.begin() as tx:
        row = next((row for row in twin_rows(tx, desk.mailbox_id) if row.number == number), None)
        if row is None:
            raise PostroomError(str(number), "there is no such pair of folders.", f"See `{ASK}`.")
        into = None if choice == "differ" else _into(row, folder)
        twin_pairs.choose(tx, desk.mailbox_id, number, choice, None if into is None else into.uid, desk.clock())
        row = next(row for row in twin_rows(tx, desk.mailbox_id) if row.number == number)
    if into is not None:
        # The one that stays may itself count as a third.
        other = next(side for side in row.sides if side.uid != into.uid)
        later = (
            "What people put into either teaches that."
            if choice == "merge"
            else f'What people put into "{other.folder}" later teaches nothing.'
        )
        words = f'From now on the lessons of "{other.folder}" count as those of "{other.counts_as}". {later}'
    else:
        words = f"{row.names} differ: each has its own lessons, and nobody is asked again."
    console.print(
        f"{words} This holds from the next mail on. No mail is moved; the next training learns it, or `postroom train` "
        "now.",
        soft_wrap=True,
    )


def _into(row: TwinRow, folder: str | None) -> TwinSide:
    """The folder that stays: the named one, else that of `TwinRow.stays`."""
    if folder is not None:
        found = next((side for side in row.sides if side.folder == folder), None)
        if found is None:
            raise PostroomError(folder, f"is none of the two folders of pair {row.number}.", f"They are {row.names}.")
        if found.paused:
            other = next(side.folder for side in row.sides if side is not found)
            next_step = f"Take `--into {value(other)}`, or make it a category again (`postroom folders`)."
            raise PostroomError(folder, "nothing is filed there now, so no lessons can count as its own.", next_step)
        return found
    if all(side.paused for side in row.sides):
        raise PostroomError(row.names, "nothing is filed into either now.", "See `postroom folders`.")
    return row.stays
