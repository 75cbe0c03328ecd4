"""With `auto_live` a category is sorted as soon as people have shown that it would be right.

    shadow decisions of the last weeks, what people did with that mail | daemon.rules.earned  ->  live, one by one

Only categories of which nobody has said anything: what a person set to shadow stays there.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from daemon.passes.desk import Desk
from daemon.rules.earned import has_earned, shown
from daemon.store import decisions, mailboxes
from daemon.store.database import Tx
from daemon.store.records import Category
from daemon.training.policy import WITHIN, wanted_precision

log = structlog.get_logger()


def go_live(desk: Desk) -> list[str]:
    """Let every category act that has earned it. Returns their names."""
    if not desk.sorting.auto_live:
        return []
    now = desk.clock()
    with desk.database.read() as tx:
        ready = _ready(tx, desk, now)
    if not ready:
        return []
    with desk.database.begin() as tx:
        ready = _ready(tx, desk, now)  # a person may have said something meanwhile
        for category in ready:
            mailboxes.update_category(tx, desk.mailbox_id, category.uid, mode="live")
    for category in ready:
        log.warning("category-live", mailbox=desk.settings.name, category=category.uid)
    return [category.name for category in ready]


def _ready(tx: Tx, desk: Desk, now: datetime) -> list[Category]:
    mailbox = mailboxes.get(tx, desk.mailbox_id)
    if mailbox.mode == "live" or mailbox.paused is not None:
        return []
    since = max(now - WITHIN, mailbox.evidence_from or now - WITHIN)
    was = shown(decisions.filed_since(tx, desk.mailbox_id, since, "shadow"))
    return [
        category
        for category in mailboxes.categories(tx, desk.mailbox_id)
        if category.mode is None
        and category.paused is None
        and category.uid in was
        and has_earned(was[category.uid], wanted_precision(category, desk.sorting))
    ]
