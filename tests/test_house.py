"""The shape of the house: whoever knows a module's name finds one file."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT

PACKAGES = ("connectors", "daemon", "trainer")


def test_no_module_name_stands_twice() -> None:
    found: dict[str, list[Path]] = defaultdict(list)
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if file.stem not in ("__init__", "__main__") and "migrations" not in file.parts:
                found[file.stem].append(file.relative_to(ROOT))
    assert len(found) > 100
    assert {stem: files for stem, files in found.items() if len(files) > 1} == {}


FLOORS = (
    {"mistakes"},
    {"store"},
    {"model"},
    {"settings"},
    {"rules", "signin", "state", "papers", "examples"},
    {"report", "training"},
    {"passes"},
    {"keeping", "privacy", "rehearsal", "setup"},
    {"service"},
    {"demo"},
    {"commands"},
    {"cli"},
)
"""The rooms of daemon/, from the ground up, as docs/how-it-works.md draws them."""


def imported(file: Path) -> Iterator[str]:
    """Every module of ours that this file names in an import, at the top or inside a function."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_room_of_the_daemon_has_a_floor() -> None:
    rooms = {
        path.stem for path in (ROOT / "daemon").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__"} == set().union(*FLOORS)


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_a_room_imports_only_from_the_floors_below_it(floor: int) -> None:
    below = set().union(*FLOORS[:floor])
    for room in FLOORS[floor]:
        path = ROOT / "daemon" / room
        files = list(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        assert files
        for file in files:
            used = {name.split(".")[1] for name in imported(file) if name.startswith("daemon.")}
            assert used <= below | {room}, file
