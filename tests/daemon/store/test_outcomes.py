"""What became of decisions is asked for every batch: what that costs, counted in steps of SQLite."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from daemon.store import mailboxes, outcomes
from daemon.store import tables as t
from daemon.store.database import Database
from tests.fakes import START


@pytest.mark.parametrize("sources", [("model",), ("model", "newcomer"), outcomes.HINTS])
def test_outcomes_cost_by_the_decisions_and_not_by_their_square(
    tmp_path: Path, sources: tuple[outcomes.DecisionSource, ...]
) -> None:
    """Some dozen steps for every decision; in a mailbox of 100,000 it took half a minute a batch."""
    count = 1500
    database = Database.open(tmp_path / "postroom.sqlite")
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 100
        return 0

    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        known = {"mailbox_id": box, "digest": "", "first_seen": START, "state": "sorted"}
        made = {"at": START, "probability": 0.9, "reason": "", "mode": "live", "source": sources[0]}
        numbers = range(1, count + 1)
        tx.execute(insert(t.messages), [{"id": number, **known} for number in numbers])
        tx.execute(insert(t.decisions), [{"message_id": number, **made} for number in numbers])
        server = tx.connection.driver_connection
        assert server is not None
        server.set_progress_handler(step, 100)
        outcomes.known(tx, box, START - timedelta(days=60), 1000, sources)
        server.set_progress_handler(None, 0)
    database.close()
    assert steps < 100 * count
