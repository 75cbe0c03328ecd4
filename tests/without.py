"""An installation without the extra `tune`, on a machine that has it: its modules cannot be imported."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from tests import ROOT

WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] in {modules!r}:
            print("WANTED", name, file=sys.stderr, flush=True)
            return None
        return super().find_spec(name, path, target)

sys.meta_path[:] = [Without if each is PathFinder else each for each in sys.meta_path]
"""


def project() -> dict[str, Any]:
    """What pyproject.toml says of us."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def modules_of(requirements: Iterable[str]) -> set[str]:
    """The modules that these distributions install."""
    names = {re.split(r"[<>=~!\[ ]", line)[0].lower() for line in requirements}
    return {module for module, owners in packages_distributions().items() if names & {name.lower() for name in owners}}


def tuning_modules() -> set[str]:
    """What the extra `tune` brings and the plain installation does not."""
    ours = project()
    return modules_of(ours["optional-dependencies"]["tune"]) - modules_of(ours["dependencies"])


def plainly_installed(folder: Path) -> dict[str, str]:
    """The environment of a Python that has nothing of the extra, and says on standard error who wanted it."""
    place = folder / "without"
    place.mkdir()
    (place / "sitecustomize.py").write_text(WITHOUT.format(modules=sorted(tuning_modules())), encoding="utf-8")
    return {"PYTHONPATH": str(place)}
