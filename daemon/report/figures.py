"""What Postroom tells Prometheus of its mailboxes. Names of mailboxes and versions are the only words in it."""

from __future__ import annotations

from datetime import datetime, timedelta

from daemon.report.exposition import Family
from daemon.report.story import mailbox_line
from daemon.rules.schedule import BROKEN_OFF
from daemon.store import messages, training
from daemon.store.database import Tx
from daemon.store.records import Mailbox

PERIOD = timedelta(days=7)
"""Of decisions and corrections: as `postroom status` counts them."""
STATES = ("new", "sorted", "left")


class Figures:
    """Gauges of the database, mailbox by mailbox."""

    def __init__(self) -> None:
        about = "postroom_mailbox_"
        self.looked = Family(f"{about}last_look_timestamp_seconds", "gauge", "When the last look that succeeded began.")
        self.arrived = Family(f"{about}last_arrival_timestamp_seconds", "gauge", "When new mail was seen last.")
        self.live = Family(f"{about}live", "gauge", "1: mail is moved or tagged; 0: in shadow.")
        self.problem = Family(f"{about}problem", "gauge", "1: paused, stopped, or in trouble with the server.")
        self.messages = Family("postroom_messages", "gauge", "Messages known, by what became of them.")
        self.decided = Family("postroom_week_decided", "gauge", "Messages decided about in the last 7 days.")
        self.filed = Family("postroom_week_filed", "gauge", "Of these filed, or in shadow: would have been.")
        self.overridden = Family("postroom_week_overridden", "gauge", "Of these put elsewhere by people.")
        self.ratio = Family("postroom_week_override_ratio", "gauge", "Overridden by filed in the last 7 days.")
        self.trained = Family(
            "postroom_training_last_start_timestamp_seconds", "gauge", "When the last training began."
        )
        self.took = Family("postroom_training_last_duration_seconds", "gauge", "How long the last one that ended took.")
        self.succeeded = Family("postroom_training_last_success", "gauge", "1: it came to its end; 0: it failed.")

    def add(self, tx: Tx, mailbox: Mailbox, now: datetime) -> None:
        """One mailbox's figures. Raises StoreError."""
        name = mailbox.name
        line, counts = mailbox_line(tx, mailbox, now - PERIOD), messages.counts(tx, mailbox.id)
        self.looked.add(_seconds(mailbox.polled), mailbox=name)
        self.arrived.add(_seconds(mailbox.last_arrival), mailbox=name)
        self.live.add(float(mailbox.mode == "live"), mailbox=name)
        for kind in ("paused", "stopped", "trouble"):
            self.problem.add(float(getattr(mailbox, kind) is not None), mailbox=name, kind=kind)
        for state in STATES:
            self.messages.add(float(counts.get(state, 0)), mailbox=name, state=state)
        self.decided.add(float(line["decided"]), mailbox=name)
        self.filed.add(float(line["filed"]), mailbox=name)
        self.overridden.add(float(line["overridden"]), mailbox=name)
        self.ratio.add(line["overridden"] / line["filed"] if line["filed"] else None, mailbox=name)
        for run in training.runs(tx, mailbox.id, limit=1):
            self.trained.add(_seconds(run.started), mailbox=name)
            if run.ended is not None:
                self.took.add((run.ended - run.started).total_seconds(), mailbox=name)
                self.succeeded.add(float(run.outcome not in ("failed", *BROKEN_OFF)), mailbox=name)

    def families(self) -> list[Family]:
        """All of them, in the order above."""
        return [family for family in vars(self).values() if isinstance(family, Family)]


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
