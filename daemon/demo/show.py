"""What a person sees of the demo: a few calm pages in an 80-column terminal, or plain lines in a file.

The page explains to an IT person what happens; the daemon's own log goes to a file beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from daemon.report.console import PrintableConsole
from daemon.report.progress_lines import LeftColumn, Lines, beating, counting_lines, training_lines

WIDTH = 80
LEFT = "left in inbox"
STAGES = {
    "prepare": "reading the base model",
    "clean": "cleaning the lessons",
    "linear": "the linear model",
    "cache": "reading the lessons",
    "train": "the language model",
    "write": "writing the language model",
    "exam": "taking the exam",
    "export": "writing the model",
}


@dataclass(frozen=True)
class Arrival:
    """One message that came in while the daemon ran, and what became of it."""

    digest: str
    subject: str
    sender: str
    belongs: str
    """Where the office's people file it."""
    filed: str | None
    """Where Postroom put it; None: left in the inbox."""
    reason: str
    newcomer: str = ""
    paper: str = ""
    """The PDF in which alone it says what it is about."""

    @property
    def right(self) -> bool:
        """Filed, and where it belongs."""
        return self.filed == self.belongs

    @property
    def wrong(self) -> bool:
        """Filed where it does not belong."""
        return self.filed is not None and self.filed != self.belongs


@dataclass(frozen=True)
class Tally:
    """How a batch of arrivals went."""

    messages: int
    filed: int
    right: int
    left: int

    @property
    def wrong(self) -> int:
        """Filed where they do not belong."""
        return self.filed - self.right


def tally(arrivals: Sequence[Arrival]) -> Tally:
    """Count."""
    filed = sum(arrival.filed is not None for arrival in arrivals)
    return Tally(len(arrivals), filed, sum(arrival.right for arrival in arrivals), len(arrivals) - filed)


