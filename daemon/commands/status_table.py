"""The table of `postroom status` where there are many mailboxes: one line each, the worst first.

what is told of every mailbox | how it stands | the worst first | those that are fine in one line, unless all are wanted
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

from daemon.commands.common import console, local

FEW = 5
"""So many mailboxes are told in full."""
NAMES, MOMENT, GAP = 24, len("11-30 09:15"), 2
"""So wide a name is shown at most, a time is, and the space between two columns."""


@dataclass(frozen=True)
class Standing:
    """How a mailbox stands: the smaller the rank the worse; in a word, and why."""

    rank: int
    word: str
    why: str = ""


FINE = Standing(9, "fine")


def standing(told: dict[str, Any]) -> Standing:
    """The worst that is told of one mailbox."""
    training = told["training_trouble"]
    worst = (
        ("stopped", told["stopped"]),
        ("trouble", told["trouble"]),
        ("model", told["model_trouble"]),
        ("late", told["late"]),
        ("silent", told["silence"]),
        ("another", told["another"]),
        ("restored", told["restored"]),
        ("training", training and training["words"]),
        ("old mail", told["old_mail"]),
        ("paused", told["paused"]),
    )
    for rank, (word, why) in enumerate(worst):
        if why:
            return Standing(min(rank, 2) if word != "paused" else 3, word, why)
    return _asks(told)


def _asks(told: dict[str, Any]) -> Standing:
    """Nothing is wrong; is there something that a person may want to see to?"""
    if told["bulk_moves"]:
        return Standing(4, "asks", f"Bulk move {told['bulk_moves'][0]['words']}")
    if told["twins"]:
        return Standing(4, "asks", told["twins"])
    for what in ("unreadable", "withheld", "turns"):
        if told[what]:
            return Standing(5, what, told[what])
    if told["model"] is None:
        return Standing(6, "no model", "learn --from-folders")
    return FINE


def show_table(found: Sequence[dict[str, Any]], days: int, *, everyone: bool) -> None:
    """One line a mailbox, the worst first, by name where they stand alike; without `everyone` only what is not fine."""
    stands = sorted(((standing(told), told["name"], told) for told in found), key=lambda row: (row[0].rank, row[1]))
    shown = [row for row in stands if everyone or row[0].rank < FINE.rank]
    if shown:
        console.print(_table([(stands, told) for stands, _, told in shown], days))
    fine = sum(stands.rank == FINE.rank for stands, _, _ in stands)
    more = "" if everyone or not fine else " `--all` lists them, too."
    console.print(
        f"{fine} of {len(found)} mailboxes are fine.{more} `postroom status --mailbox NAME` tells all of one.",
        soft_wrap=True,
    )


def _table(rows: Sequence[tuple[Standing, dict[str, Any]]], days: int) -> Table:
    """As wide as the terminal: names and reasons are cut, figures never."""
    filed = f"filed {days}d"
    longest = max(len(name) for name in ("mailbox", *(told["name"] for _, told in rows)))
    widths = {
        "mailbox": min(longest, NAMES if console.width > 100 else NAMES // 2),
        "": max(len(stands.word) for stands, _ in rows),
        "mode": len("shadow"),
        "last look": MOMENT,
        filed: max(len(filed), len(f"{max(told['filed'] for _, told in rows):,}")),
        "wrong": len("wrong"),
    }
    widths["why"] = max(10, console.width - sum(widths.values()) - GAP * len(widths))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for column, width in widths.items():
        side: Literal["left", "right"] = "right" if column in (filed, "wrong") else "left"
        table.add_column(column, width=width, justify=side, no_wrap=True, overflow="ellipsis")
    for stands, told in rows:
        figures = (f"{told['filed']:,}", f"{told['overridden']:,}")
        why = " ".join(stands.why.removeprefix(f"{told['name']}: ").split())
        table.add_row(told["name"], stands.word, told["mode"], _short(told["polled"]), *figures, why)
    return table


def _short(moment: str | None) -> str:
    """A time without its year: it is of the last days, or `late` says so."""
    return "never" if moment is None else local(moment)[5:]
