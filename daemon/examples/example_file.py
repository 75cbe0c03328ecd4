"""Labelled examples out of one file, for `postroom try` and `postroom learn --from-csv` alike.

    file | text, whatever its charset | records, whatever separates them | which column is what | every mistake, once
    a kind  ->  Examples

All of the file is read before anything is said of it, so that a person mends it once and not row by row.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from connectors.base import MailText
from daemon.examples.columns import Role, by_content, columns_of, looks_like_names, missing, names_at
from daemon.examples.dates import read_dates
from daemon.examples.decoding import Decoded, NoText, decoded
from daemon.examples.label_spelling import is_seen, one_spelling, tidied
from daemon.examples.row_mistakes import RowMistakes, in_rows
from daemon.examples.table_records import NAMES_WITHIN, WORDS, Record, delimiter_of, json_records, table_records
from daemon.mistakes import ExitCode, PostroomError

LARGEST_FILE = 256 * 1024 * 1024
LONGEST_LABEL = 200
LONGEST_TEXT = 200_000
"""Characters. A model reads the beginning and the end of a long text; what is cut here it would never see."""


class FileRefused(PostroomError):
    """Examples that cannot be used. `problems` holds every mistake, a sentence a kind."""

    exit_code = ExitCode.MISTAKE

    def __init__(self, place: str, problems: Sequence[str], becomes: str = "nothing was done with it") -> None:
        self.problems = list(problems)
        super().__init__(place, f"{becomes}.\n" + "\n".join(f"  - {problem}" for problem in problems))


@dataclass(frozen=True)
class Example:
    """One text and its category. `row` counts from 1, as a spreadsheet does; `group`: what belongs together (a thread,
    two wordings of one question); `date` is aware."""

    row: int
    label: str
    text: MailText
    group: str | None = None
    date: datetime | None = None


@dataclass(frozen=True)
class Examples:
    """All rows of one file, in its order. `notes` are for people: how it was read, what was cut."""

    rows: tuple[Example, ...]
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The categories, each once, in alphabetical order."""
        return tuple(sorted({example.label for example in self.rows}))


def read_examples(path: Path, becomes: str = "nothing was done with it", known: Iterable[str] = ()) -> Examples:
    """The examples in `path`, categories spelt as in `known` where these have them. Raises FileRefused.

    `becomes`: what a person hears became of a file with mistakes.
    """
    try:
        raw = _bytes(path)
        text = decoded(raw)
        rows, notes, mistakes = _json(text) if _is_json(path, text.text) else _table(text)
    except (NoText, _NoTable) as error:
        raise FileRefused(str(path), list(map(str, error.args)), becomes) from error
    except MemoryError:
        short = "there is not enough memory to read it. Close other programs, or cut it down."
        raise FileRefused(str(path), [short], becomes) from None
    problems = mistakes.sentences()
    if not rows and not problems:
        problems = ["it holds the names of its columns and no row below them."]
    if problems:
        raise FileRefused(str(path), problems, becomes)
    return _spelt(rows, known, notes)


def _spelt(rows: Sequence[Example], known: Iterable[str], notes: Sequence[str]) -> Examples:
    """The same categories, each in one spelling."""
    spelling = one_spelling([example.label for example in rows], known)
    changed = [example for example in rows if spelling[example.label] != example.label]
    if changed:
        first = changed[0].label
        notes = (
            *notes,
            f"Of {in_rows(example.row for example in changed)} the category was read as another one that differs only "
            f'in case, spaces or what is not seen: "{first}" as "{spelling[first]}".',
        )
    return Examples(tuple(replace(example, label=spelling[example.label]) for example in rows), tuple(notes))


class _NoTable(Exception):
    """No records can be made of it. Each of `args` says why, and the next step."""


