"""Where trainings work below the state directory, and which work now."""

from __future__ import annotations

from contextlib import suppress
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


def working(training_dir: Path) -> dict[str, str]:
    """The places at which a training works now, and the name of its mailbox. Takes nothing. Raises PostroomError if one
    may not look."""
    found = {}
    for place in training_dir.glob("place-*"):
        if holder_of(place) is not None:
            with suppress(OSError):
                found[place.name] = place.read_text("utf-8", "replace")
    return found


def at_work(state_dir: Path) -> bool:
    """Does a training work here now? Takes nothing. Raises PostroomError if one may not look."""
    return (state_dir / "training").exists() and bool(working(in_state_dir(state_dir)))
