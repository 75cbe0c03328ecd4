"""How far a long command is: bars on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from daemon.commands.common import notices

LINE_EVERY = 60.0
"""Seconds between two lines of progress where no terminal shows a bar."""


@contextmanager
def training_bar(quiet: bool) -> Iterator[Callable[[Mapping[str, Any]], None] | None]:
    """A progress bar fed by the trainer's events; none with `quiet`. Without a terminal a line now and then."""
    if quiet:
        yield None
        return
    if not notices.is_terminal:
        yield training_lines(lambda line: click.echo(line, err=True))
        return
    with _bars(transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(event: Mapping[str, Any]) -> None:
            stage = str(event.get("stage", ""))
            total = float(event.get("total") or 1)
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(
                tasks[stage],
                description=str(event.get("text") or stage)[:34],
                completed=event.get("done", 0),
                total=total,
            )

        yield show


@contextmanager
def counting_bar(quiet: bool, what: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress bar a name: show(name, done, total); none with `quiet`. Without a terminal a line now and then."""
    if quiet:
        yield None
        return
    if not notices.is_terminal:
        yield counting_lines(what, lambda line: click.echo(line, err=True))
        return
    with _bars(transient=False) as bars:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(f"{what} {name}"[:34], total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield show


def _bars(transient: bool) -> Progress:
    """Bars in one form, gone at the end if `transient`."""
    return Progress(
        TextColumn("{task.description:<34}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=notices,
        transient=transient,
    )


def training_lines(
    say: Callable[[str], None], now: Callable[[], float] = time.monotonic
) -> Callable[[Mapping[str, Any]], None]:
    """show(event), which says a line when a stage begins and otherwise one every `LINE_EVERY` seconds."""
    said, stage = now(), ""

    def show(event: Mapping[str, Any]) -> None:
        nonlocal said, stage
        name = str(event.get("stage", ""))
        if name != stage or now() - said >= LINE_EVERY:
            said, stage = now(), name
            say(f"training: {event.get('text') or name}")

    return show


def counting_lines(
    what: str, say: Callable[[str], None], now: Callable[[], float] = time.monotonic
) -> Callable[[str, int, int], None]:
    """show(name, done, total), which says a line when all is done and otherwise one every `LINE_EVERY` seconds."""
    said = now()

    def show(name: str, done: int, total: int) -> None:
        nonlocal said
        if done >= total > 0 or now() - said >= LINE_EVERY:
            said = now()
            say(f"{what} {name}: {done} of {total}")

    return show
