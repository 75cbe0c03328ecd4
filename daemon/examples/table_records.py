"""The text of a table as records: which separator it has, and where its quotes go wrong.

    text | "sep=;" of a spreadsheet | the separator that cuts all rows alike | csv, strictly  ->  records by row number
    text of JSON lines | one object a line                                                  ->  the same

A row's number is the one that a spreadsheet shows: the first is 1, blank rows count.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from daemon.examples.columns import columns_of
from daemon.examples.row_mistakes import RowMistakes

DELIMITERS = ";,\t|"
WORDS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}
_SAID = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
_LOOKED_AT = 200
_LONGEST_CELL = 64 * 1024 * 1024

Record = tuple[int, list[str]]


@dataclass
class Records:
    """(row number, cells) of every row that is not blank, and what is wrong with the rest."""

    rows: list[Record] = field(default_factory=list)
    mistakes: RowMistakes = field(default_factory=RowMistakes)


def delimiter_of(text: str) -> str | None:
    """What separates the columns; None where nothing does."""
    if said := _SAID.match(text):
        return said[1]
    best: tuple[tuple[float, ...], str] | None = None
    for place, delimiter in enumerate(DELIMITERS):
        rows = [row for row in islice(_loosely(text, delimiter), _LOOKED_AT) if any(cell.strip() for cell in row)]
        if not rows:
            continue
        named = columns_of(rows[0])
        width, times = Counter(map(len, rows)).most_common(1)[0]
        if width < 2 and not {"label", "text"} <= named.keys():
            continue
        worth = (float({"label", "text"} <= named.keys()), round(times / len(rows), 2), -float(place))
        if best is None or worth > best[0]:
            best = worth, delimiter
    return None if best is None else best[1]


def table_records(text: str, delimiter: str) -> Records:
    """Every row of a CSV file."""
    found = Records()
    first = 1
    if said := _SAID.match(text):
        text, first = text[said.end() :], 2
    csv.field_size_limit(min(_LONGEST_CELL, sys.maxsize))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    row = first - 1
    while True:
        row += 1
        try:
            cells = next(reader)
        except StopIteration:
            return found
        except csv.Error as error:
            found.mistakes.add(_quotes_in_words(str(error)), row)
            if "unexpected end" in str(error):
                return found
            continue
        if any(cell.strip() for cell in cells):
            found.rows.append((row, cells))


def json_records(text: str) -> tuple[list[tuple[int, dict[str, str]]], RowMistakes]:
    """The values by key of every object of a JSON lines file."""
    rows, mistakes = [], RowMistakes()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            rows.append((number, {str(key): _told(cell) for key, cell in value.items()}))
        else:
            mistakes.add('no JSON object like {"text": "...", "label": "Orders"} stands there', number)
    return rows, mistakes


def _told(cell: object) -> str:
    return "" if cell is None else cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _loosely(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(min(_LONGEST_CELL, sys.maxsize))
    return csv.reader(io.StringIO(text[: 64 * 1024], newline=""), delimiter=delimiter)


def _quotes_in_words(error: str) -> str:
    if "unexpected end" in error:
        return (
            'a quote (") opens a text there that nothing closes: all that follows is one text. Close it, or remove it'
        )
    if "expected after" in error:
        return 'a quote (") stands within a quoted text. Double it ("")'
    return f"this is no row of a CSV file ({error})"
