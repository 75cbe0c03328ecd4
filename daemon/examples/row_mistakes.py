"""Mistakes of single rows, told once a kind: what is wrong, in which rows, and how many more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SHOWN = 4
"""So many rows of a kind are named; the rest is counted."""


class RowMistakes:
    """The rows of each kind of mistake, kinds in the order in which they were met."""

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = {}

    def add(self, kind: str, row: int) -> None:
        """`kind` is what is wrong and how to mend it, as a clause without its full stop."""
        self._rows.setdefault(kind, []).append(row)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def rows(self) -> set[int]:
        """Every row with a mistake."""
        return {row for rows in self._rows.values() for row in rows}

    def sentences(self) -> list[str]:
        """One for each kind."""
        return [f"{in_rows(rows)}: {kind}." for kind, rows in self._rows.items()]

    def join(self, other: RowMistakes) -> None:
        """Take in what `other` has found."""
        for kind, rows in other._rows.items():
            self._rows.setdefault(kind, []).extend(rows)


def in_rows(rows: Iterable[int]) -> str:
    """ "row 3", "rows 3, 9 and 12", "rows 3, 9, 12, 17 and 196 more"."""
    ordered = sorted(set(rows))
    return f"{'row' if len(ordered) == 1 else 'rows'} {listed([f'{row:,}' for row in ordered])}"


def listed(names: Sequence[str], most: int = SHOWN) -> str:
    """The first of them, and how many more there are."""
    if len(names) == 1:
        return names[0]
    if len(names) <= most:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"
