"""Mailboxes in files of their own: `include = "mailboxes.d/*.toml"`, each with one or several [[mailbox]].

    the pattern, relative to the settings file | files by name | their tables, or what is wrong with a file
    | what two files say of one mailbox | whom a mailbox shares with, in whatever file that is

A file holds nothing but mailboxes. What is wrong with one is said with its name, and concerns no other.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from connectors.connector_kinds import inbox_of
from daemon.mistakes import SettingsError

EMPTY = "there is no [[mailbox]] in it. Write one, or rename the file so that `include` finds it no more."
ONLY = "only [[mailbox]] may stand in an included file. Write it into {}."


@dataclass(frozen=True)
class Part:
    """One file of mailboxes: what people call it, its tables as they stand there, and what is wrong with it."""

    shown: str
    boxes: tuple[Any, ...] = ()
    problems: tuple[str, ...] = ()

    def told(self) -> Iterator[str]:
        """Every mistake, with the file's name."""
        for problem in self.problems:
            yield f"{self.shown}: {problem}"


Read = Callable[[Path], dict[str, Any]]
"""A file's tables. Raises SettingsError."""


def parts_of(settings_file: Path, pattern: object, read: Read) -> tuple[list[Part], list[str]]:
    """The files that the pattern finds, in the order of their names; and what is wrong with the pattern itself."""
    if not isinstance(pattern, str) or not pattern:
        return [], []  # no text at all is told as every other value of a wrong type
    here = settings_file.parent
    found = [name for name in sorted(_matches(pattern, here)) if not _same(here / name, settings_file)]
    if not found and not glob.has_magic(pattern):
        return [], [f"include: there is no file {here / pattern}. Correct the path, or remove the line."]
    if not found and not (folder := _fixed(here, pattern)).is_dir():
        return [], [f"include: there is no folder {folder}. Make it, or correct the path."]
    return [_part(here / name, name, settings_file.name, read) for name in found], []


def _matches(pattern: str, here: Path) -> list[str]:
    # Path.glob knows no whole paths as patterns, and finds the hidden files that editors leave.
    return glob.glob(pattern, root_dir=here)  # noqa: PTH207


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _fixed(here: Path, pattern: str) -> Path:
    """The folder that the pattern names before its first "*"."""
    place = here
    for part in Path(pattern).parent.parts:
        if glob.has_magic(part):
            break
        place /= part
    return place


def _part(path: Path, shown: str, main: str, read: Read) -> Part:
    try:
        tables = read(path)
    except SettingsError as error:
        return Part(shown, problems=tuple(error.problems))
    boxes = tables.pop("mailbox", [])
    problems = [f"{key}: {ONLY.format(main)}" for key in tables]
    if not isinstance(boxes, list):
        return Part(shown, problems=(*problems, "mailbox: must be a table of its own. Write [[mailbox]]."))
    return Part(shown, tuple(boxes), tuple(problems if boxes else [*problems, EMPTY]))


def without_conflicts(own: Part, parts: Sequence[Part], before: Mapping[str, Sequence[Any]]) -> list[Part]:
    """The parts; where two name the same mailbox or the same inbox, one of them has a problem: the one that changed
    since `before`, else the later one."""
    names: dict[object, str] = {}
    inboxes: dict[Hashable, str] = {}
    judged: dict[str, Part] = {}
    for part in (own, *sorted(parts, key=lambda part: tuple(before.get(part.shown, ())) != part.boxes)):
        problems = list(part.problems)
        boxes = [box for box in part.boxes if isinstance(box, Mapping)]
        for box in boxes if not problems else ():
            name, inbox = box.get("name"), inbox_of(box)
            if isinstance(name, str) and (other := names.get(name)) is not None:
                fact = f'[[mailbox]] name: "{name}" is used in {other}, too. Give every mailbox a name of its own.'
                problems.append(fact)
            elif inbox is not None and (other := inboxes.get(inbox)) is not None:
                problems.append(f"[[mailbox]] ({name}): is the same inbox as one in {other}. Remove one of the two.")
        judged[part.shown] = replace(part, problems=tuple(problems))
        if not problems:
            names.update((box["name"], part.shown) for box in boxes if isinstance(box.get("name"), str))
            inboxes.update((inbox, part.shown) for box in boxes if (inbox := inbox_of(box)) is not None)
    return [judged[part.shown] for part in parts]


def without_lender(own: Part, parts: Sequence[Part], before: Mapping[str, Sequence[Any]]) -> list[Part]:
    """The parts; one whose mailbox shares with a mailbox that there is not has a problem. A part that has one already
    counts as it was `before`."""
    counting = [*own.boxes]
    for part in parts:
        counting += before.get(part.shown, ()) if part.problems else part.boxes
    return [
        part if part.problems else replace(part, problems=tuple(lenders_missing(part.boxes, counting)))
        for part in parts
    ]


def lenders_missing(boxes: Sequence[Any], among: Sequence[Any]) -> list[str]:
    """What is wrong with `share` in these mailboxes, which are some of all."""
    shares = {box.get("name"): box.get("share") for box in among if isinstance(box, Mapping)}
    problems = []
    for box in boxes:
        name, lender = (box.get("name"), box.get("share")) if isinstance(box, Mapping) else (None, None)
        if not isinstance(lender, str) or lender in ("", name):  # with itself is said within its own table
            continue
        place = f"[[mailbox]] ({name}) share:"
        if lender not in shares:
            known = [str(one) for one in shares if isinstance(one, str) and one != name]
            close = get_close_matches(lender, known, 1)
            hint = f'Did you mean "{close[0]}"?' if close else "Name one of the others, or remove the line."
            problems.append(f'{place} no mailbox is called "{lender}". {hint}')
        elif shares[lender]:
            problems.append(f'{place} "{lender}" shares with "{shares[lender]}" itself. Name a mailbox that does not.')
    return problems
