"""One pass over one mailbox.

recover   finish or explain what a crash cut short
look      what arrived, what moved, what left           -> recorded with the connector's cursor
correct   what people moved, once it has settled        -> corrections and lessons
sort      new messages whose time has come              -> decisions and actions
"""

from __future__ import annotations

from dataclasses import dataclass

from daemon.act import recover
from daemon.correct import correct
from daemon.desk import Desk
from daemon.look import Looked, look
from daemon.sort import Sorted, sort
from daemon.store import mailboxes


@dataclass(frozen=True)
class Pass:
    """What one pass did."""

    recovered: int
    looked: Looked
    corrections: int
    sorted: Sorted
    paused: str | None = None


def one_pass(desk: Desk) -> Pass:
    """Do all of the above. Raises ConnectorError and StoreError; whatever was recorded by then stays true."""
    recovered = recover(desk)
    looked = look(desk)
    corrections = correct(desk)
    with desk.database.begin() as tx:
        mailbox = mailboxes.find(tx, desk.settings.name)
    paused = mailbox.paused if mailbox else None
    return Pass(recovered, looked, corrections, Sorted() if paused else sort(desk), paused)
