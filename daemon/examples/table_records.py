"""The text of a table as records: which separator it has, and where its quotes go wrong.

    text | "sep=;" of a spreadsheet | the separator that cuts all rows alike | csv, strictly  ->  records by row number
    text of JSON | one object a line, or a list of them                                     ->  the same

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

from daemon.examples.columns import names_at
from daemon.examples.row_mistakes import RowMistakes

DELIMITERS = "\t;,|"
"""Rarest in texts first."""
WORDS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}
_SAID = re.compile(r'"?sep=([^\w\r\n"])"?(?:\r\n?|\n|\Z)', re.IGNORECASE)
_LOOKED_AT = 200
_LOOKED_INTO = 1024 * 1024
NAMES_WITHIN = 20
"""Above the names of the columns may stand so many rows: a title, who made it."""
_LONGEST_CELL = 64 * 1024 * 1024

Record = tuple[int, list[str]]


@dataclass
class Records:
    """(row number, cells) of every row that is not blank, and what is wrong with the rest."""

    rows: list[Record] = field(default_factory=list)
    mistakes: RowMistakes = field(default_factory=RowMistakes)


def delimiter_of(text: str) -> str | None:
    """What separates the columns; None where nothing does.

    It cuts the names of columns apart, or all rows alike, and where two do, one column so that its values come again.
    """
    if said := _SAID.match(text):
        return said[1]
    best: tuple[tuple[float, ...], str] | None = None
    for place, delimiter in enumerate(DELIMITERS):
        rows = _first_rows(text, delimiter)
        if not rows:
            continue
        named = names_at(rows[:NAMES_WITHIN]) is not None
        width, times = Counter(map(len, rows)).most_common(1)[0]
        if width < 2 and not named:
            continue
        whole = [row for row in rows if len(row) == width]
        different = min(len({row[column].strip() for row in whole}) for column in range(width))
        worth = (float(named), round(times / len(rows), 2), -different / len(whole), -float(place))
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
    """The values by key of every object, one a line or all in one list."""
    rows, mistakes = [], RowMistakes()
    for number, value in _values(text):
        if isinstance(value, dict):
            rows.append((number, {str(key): _told(cell) for key, cell in value.items()}))
        else:
            mistakes.add('no JSON object like {"text": "...", "label": "Orders"} stands there', number)
    return rows, mistakes


def _values(text: str) -> Iterator[tuple[int, object]]:
    """What stands there by its number, of a list or of lines; None for what is no JSON."""
    whole = _loaded(text)
    if isinstance(whole, list):
        yield from enumerate(whole, 1)
    elif whole is not None:
        yield 1, whole
    else:
        # Not splitlines(): JSON lets U+2028 and its like stand within a text (RFC 8259, section 7).
        for number, line in enumerate(io.StringIO(text, newline=None), 1):
            if line.strip():
                yield number, _loaded(line)


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _told(cell: object) -> str:
    return "" if cell is None else cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _first_rows(text: str, delimiter: str) -> list[list[str]]:
    """The first rows that are not blank, without one that is cut off."""
    csv.field_size_limit(min(_LONGEST_CELL, sys.maxsize))
    rows = list(islice(csv.reader(io.StringIO(text[:_LOOKED_INTO], newline=""), delimiter=delimiter), _LOOKED_AT))
    if len(text) > _LOOKED_INTO and 1 < len(rows) < _LOOKED_AT:
        rows.pop()
    return [row for row in rows if any(cell.strip() for cell in row)]


def _quotes_in_words(error: str) -> str:
    if "unexpected end" in error:
        return (
            'a quote (") opens a text there that nothing closes: all that follows is one text. Close it, or remove it'
        )
    if "expected after" in error:
        return 'a quote (") stands within a quoted text. Double it ("")'
    return f"this is no row of a CSV file ({error})"
