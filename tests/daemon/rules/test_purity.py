"""What the folder promises: rules reach no database, no connector that acts, no clock and no I/O, however far away."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import ROOT

PRODUCT = ("connectors", "daemon", "trainer")
PURE = frozenset({"__future__", "abc", "bisect", "collections", "dataclasses", "datetime", "enum", "functools"})
PURE |= {"itertools", "math", "re", "types", "typing", "unicodedata"}
"""The only modules that come from elsewhere. `datetime` is one of them for its values; who asks it for now is found."""
MAIL_WORLD = frozenset({"connectors", "connectors.base", "connectors.errors"})
STORE = frozenset({"daemon.store", "daemon.store.records"})
ASKS_THE_WORLD = frozenset({"open", "print", "input", "exec", "eval", "__import__"})
ASKS_THE_CLOCK = frozenset({"now", "utcnow", "today"})
SETS_THREADS = "daemon"
"""The package itself sets one variable of the environment, before any library is loaded. It decides nothing."""


def file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


class Imports(ast.NodeVisitor):
    """Every module that is imported when this one runs, wherever the line stands; not what types alone need."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(name.name for name in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute here"
        module = node.module or ""
        self.found.add(module)
        self.found.update(f"{module}.{name.name}" for name in node.names if file_of(f"{module}.{name.name}"))


@cache
def tree_of(module: str) -> ast.Module:
    file = file_of(module)
    assert file is not None, module
    return ast.parse(file.read_text("utf-8"))


def imports_of(module: str) -> set[str]:
    """With the packages that are run on the way to each."""
    visitor = Imports()
    visitor.visit(tree_of(module))
    parts = [name.split(".") for name in (*visitor.found, module)]
    return {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)} - {module}


def reached_from(module: str) -> set[str]:
    """All modules of the product that run with this one, and this one."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen and name != SETS_THREADS:
            seen.add(name)
            waiting += [each for each in imports_of(name) if each.split(".")[0] in PRODUCT]
    return seen


def impurities(module: str) -> Iterator[str]:
    """In words, each thing that this module or one that runs with it does and a rule may not."""
    for name in sorted(reached_from(module)):
        for imported in sorted(imports_of(name)):
            top = imported.split(".")[0]
            if top not in PRODUCT and top not in PURE:
                yield f"{name} imports {imported}"
            if top == "connectors" and imported not in MAIL_WORLD:
                yield f"{name} imports {imported}: only the contract is pure"
            if imported.startswith("daemon.store") and imported not in STORE:
                yield f"{name} imports {imported}: of the store only records"
        for node in ast.walk(tree_of(name)):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in ASKS_THE_WORLD:
                yield f"{name} calls {node.func.id}"
            if isinstance(node.func, ast.Attribute) and node.func.attr in ASKS_THE_CLOCK:
                yield f"{name} asks for {node.func.attr}"


RULES = sorted(f"daemon.rules.{file.stem}" for file in (ROOT / "daemon" / "rules").glob("*.py"))


@pytest.mark.parametrize("module", RULES)
def test_rules_are_pure(module: str) -> None:
    assert list(impurities(module.removesuffix(".__init__"))) == []


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("daemon.store.database", "daemon.store.database imports sqlite3"),
        ("daemon.store.learning", "daemon.store.database imports sqlalchemy"),
        ("daemon.passes.desk", "daemon.passes.desk asks for now"),
        ("daemon.settings.windows", "daemon.settings imports os"),
        (
            "daemon.passes.decide",
            "daemon.passes.decide imports daemon.store.learning: of the store only records",
        ),
        ("connectors.in_memory", "connectors.in_memory imports connectors.mail: only the contract is pure"),
    ],
)
def test_what_is_not_pure_is_found_however_far_away(module: str, said: str) -> None:
    assert said in list(impurities(module))


def test_the_store_leans_on_no_rule() -> None:
    stores = [
        f"daemon.store.{file.stem}" for file in (ROOT / "daemon" / "store").glob("*.py") if file.stem != "__init__"
    ]
    assert {each for module in stores for each in reached_from(module) if each.startswith("daemon.rules")} == set()
