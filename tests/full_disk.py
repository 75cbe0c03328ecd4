"""A state directory on a small disk that fills in the middle of a night: run in a process with mounts of its own.

    python -m tests.full_disk DISK BASE

    three mailboxes | the first one's training is at work: the disk is full | it ends | room again | the second trains

The last line is one JSON object: what the night did for each, and what the database knows of it.
"""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.base import MailText
from daemon.mistakes import PostroomError
from daemon.settings import Settings
from daemon.store import learning, mailboxes, training
from daemon.store.database import Database
from daemon.store.records import Category
from daemon.training.hand_over import train
from daemon.training.registry import Registry
from tests.lessons import office_rows

NAMES = ("office", "sales", "press")


def fill(ballast: Path) -> None:
    """Take all the room that is left."""
    for size in (1 << 16, 1 << 12, 1):
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while file.write(bytes(size)):
                pass


def main(disk: Path, base: Path) -> dict[str, Any]:
    """The night."""
    state, ballast = disk / "state", disk / "ballast"
    settings = Settings(state_dir=state, engine={"base": str(base), "max_tokens": 64}, training={"nice": 0})
    state.mkdir()
    database = Database.open(state / "postroom.sqlite")
    registry = Registry(database, settings.engine, state / "models")
    rows = office_rows(60)
    with database.begin() as tx:
        for name in NAMES:
            box = mailboxes.ensure(tx, name, "imap", "shadow", now()).id
            known = {
                kind: mailboxes.add_category(tx, box, Category("", kind, kind), now()).uid
                for kind in sorted({row["category"] for row in rows})
            }
            for row in rows:
                text = MailText(**{**row["text"], "attachments": ()})
                learning.teach(tx, box, known[row["category"]], text, now(), source="folder")

    def when_it_learns(event: Any) -> None:
        if event["stage"] == "cache":
            fill(ballast)

    found: dict[str, Any] = {}
    for name in NAMES[:2]:
        with database.read() as tx:
            known_box = mailboxes.find(tx, name)
        assert known_box is not None
        box = known_box.id
        progress = when_it_learns if name == "office" else None
        try:
            done = train(database, registry, settings, box, now, progress=progress)
            found[name] = [done.outcome, done.verdict]
        except PostroomError as error:
            found[name] = ["raised", str(error)]
        left = [path.name for path in (state / "training").glob("job-*")]
        found[f"{name} left"] = left
        ballast.unlink(missing_ok=True)
        with database.read() as tx:
            found[f"{name} runs"] = [[run.outcome, run.verdict] for run in training.runs(tx, box)]
    registry.close()
    database.close()
    return found


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