def _bytes(path: Path) -> bytes:
    """Raises _NoTable."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise _NoTable("it is a folder. Name the file with the examples.")
        if not stat.S_ISREG(found.st_mode):
            raise _NoTable("it is no file. Name the file with the examples.")
        if found.st_size > LARGEST_FILE:
            raise _NoTable(
                f"it has {found.st_size / 1e6:,.0f} MB, and at most {LARGEST_FILE / 1e6:,.0f} MB are read. "
                "Some thousand examples are enough: cut it down."
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _NoTable("there is no such file. Check the path.") from error
    except OSError as error:
        raise _NoTable(f"it cannot be read ({error.strerror}). Check the path and the file's rights.") from error


_OBJECT = re.compile(r'\s*(?:\[\s*)?\{\s*["}]')
"""How an object begins, or a list of them; a text may begin with a brace, too."""


def _is_json(path: Path, text: str) -> bool:
    return path.suffix.lower() in (".jsonl", ".ndjson") or _OBJECT.match(text) is not None


_Found = tuple[list[Example], list[str], RowMistakes]


def _json(text: Decoded) -> _Found:
    """Raises _NoTable."""
    records, mistakes = json_records(text.text)
    keys = list(dict.fromkeys(key for _, record in records for key in record))
    found = columns_of(keys)
    if records and (lacks := missing(keys, found)):
        raise _NoTable(*lacks)
    rows = [(number, [record.get(key, "") for key in keys]) for number, record in records]
    return _examples(rows, found, len(keys), mistakes, [])


def _table(text: Decoded) -> _Found:
    """Raises _NoTable."""
    delimiter = delimiter_of(text.text)
    if delimiter is None:
        raise _NoTable(
            "it has one column: neither semicolons nor commas, tabs or bars separate a text from its category. "
            "Write both into each row."
        )
    notes = [] if text.charset == "UTF-8" else [f"It was read as {text.charset}."]
    records = table_records(text.text, delimiter)
    if not records.rows:
        return [], notes, records.mistakes
    if above := names_at([cells for _, cells in records.rows[:NAMES_WITHIN]]):
        notes.append(f"The names of the columns stand in row {records.rows[above][0]}; what is above was left out.")
    (_, first), *below = records.rows[above or 0 :]
    while first and not first[-1].strip():
        first = first[:-1]
    if looks_like_names(first, [cells for _, cells in below]):
        found = columns_of(first)
        if lacks := missing(first, found):
            raise _NoTable(*lacks)
        return _examples(below, found, len(first), records.mistakes, notes, delimiter, first)
    if len(first) != 2:
        raise _NoTable(
            'no row of it names its columns as they are known. Call one of them "text" and one "label" in the first '
            "row; a table of two columns needs no names."
        )
    found = by_content([cells for _, cells in records.rows])
    which = "first" if found["label"] == 0 else "second"
    notes.append(f"It has no names of columns; the {which} column was taken for the category.")
    return _examples(records.rows, found, 2, records.mistakes, notes, delimiter)


def _examples(
    records: Sequence[Record],
    found: dict[Role, int],
    width: int,
    mistakes: RowMistakes,
    notes: list[str],
    delimiter: str = "",
    names: Sequence[str] = (),
) -> _Found:
    """The examples in these rows, and what is wrong with the others, added to `mistakes`."""
    rows: list[Example] = []
    shortened: list[int] = []
    longest = 0
    dates = read_dates([_cell(cells, found, "date") for _, cells in records])
    for (number, cells), date in zip(records, dates, strict=True):
        if names and cells[: len(names)] == names:
            mistakes.add("the names of the columns once more. Delete these rows", number)
            continue
        if any(cell.strip() for cell in cells[width:]):
            mistakes.add(
                f"more cells than the {width} columns. A text with {WORDS.get(delimiter, 'the separator')} in it must "
                'stand in quotes ("...")',
                number,
            )
            continue
        if len(cells) <= max(place for role, place in found.items() if role in ("label", "text")):
            mistakes.add(
                f"fewer cells than the {width} columns. Perhaps a line end within a text is not in quotes", number
            )
            continue
        label = tidied(_cell(cells, found, "label"))
        text = MailText(
            sender=_cell(cells, found, "from"),
            to=_cell(cells, found, "to"),
            subject=_cell(cells, found, "subject"),
            body=_cell(cells, found, "text"),
        )
        if len(text.body) > LONGEST_TEXT:
            shortened.append(number)
            text = MailText(sender=text.sender, to=text.to, subject=text.subject, body=text.body[:LONGEST_TEXT])
        if not is_seen(label):
            mistakes.add("no category. Write one, or delete these rows", number)
        elif len(label) > LONGEST_LABEL:
            longest = max(longest, len(label))
            mistakes.add(
                f"a category of more than {LONGEST_LABEL} characters. Are the columns of text and category mixed up?",
                number,
            )
        if not (is_seen(text.subject) or is_seen(text.body)):
            mistakes.add("no text. Write one, or delete these rows", number)
        if _cell(cells, found, "date") and date is None:
            mistakes.add("a date that cannot be read. Write it as 2025-12-31 or 31.12.2025 14:05", number)
        rows.append(Example(number, label, text, tidied(_cell(cells, found, "group")) or None, date))
    if shortened:
        notes.append(f"Of {in_rows(shortened)} the first {LONGEST_TEXT:,} characters are read.")
    return rows, notes, mistakes


def _cell(cells: Sequence[str], found: dict[Role, int], role: Role) -> str:
    place = found.get(role)
    return cells[place].strip() if place is not None and place < len(cells) else ""
