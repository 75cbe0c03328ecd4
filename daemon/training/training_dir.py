"""Where trainings work below the state directory, and whether one does now."""

from __future__ import annotations

from pathlib import Path

from daemon.mistakes import PostroomError
from daemon.state.lock import holder_of


def in_state_dir(state_dir: Path) -> Path:
    """Where trainings work, made if need be. Raises PostroomError."""
    place = state_dir / "training"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PostroomError(
            str(place),
            f"cannot be made a folder ({error.strerror}).",
            "Remove what is in the way there, or give the state directory to the service's user.",
        ) from None
    return place


def at_work(state_dir: Path) -> bool:
    """Does a training work here now? Takes nothing. Raises PostroomError if one may not look."""
    place = state_dir / "training"
    return place.exists() and holder_of(in_state_dir(state_dir) / "lock") is not None
