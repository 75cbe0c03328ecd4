"""How far a long command is: bars on a terminal, else a line now and then. Neither stands still for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from daemon.commands.common import notices
from daemon.report.progress_lines import LeftColumn, Lines, beating, clipped, counting_lines, training_lines

LONGEST = 30
"""Characters of what a bar is about: the whole line fits into 80."""


@contextmanager
def training_bar(quiet: bool) -> Iterator[Callable[[Mapping[str, Any]], None] | None]:
    """A progress bar fed by the trainer's events; none with `quiet`. Without a terminal a line now and then."""
    if quiet:
        yield None
        return
    if not notices.is_terminal:
        with beating(Lines(lambda line: click.echo(f"training: {line}", err=True), begin="starting")) as lines:
            yield training_lines(lines)
        return
    with _bars(transient=True) as bars:
        tasks = {"": bars.add_task("training", total=None)}  # moves where no stage does

        def show(event: Mapping[str, Any]) -> None:
            stage = str(event.get("stage", ""))
            total = float(event.get("total") or 1)
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(
                tasks[stage],
                description=clipped(str(event.get("text") or stage), LONGEST),
                completed=event.get("done", 0),
                total=total,
                left=event.get("left"),
                heard=bars.get_time(),
            )

        yield show


@contextmanager
def counting_bar(quiet: bool, what: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress bar a name: show(name, done, total); none with `quiet`. Without a terminal a line now and then."""
    if quiet:
        yield None
        return
    if not notices.is_terminal:
        with beating(Lines(lambda line: click.echo(f"{what} {line}", err=True))) as lines:
            yield counting_lines(lines)
        return
    with _bars(transient=False) as bars:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(clipped(f"{what} {name}", LONGEST), total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield show


def _bars(transient: bool) -> Progress:
    """Bars in one form, gone at the end if `transient`."""
    return Progress(
        TextColumn(f"{{task.description:<{LONGEST}}}", markup=False),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        LeftColumn(),
        console=notices,
        transient=transient,
    )
