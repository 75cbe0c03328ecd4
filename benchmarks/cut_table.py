"""Results of cuts as a table for people, pooled over the cuts of one archive; and two results beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.office_changes import WHENS
from daemon.rules.thresholds import interval

ENOUGH = 60
"""So many must be filed after a cut before its precision alone says something."""
SOURCES = {"model": "model", "thread": "thread", "memory": "near copy", "copy": "other copy"}
LINE = "{:<16} {:<12} {:>5} {:>9} {:>9} {:>6} {:>13} {:>7} {:>7} {:>9} {:>9} {:>9} {:>10} {:>7} {:>7}"
HEADS = (
    "archive", "mailbox", "cut", "mails", "filed", "right", "interval", "worst", "share", *SOURCES.values(),
    "newer", "best",
)  # fmt: skip


@dataclass(frozen=True)
class Pooled:
    """All cuts of one archive and one mailbox together."""

    cuts: int
    messages: int
    filed: int
    right: int
    best: int
    newcomer: int
    who: dict[str, tuple[int, int]]
    interval: tuple[float, float]
    """Of the precision; mail that two cuts judged counts once."""
    worst: float | None
    """The lowest precision of a cut after which enough was filed."""

    @property
    def precision(self) -> float | None:
        """None: nothing was filed."""
        return self.right / self.filed if self.filed else None


def pooled(rows: Sequence[dict[str, Any]]) -> Pooled:
    """These cuts as one."""
    filed, right = sum(row["filed"] for row in rows), sum(row["right"] for row in rows)
    messages = sum(row["messages"] for row in rows)
    distinct = len({place for row in rows for place in range(row["at"], row["at"] + row["messages"])})
    once = distinct / messages if messages else 1.0
    worst = [row["right"] / row["filed"] for row in rows if row["filed"] >= ENOUGH]
    who = {
        source: (
            sum(row["who"].get(source, (0, 0))[0] for row in rows),
            sum(row["who"].get(source, (0, 0))[1] for row in rows),
        )
        for source in dict.fromkeys([*SOURCES, *(source for row in rows for source in row["who"])])
    }
    return Pooled(
        len(rows),
        messages,
        filed,
        right,
        sum(row["best"] for row in rows),
        sum(row["newcomer"] for row in rows),
        who,
        interval(round(once * right), round(once * filed)),
        min(worst, default=None),
    )


def groups(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Rows by archive and mailbox, in order of their cuts."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["cut"]):
        found.setdefault((called(row), row["mailbox"]), []).append(row)
    return dict(sorted(found.items()))


def called(row: dict[str, Any]) -> str:
    """The archive's name for people."""
    name = str(row["archive"])
    if name.startswith("git:"):
        path = Path(name.removeprefix("git:"))
        name = path.parent.name if path.name in ("repo", ".git") else path.name
        name = name.partition("+")[2] or name
    name += f" {row['short']}" if row.get("short") else ""
    return name + ("" if row["language"] else " -l") + (" answered" if row.get("answered") else "")


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """One line a cut, and one for all of each archive and mailbox."""
    lines = [LINE.format(*HEADS)]
    for (archive, mailbox), cuts in groups(rows).items():
        lines += [_line(archive, mailbox, str(row["cut"] + 1), pooled([row])) for row in cuts]
        lines.append(_line(archive, mailbox, "all", pooled(cuts)))
    return lines


def by_change(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Of what housekeeping touched: how many mails, filed, and of these right, by what was done and when."""
    line = "{:<16} {:<8} {:<7} {:>6} {:>6} {:>6}"
    sums: dict[tuple[str, str, str], list[int]] = {}
    for row in rows:
        for kind, when, *counts in row.get("changes", ()):
            before = sums.get((called(row), kind, when), [0, 0, 0])
            sums[called(row), kind, when] = [old + new for old, new in zip(before, counts, strict=False)]
    lines = [
        line.format(*key, mails, filed, percent(right / filed if filed else None))
        for key, (mails, filed, right) in sorted(sums.items(), key=lambda one: (*one[0][:2], WHENS.index(one[0][2])))
    ]
    return [line.format("archive", "change", "when", "mails", "filed", "right"), *lines] if lines else []


def _line(archive: str, mailbox: str, cut: str, all_: Pooled) -> str:
    low, high = all_.interval
    return LINE.format(
        archive,
        mailbox,
        cut,
        all_.messages,
        all_.filed,
        percent(all_.precision),
        f"{100 * low:.1f}-{100 * high:.1f}" if all_.filed else "-",
        percent(all_.worst),
        percent(all_.filed / all_.messages if all_.messages else None),
        *("{1}/{0}".format(*all_.who[source]) for source in SOURCES),
        all_.newcomer,
        percent(all_.best / all_.messages if all_.messages else None),
    )


def compared(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[str]:
    """The cuts that both results have, before -> after."""
    line = "{:<16} {:<12} {:>4} {:>16} {:>16} {:>16} {:>18} {:>16}"
    lines = [
        line.format(
            "archive", "mailbox", "cuts", "precision", "worst cut", "filed", "right/filed by hints", "best guess"
        )
    ]
    first, second = groups(before), groups(after)
    for key in first.keys() & second.keys():
        cuts = {row["cut"] for row in first[key]} & {row["cut"] for row in second[key]}
        old, new = (pooled([row for row in rows[key] if row["cut"] in cuts]) for rows in (first, second))
        lines.append(
            line.format(
                *key,
                len(cuts),
                _change(old.precision, new.precision),
                _change(old.worst, new.worst),
                _change(old.filed / old.messages, new.filed / new.messages),
                f"{_hints(old)} > {_hints(new)}",
                _change(old.best / old.messages, new.best / new.messages),
            )
        )
    return [lines[0], *sorted(lines[1:])]


def _hints(all_: Pooled) -> str:
    own = all_.who["model"]
    return f"{all_.right - own[1]}/{all_.filed - own[0]}"


def _change(before: float | None, after: float | None) -> str:
    return f"{percent(before)} > {percent(after)}"


def percent(share: float | None) -> str:
    """0.951 -> "95.1"; "-" for none."""
    return "-" if share is None else f"{100 * share:.1f}"
