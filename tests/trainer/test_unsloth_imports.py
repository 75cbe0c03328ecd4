"""Unsloth's environment holds none of our dependencies, so its worker may import none of them either.

`make test-unsloth` proves it there, in minutes; this proves it in seconds, in our own environment, with every
distribution refused that torch, transformers and peft do not bring along.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from trainer.answer import unsloth_worker
from trainer.answer.backends import ROOT, WORKER

BROUGHT_ALONG = ("torch", "transformers", "peft", "safetensors", "tokenizers", "numpy")
"""What Unsloth itself requires, and the worker needs."""

REFUSING = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{name} is not in Unsloth's environment", name=name)

sys.meta_path.insert(0, Refuse())
"""


def brought_along() -> set[str]:
    """The distributions that `BROUGHT_ALONG` need here, themselves included."""
    found: set[str] = set()
    wanted = list(BROUGHT_ALONG)
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name in found:
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.add(name)
        needs = map(Requirement, requires)
        wanted += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def refused() -> set[str]:
    """Top-level modules of every other distribution that is installed here."""
    known = brought_along()
    ours = {"postroom"}  # the project itself: the worker is given its folder
    return {
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & (known | ours)
    }


def imports_of_the_worker() -> str:
    """Every import statement of the worker, also those inside functions, but for Unsloth's own."""
    tree = ast.parse(Path(unsloth_worker.__file__).read_text("utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    future = [node for node in found if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    kept = [node for node in found if node not in future and "unsloth" not in ast.unparse(node)]
    return "\n".join(map(ast.unparse, kept))


def run(script: str) -> subprocess.CompletedProcess[str]:
    program = f"REFUSED = {sorted(refused())!r}\n{REFUSING}\n{script}"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_worker_imports_nothing_that_unsloths_environment_lacks() -> None:
    imports = imports_of_the_worker()
    assert "trainer.answer.answering" in imports
    assert "trainer.answer.adapters" in imports
    done = run(f"{imports}\nprint('imported')")
    assert done.stdout.strip() == "imported", done.stderr.strip().splitlines()[-1]


def test_the_refusal_refuses() -> None:
    assert {"ctranslate2", "structlog", "sqlalchemy", "imapclient"} <= refused()
    assert "No module" not in run("import torch, transformers").stderr
    assert "ctranslate2 is not in Unsloth's environment" in run("import daemon.model.engines.embedded").stderr


def test_the_worker_is_the_module_that_the_back_end_runs() -> None:
    assert unsloth_worker.__name__ == WORKER
