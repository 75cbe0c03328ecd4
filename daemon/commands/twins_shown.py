"""What `folders --twins` shows of folders that may mean the same, and what becomes of a person's word about them."""

from __future__ import annotations

from typing import Any

import click

from daemon.commands.common import console, local_day
from daemon.mistakes import PostroomError
from daemon.passes.desk import Desk
from daemon.report.story import iso
from daemon.report.twin_folders import ASK, TwinRow, TwinSide, twin_rows
from daemon.settings.toml_lines import value
from daemon.store import twin_pairs
from daemon.store.records import TwinChoice


def show_twins(desk: Desk) -> None:
    """Every pair of this mailbox, with the choices."""
    with desk.database.read() as tx:
        rows = twin_rows(tx, desk.mailbox_id)
    waiting = [row for row in rows if row.is_open]
    if not rows:
        console.print(f"{desk.settings.name}: no two folders seem to mean the same.", soft_wrap=True)
    for row in rows:
        _show(row)
    if waiting:
        console.print("\nFor a pair N, with --into FOLDER for the other way round:", soft_wrap=True)
        console.print("  postroom folders --merge N     both are one; mail goes where people put it lately")
        console.print("  postroom folders --here N      new mail goes there; the other teaches no more")
        console.print("  postroom folders --differ N    they mean two things; never asked again")
        console.print("  Or one is no category. In the settings, under [mailbox.roles]:")
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
        later = "What people put into either teaches that." if choice == "merge" else "What comes there later does not."
        words = f'From now on the lessons of "{other.folder}" count as those of "{other.counts_as}". {later}'
    else:
        words = f"{row.names} differ: each has its own lessons, and nobody is asked again."
    console.print(f"{words} The mail stays where it is; `postroom train` makes a model of it at once.", soft_wrap=True)


def _into(row: TwinRow, folder: str | None) -> TwinSide:
    """The folder that stays: the named one, else the one used lately, else the one with the newest lesson."""
    if folder is not None:
        found = next((side for side in row.sides if side.folder == folder), None)
        if found is None:
            raise PostroomError(folder, f"is none of the two folders of pair {row.number}.", f"They are {row.names}.")
        if found.paused:
            other = next(side.folder for side in row.sides if side is not found)
            next_step = f"Take `--into {value(other)}`, or make it a category again (`postroom folders`)."
            raise PostroomError(folder, "nothing is filed there now, so no lessons can count as its own.", next_step)
        return found
    in_use = [side for side in row.sides if not side.paused]
    if not in_use:
        raise PostroomError(row.names, "nothing is filed into either now.", "See `postroom folders`.")
    lately = next((side for side in in_use if side.folder == row.lately), None)
    dated = [side for side in in_use if side.newest is not None]
    return lately or max(dated or in_use, key=lambda side: side.newest or row.since)
