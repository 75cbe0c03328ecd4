"""One pass over one mailbox.

check     after a crash: is this still our mailbox?     (one that looks wrong stops, until a person resumes it:
recover   finish or explain what the crash cut short     `daemon.passes.guard`)
look      what arrived, what moved, what left           -> recorded with the connector's cursor; checked as well
correct   what people moved, once it has settled        -> corrections and lessons; too many: roll back or pause
believe   bulk moves that have stood a week             -> lessons, now and then
confirm   what people read where we put it, and let be  -> evidence for thresholds, now and then
sort      new messages whose time has come              -> decisions and actions
read      old lessons' files that were never read       -> the lessons say what they say, a few in a look
"""

from __future__ import annotations

from dataclasses import dataclass

from daemon.passes import guard
from daemon.passes.act import recover
from daemon.passes.arrivals import Looked
from daemon.passes.ask_first import believe_now_and_then
from daemon.passes.correct import correct, has_settled
from daemon.passes.desk import Desk
from daemon.passes.evidence import confirm_now_and_then
from daemon.passes.file_reading import PICTURES_A_LOOK, SECONDS_A_LOOK, TimeForFiles
from daemon.passes.go_live import go_live
from daemon.passes.look import Known, check, look
from daemon.passes.read_again import read_again_now_and_then
from daemon.passes.sort import Sorted, has_due, sort
from daemon.store import journal, mailboxes
from daemon.store.ahead import put_right, written_ahead


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
    now = desk.clock()
    desk.time_for_files = TimeForFiles(SECONDS_A_LOOK, PICTURES_A_LOOK)
    latest = now + desk.sorting.act_after, now  # that new mail may be due, and that a place may have been seen
    with desk.database.read() as tx:
        before = mailboxes.get(tx, desk.mailbox_id)
        cut_short = journal.unfinished(tx, desk.mailbox_id)
        ahead = written_ahead(tx, desk.mailbox_id, *latest)
        known = Known.of(tx, desk, before)
    if before.stopped is not None:
        return Pass(0, Looked(), 0, Sorted(), before.stopped)
    if ahead:
        with desk.database.begin() as tx:
            put_right(tx, desk.mailbox_id, *latest)
    desk.connector.remember(before.cursor)
    recovered = 0
    try:
        if cut_short:  # to a mailbox that is not ours, our half-done move would look like somebody's
            check(desk)
            recovered = recover(desk)
        looked = look(desk, None if ahead or cut_short else known)
    except guard.LooksWrong as problem:
        return Pass(recovered, Looked(), 0, Sorted(), guard.stop(desk, problem))
    guard.looked(desk, before)
    paused, settled, due = _asked(desk)
    corrections = correct(desk) if settled else 0
    if corrections:
        guard.check_overrides(desk)
        go_live(desk)
    believe_now_and_then(desk)
    confirm_now_and_then(desk)
    if settled:  # anew: we may just have paused it
        paused, _, due = _asked(desk)
    done = sort(desk) if due and not paused else Sorted()
    read_again_now_and_then(desk)
    return Pass(recovered, looked, corrections, done, paused)


def _asked(desk: Desk) -> tuple[str | None, bool, bool]:
    """Why the mailbox is paused; has anything settled that people did; is mail to be sorted?"""
    with desk.database.read() as tx:
        return mailboxes.get(tx, desk.mailbox_id).paused, has_settled(tx, desk), has_due(tx, desk)