def examples(arrivals: Sequence[Arrival], most: int) -> list[Arrival]:
    """A few arrivals that show all that happened, in their order: half of them right ones if there are.

    Of each kind those come first that only a PDF explains.
    """
    ordered = sorted(arrivals, key=lambda arrival: not arrival.paper)
    wrong = [arrival for arrival in ordered if arrival.wrong][: most // 4]
    left = [arrival for arrival in ordered if arrival.filed is None][: most // 4]
    right = [arrival for arrival in ordered if arrival.right][: most - len(wrong) - len(left)]
    chosen = {arrival.digest for arrival in [*wrong, *left, *right]}
    return [arrival for arrival in arrivals if arrival.digest in chosen]


def clip(text: str, width: int) -> str:
    """At most `width` characters, with an ellipsis where something is missing."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def short(reason: str) -> str:
    """The daemon's reason without what is the same on every line of the page."""
    needed = "" if reason.startswith("left") else r"[;,] needs [\d.]+|"
    return re.sub(needed + r"; model \S+| on \d{4}-\d\d-\d\d", "", reason)


def percent(share: float | None) -> str:
    """0.873 -> "87 %"; None -> "-"."""
    return "-" if share is None else f"{100 * share:.0f} %"


class Page:
    """Prints the demo's story. How far it is shows as bars on a terminal, and elsewhere as a line now and then."""

    def __init__(self, console: Console | None = None, aside: bool = False) -> None:
        """`aside`: on standard error, because standard output belongs to a script."""
        self.console = console or PrintableConsole(stderr=aside, highlight=False)
        if self.console.width > 100 or not self.console.is_terminal:
            self.console.width = WIDTH
        self._step = 0

    def title(self, heading: str, text: str) -> None:
        """The demo's first words."""
        self.console.print(Panel(text, title=f"[bold]{heading}[/bold]", title_align="left", padding=(1, 2)))

    def step(self, heading: str) -> None:
        """A new numbered step."""
        self._step += 1
        self.console.print(f"\n[bold cyan]{self._step}[/bold cyan]  [bold]{heading}[/bold]")

    def say(self, text: str) -> None:
        """A sentence or two, indented under the step. `text` is ours; escape what comes from mail."""
        self.console.print(Padding(text, (0, 0, 0, 3)))

    def command(self, line: str) -> None:
        """A line to be copied: however long it is, it is not broken."""
        self.console.print(f"   {escape(line)}", soft_wrap=True)

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar for something that is counted: show(done)."""
        if not self.console.is_terminal:
            with beating(self._lines(what)) as lines:
                tell = counting_lines(lines)
                yield lambda done: tell(what, done, total)
            return
        with self._bars() as bars:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.update(task, completed=done)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """For something that takes a while and has no steps."""
        if not self.console.is_terminal:
            with beating(self._lines(what)):
                yield
            return
        with self._bars(transient=True) as bars:
            bars.add_task(what, total=None)
            yield

    @contextmanager
    def training(self) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """Fed by the trainer's events: a bar a stage, or lines."""
        if not self.console.is_terminal:
            with beating(self._lines("starting")) as lines:
                yield training_lines(lines)
            return
        with self._bars() as bars:
            tasks: dict[str, TaskID] = {}

            def show(event: Mapping[str, Any]) -> None:
                stage = str(event.get("stage", ""))
                if stage not in STAGES:
                    return
                total = float(event.get("total") or 1)
                if stage not in tasks:
                    tasks[stage] = bars.add_task(STAGES[stage], total=total)
                done, left = float(event.get("done") or 0), event.get("left")
                bars.update(tasks[stage], completed=done, total=total, left=left, heard=bars.get_time())

            yield show

    def _lines(self, begin: str) -> Lines:
        return Lines(lambda line: self.say(f"[dim]{escape(line)}[/dim]"), begin=begin)

    def _bars(self, transient: bool = False) -> Progress:
        return Progress(
            TextColumn("   {task.description:<30}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            LeftColumn(),
            console=self.console,
            transient=transient,
        )

    def arrivals(self, arrivals: Sequence[Arrival], most: int = 12) -> None:
        """Some of the arrivals: what, where it went, and why; then how all of them went."""
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("")
        table.add_column("subject", no_wrap=True, width=22)
        table.add_column("went to", no_wrap=True, width=16)
        table.add_column("why", ratio=1)
        for arrival in examples(arrivals, most):
            mark, colour = ("✓", "green") if arrival.right else ("✗", "red") if arrival.wrong else ("·", "yellow")
            why = escape(short(arrival.reason))
            if arrival.paper:
                why += f"\n[dim]the mail says nothing, {escape(arrival.paper)} does[/dim]"
            if not arrival.right:
                why += f"\n[dim]people file it in {escape(arrival.belongs)}[/dim]"
            table.add_row(
                f"[{colour}]{mark}[/{colour}]",
                escape(clip(arrival.subject, 22)),
                f"[{colour}]{escape(arrival.filed or LEFT)}[/{colour}]",
                why,
            )
        self.console.print(Padding(table, (1, 0, 1, 3)))
        counted = tally(arrivals)
        shown = min(most, counted.messages)
        strange = sum(bool(arrival.newcomer) for arrival in arrivals if arrival.wrong)
        whose = f" ({strange} from correspondents whom the model does not know)" if strange else ""
        self.say(
            f"{shown} of {counted.messages} shown. Filed {counted.filed}: "
            f"[green]{counted.right} right[/green], [red]{counted.wrong} wrong[/red]{whose}. "
            f"[yellow]Left {counted.left}[/yellow] in the inbox, being unsure."
        )
        if papers := [arrival for arrival in arrivals if arrival.paper]:
            read = tally(papers)
            self.say(
                f"{read.messages} say only in a PDF what they are about: [green]{read.right} right[/green], "
                f"[red]{read.wrong} wrong[/red], [yellow]{read.left} left[/yellow]."
            )

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and values, aligned."""
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, value)
        self.console.print(Padding(table, (0, 0, 0, 3)))

    def before_and_after(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """The short table at the end."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
        table.add_column("")
        table.add_column("first model", justify="right")
        table.add_column("after correction", justify="right")
        for row in rows:
            table.add_row(*row)
        self.console.print(Padding(table, (1, 0, 1, 3)))
