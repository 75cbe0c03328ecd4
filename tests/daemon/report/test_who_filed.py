"""`status --json` tells who filed, and how much of it people moved."""

from __future__ import annotations

from typing import Any

from daemon.passes.sort import write_down
from daemon.report.story import mailbox_status
from daemon.rules.decision import Decision
from daemon.store import decisions, mailboxes
from tests.daemon.passes.test_pipeline import Office, make_office, office
from tests.fakes import START

__all__ = ["make_office", "office"]  # fixtures


def test_status_counts_filings_and_moves_elsewhere_by_who_filed(office: Office) -> None:
    office.deliver("invoice 1", message_id="<1@x>")
    office.deliver("invoice 2", message_id="<2@x>")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.settle()
    office.deliver("puzzle 3")
    office.settle()
    thread = Decision(office.uids["Orders"], "thread", "same thread")
    with office.database.begin() as tx:
        last = decisions.since(tx, office.desk.mailbox_id, START)[-1]
        write_down(tx, last.message, office.clock(), thread, "m1", "live")
    with office.database.read() as tx:
        box = mailboxes.get(tx, office.desk.mailbox_id)
        told: dict[str, Any] = mailbox_status(tx, box, START, lambda: False)
    assert told["who_filed"] == {
        "model": {"filed": 2, "overridden": 1},
        "thread": {"filed": 1, "overridden": 0},
        "memory": {"filed": 0, "overridden": 0},
        "copy": {"filed": 0, "overridden": 0},
        "owner": {"filed": 0, "overridden": 0},
    }
    assert (told["filed"], told["overridden"]) == (3, 1)
