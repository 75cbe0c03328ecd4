"""Lessons whose files were not read when they were taught, or in an older way, are read again: a few in a look.

    lessons not read in this way | few own words, and files? | fetched from where their mail lies | the lesson says more

So the models learn from old mail what they will see of new mail. What lies nowhere any more stays as it was; nothing is
asked twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from connectors.base import MessageRef
from connectors.mail.own_words import says_little
from daemon.passes.desk import Desk
from daemon.passes.read_papers import fetch_read, way_of_reading
from daemon.store import files_later, messages
from daemon.store.database import Tx
from daemon.store.files_later import A_PAGE, Unread
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
    way = way_of_reading(desk)
    with desk.database.read() as tx:
        page = files_later.unread(tx, desk.mailbox_id, way)
        places = {one.lesson: _place(tx, one) for one in page if _has_files(one)}
    wanted = [(lesson, ref) for lesson, ref in places.items() if ref is not None][:A_LOOK]
    if not page or (wanted and not desk.files.can_read()):
        return False
    nothing = [one.lesson for one in page if places.get(one.lesson) is None]
    found = {read.message.sighting.ref: read for read in fetch_read(desk, [ref for _, ref in wanted], learning=True)}
    more = 0
    with desk.database.begin() as tx:
        files_later.done(tx, [*nothing, *(lesson for lesson, ref in wanted if ref not in found)], way)
        for lesson, ref in wanted:
            if ref in found and (read := found[ref]).papers:
                text = read.message.text.attached_text
                more += files_later.put(tx, desk.mailbox_id, lesson, text, read.papers)
    if more:
        log.info("lessons-read-again", mailbox=desk.settings.name, lessons=more)
    return len(page) == A_PAGE or len(wanted) == A_LOOK


def _has_files(one: Unread) -> bool:
    text = mail_text(one.text)
    return one.message is not None and bool(text.attachments) and says_little(text)


def _place(tx: Tx, one: Unread) -> MessageRef | None:
    assert one.message is not None
    lying: Sequence[MessageRef] = [place.ref for place in messages.sightings(tx, one.message) if place.gone is None]
    return lying[-1] if lying else None
