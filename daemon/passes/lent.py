"""A mailbox that shares: with whom, and which of its own folders stands for which category of the lender.

    `share` in the settings | the database is told, own models go | the lender's categories | folders here, by name

Folders that people rename here stay what they were; one that is called like a category of the lender is that category,
also where it was one of the mailbox's own before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from connectors.base import Folder
from daemon.passes.desk import Desk
from daemon.rules.renames import now_called
from daemon.store import mailboxes, sharing, training
from daemon.store.database import Tx
from daemon.store.records import Category

log = structlog.get_logger()


def keep_share(desk: Desk) -> None:
    """Let the database know with whom this mailbox shares, as the settings say. One that begins to share gives its own
    model up; whoever ends it begins anew with its own lessons. Raises StoreError."""
    wanted = desk.settings.share
    with desk.database.read() as tx:
        lender = mailboxes.find(tx, wanted) if wanted else None
        before = sharing.lender_of(tx, desk.mailbox_id)
        own = [model for model in training.models(tx, desk.mailbox_id) if model.state != "removed"]
    after = None if lender is None else lender.id
    if after == before:
        return
    if before is None:
        desk.registry.remove(desk.mailbox_id, own)
    with desk.database.begin() as tx:
        sharing.borrow(tx, desk.mailbox_id, after)
    log.info("shares", mailbox=desk.settings.name, lender=wanted or None, models_removed=0 if before else len(own))


def lent_to(tx: Tx, desk: Desk, listed: Sequence[Folder]) -> dict[str, Category] | None:
    """By the uid the lender's categories that are in use, each with the folder that stands for it here; None: this
    mailbox has its own."""
    lender = sharing.lender_of(tx, desk.mailbox_id)
    if lender is None:
        return None
    here = {folder.name for folder in listed}
    called = now_called(mailboxes.folders(tx, desk.mailbox_id), here)
    mine = {category.uid: category.folder for category in mailboxes.categories(tx, desk.mailbox_id)}
    named = {category.folder for category in desk.settings.categories}
    found = {}
    for category in mailboxes.categories(tx, lender):
        if category.listed_as in named if named else category.paused is None:
            found[category.uid] = _here(category, mine.get(category.uid), here, called)
    return found


def _here(category: Category, mine: str | None, here: set[str], called: Mapping[str, str]) -> Category:
    names = [mine, *(called.get(name, name) for name in (category.listed_as, category.folder) if name)]
    folder = next((name for name in names if name in here), None) or names[-1] or category.folder
    return Category(
        category.uid,
        category.name,
        folder,
        category.description,
        category.hides,
        category.precision,
        listed_as=category.listed_as or category.folder,
        tag=category.tag,
    )
