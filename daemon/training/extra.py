"""What tuning by gradient needs beside all else: the extra `tune`, which an installation may leave out."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from daemon.mistakes import PostroomError

if TYPE_CHECKING:
    from daemon.settings import Settings

MODULES = {"torch": "torch", "transformers": "transformers", "peft": "peft"}
"""Module: what it is called where it is installed from."""
INSTALL = "/opt/postroom/venv/bin/uv pip install --torch-backend auto --python /opt/postroom/venv '/opt/postroom[tune]'"
"""On a server without a graphics card that takes torch's build for CPUs."""


def missing() -> list[str]:
    """What is not installed of it. Looks, and imports nothing."""
    return [name for module, name in MODULES.items() if find_spec(module) is None]


def require(place: str, what: str) -> None:
    """Raises PostroomError at `place` that says what to install, where this installation cannot do `what`."""
    if absent := missing():
        raise PostroomError(
            place,
            f"{what} needs {', '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not installed.",
            f"Add the extra `tune`, as docs/installing.md says: {INSTALL}.",
        )


def require_for(settings: Settings) -> None:
    """Raises PostroomError where these settings ask for what this installation cannot make."""
    if settings.training.tuning == "answer":
        require("[training] tuning", '"answer"')
    if settings.engine.ELSEWHERE:
        require("[engine] kind", f'writing a model for "{settings.engine.kind}"')
