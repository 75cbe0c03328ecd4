"""The daemon must stay light: torch and its friends live in the trainer's process only."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import ROOT

FORBIDDEN = ("torch", "transformers", "peft", "accelerate", "gguf", "sklearn", "scipy", "trainer")


def test_no_module_of_the_daemon_loads_torch_or_the_trainer() -> None:
    script = f"""
import importlib, pkgutil, sys
import daemon
for module in pkgutil.walk_packages(daemon.__path__, "daemon."):
    # Alembic runs these files inside a migration; they import nothing but SQLAlchemy and cannot be imported alone.
    if ".migrations" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(sorted(name for name in {FORBIDDEN!r} if name in sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(("given", "found"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
@pytest.mark.parametrize("package", ["daemon", "trainer"])
def test_threads_sleep_early_unless_told_otherwise(package: str, given: dict[str, str], found: str) -> None:
    script = (
        f"import {package}, os, sys; print(os.environ['GOMP_SPINCOUNT'], {{'torch', 'ctranslate2'}} & set(sys.modules))"
    )
    environ = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"} | given
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert result.stdout.split(" ", 1) == [found, "set()\n"], result.stderr
