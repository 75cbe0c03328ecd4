"""Lessons whose files were not read when they were taught, or in an older way, are read again: a few in a look.

    lessons not read in this way | few own words, and files? | fetched from where their mail lies | the lesson says more

So the models learn from old mail what they will see of new mail. What lies nowhere any more stays as it was, and is not
asked about again. What is not to be had just now is asked for once in each round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from connectors.base import MessageRef
from connectors.mail.own_words import says_little
from daemon.passes.desk import Desk
from daemon.passes.read_papers import fetch_read, way_of_reading
from daemon.store import files_later, messages
from daemon.store.database import Tx
from daemon.store.files_later import Unread
from daemon.store.learning import mail_text

log = structlog.get_logger()

A_LOOK = 50
"""Messages fetched for it in one look."""
EVERY = timedelta(hours=6)
"""Once nothing is left: what could not be read for lack of time is looked for so often."""


def read_again_now_and_then(desk: Desk) -> None:
    """`read_again`, in each look while there is something left. Raises ConnectorError."""
    if way_of_reading(desk) == 0:
        return
    if desk.all_read is None or abs(desk.clock() - desk.all_read) >= EVERY:
        desk.all_read = None if read_again(desk) else desk.clock()


def read_again(desk: Desk) -> bool:
    """Put into some lessons what their files say. Is there more to do? Raises ConnectorError."""
    if desk.stop() or desk.time_for_files.over:
        return True
    way = way_of_reading(desk)
    unread = _unread(desk, way)
    if unread.wanted and desk.attachments == "ocr" and not desk.files.can_see():
        way -= 1  # what pictures show waits for OCR, what is written does not
        unread = _unread(desk, way)
    wanted = unread.wanted
    if not (unread.nothing or wanted) or (wanted and not desk.files.can_read()):
        desk.read_in_vain.clear()
        return False
    found = {read.message.sighting.ref: read for read in fetch_read(desk, [ref for _, ref in wanted], learning=True)}
    more = 0
    with desk.database.begin() as tx:
        files_later.done(tx, unread.nothing, way)
        for lesson, ref in wanted:
            read = found.get(ref)
            if read is None or any(file.status == "unavailable" for file in read.files):
                # Moved since the look, which the next one tells; or not given, or not read, just now.
                desk.read_in_vain.add(lesson)
            elif read.papers:
                more += files_later.put(tx, desk.mailbox_id, lesson, read.message.text.attached_text, read.papers)
    if more:
        log.info("lessons-read-again", mailbox=desk.settings.name, lessons=more)
    if not unread.is_full and len(wanted) < A_LOOK:
        desk.read_in_vain.clear()
        return False
    return True


@dataclass(frozen=True)
class _Page:
    """Some lessons not yet read. `nothing`: of these there is nothing to be read. `wanted`: which a look takes, and
    where their mails lie. `is_full`: behind it there may be more."""

    nothing: list[int]
    wanted: list[tuple[int, MessageRef]]
    is_full: bool


def _unread(desk: Desk, way: int) -> _Page:
    with desk.database.read() as tx:
        whole = files_later.unread(tx, desk.mailbox_id, way)
        page = [one for one in whole if one.lesson not in desk.read_in_vain]
        places = {one.lesson: _place(tx, one) for one in page if _has_files(one)}
    nothing = [one.lesson for one in page if places.get(one.lesson) is None]
    wanted = [(lesson, ref) for lesson, ref in places.items() if ref is not None][:A_LOOK]
    return _Page(nothing, wanted, len(whole) == files_later.A_PAGE)


def _has_files(one: Unread) -> bool:
    text = mail_text(one.text)
    return one.message is not None and bool(text.attachments) and says_little(text)


def _place(tx: Tx, one: Unread) -> MessageRef | None:
    assert one.message is not None
    lying: Sequence[MessageRef] = [place.ref for place in messages.sightings(tx, one.message) if place.gone is None]
    return lying[-1] if lying else None
