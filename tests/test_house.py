"""The shape of the house: whoever knows a module's name finds one file."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

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
