"""The daemon must stay light: torch and its friends live in the trainer's process only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import daemon

FORBIDDEN = ("torch", "transformers", "peft", "accelerate", "gguf", "trainer")


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
    root = Path(daemon.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
