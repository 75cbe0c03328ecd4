"""A mailbox that shares: with whom, and which of its own folders stands for which category of the lender.

    `share` in the settings | the database is told, own models go | the lender's categories | folders here, by name

Folders that people rename here stay what they were; one that is called like a category of the lender is that category,
also where it was one of the mailbox's own before. A folder stands for one category alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

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
    mailbox has its own. One whose folder's name stands for another one here is left out."""
    lender = sharing.lender_of(tx, desk.mailbox_id)
    if lender is None:
        return None
    named = {category.folder for category in desk.settings.categories}
    lent = [
        category
        for category in mailboxes.categories(tx, lender)
        if (category.listed_as in named if named else category.paused is None)
    ]
    here = {folder.name for folder in listed}
    places = _places(lent, _Here.of(tx, desk, here))
    found = {}
    for category in lent:
        called = category.listed_as or category.folder
        folder = places.get(category.uid, category.folder)
        if category.uid in places or folder not in places.values():
            found[category.uid] = replace(category, folder=folder, listed_as=called, paused=None, mode=None)
    return found


@dataclass(frozen=True)
class _Here:
    """What is known of a member's own folders. `called`: present names by first ones; `stood`: which folder stood for a
    category so far, by its uid."""

    names: set[str]
    called: Mapping[str, str]
    stood: Mapping[str, str]

    @classmethod
    def of(cls, tx: Tx, desk: Desk, names: set[str]) -> _Here:
        called = now_called(mailboxes.folders(tx, desk.mailbox_id), names)
        stood = {category.uid: category.folder for category in mailboxes.categories(tx, desk.mailbox_id)}
        return cls(names, called, stood)

    def kept(self, category: Category, owners: Mapping[str, str]) -> str | None:
        """The folder that stood for it, but for one that is called like another of the lender's (`owners`) and was not
        renamed here: the lender's people have given the name away."""
        stood = self.stood.get(category.uid)
        keeps = stood in self.called.values() or owners.get(stood or "", category.uid) == category.uid
        return stood if keeps else None


def _places(lent: Sequence[Category], here: _Here) -> dict[str, str]:
    """By the uid the folder that is there and stands for it: each for one category alone."""
    owners = {category.folder: category.uid for category in lent}
    ways: Sequence[Callable[[Category], str | None]] = (
        lambda category: here.kept(category, owners),
        lambda category: here.called.get(category.listed_as or ""),
        lambda category: category.listed_as,
        lambda category: here.called.get(category.folder),
        lambda category: category.folder,
        lambda category: here.stood.get(category.uid),
    )
    places: dict[str, str] = {}
    for way in ways:
        for category in lent:
            folder = way(category)
            if folder in here.names and category.uid not in places and folder not in places.values():
                places[category.uid] = folder
    return places
