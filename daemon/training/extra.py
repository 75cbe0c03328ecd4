"""What training needs beside what the service needs: the extra `train`, which an installation may leave out."""

from __future__ import annotations

from importlib.util import find_spec

from daemon.mistakes import PostroomError

MODULES = {
    "torch": "torch",
    "transformers": "transformers",
    "peft": "peft",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
}
"""Module: what it is called where it is installed from."""


def missing() -> list[str]:
    """What is not installed of it. Looks, and imports nothing."""
    return [name for module, name in MODULES.items() if find_spec(module) is None]


def require(place: str) -> None:
    """Raises PostroomError at `place` that says what to install, where this installation cannot train."""
    if absent := missing():
        raise PostroomError(
            place,
            f"this installation cannot train: {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed.",
            "Add the extra `train`, as docs/installing.md says: /opt/postroom/venv/bin/uv pip install "
            "--torch-backend auto --python /opt/postroom/venv '/opt/postroom[train]'.",
        )
