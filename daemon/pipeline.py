"""One pass over one mailbox.

recover   finish or explain what a crash cut short
look      what arrived, what moved, what left           -> recorded with the connector's cursor
          (a mailbox that looks wrong stops here, until a person resumes it: `daemon.guard`)
correct   what people moved, once it has settled        -> corrections and lessons; too many: roll back or pause
confirm   what people read where we put it, and let be  -> evidence for thresholds, now and then
sort      new messages whose time has come              -> decisions and actions
"""

from __future__ import annotations

from dataclasses import dataclass

from daemon import guard
from daemon.act import recover
from daemon.correct import correct
from daemon.desk import Desk
from daemon.evidence import confirm_now_and_then
from daemon.look import Looked, look
from daemon.sort import Sorted, sort
from daemon.store import mailboxes
from daemon.store.records import Mailbox


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
    with desk.turn():
        return _pass(desk)


def _pass(desk: Desk) -> Pass:
    if (stopped := _mailbox(desk).stopped) is not None:
        return Pass(0, Looked(), 0, Sorted(), stopped)
    recovered = recover(desk)
    try:
        looked = look(desk)
    except guard.LooksWrong as problem:
        return Pass(recovered, Looked(), 0, Sorted(), guard.stop(desk, problem))
    guard.looked(desk)
    corrections = correct(desk)
    if corrections:
        guard.check_overrides(desk)
    confirm_now_and_then(desk)
    paused = _mailbox(desk).paused
    return Pass(recovered, looked, corrections, Sorted() if paused else sort(desk), paused)


def _mailbox(desk: Desk) -> Mailbox:
    with desk.database.begin() as tx:
        found = mailboxes.find(tx, desk.settings.name)
    assert found is not None
    return found
