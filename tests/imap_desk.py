"""A desk on a real mailbox: pass, journal and connector as they are, and a model that says what a test wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.imap import ImapSettings
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.passes.one_pass import one_pass
from daemon.rules.decision import Policy
from daemon.settings import SortingSettings
from daemon.store import decisions, mailboxes, messages
from daemon.store.database import Database, Tx
from tests.fakes import Clock, FakeClassifier, FakeRegistry, good_hints
from tests.imap_fixtures import ImapWorld


def open_desk(
    world: ImapWorld,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    sorting: dict[str, Any] | None = None,
    **more: Any,
) -> Desk:
    """Live, after its first look. Mail whose subject begins with "order" belongs to Orders, and the model is sure."""
    values = {"name": "office", "host": "localhost", "credential": "c", "mode": "live", "user": "office@example.org"}
    database = Database.open(folder / "postroom.sqlite")
    settings = ImapSettings(**{**values, "tls": "none", **more})
    with database.begin() as tx:
        known = mailboxes.ensure(tx, settings.name, settings.kind, settings.mode, Clock()())
    model = FakeClassifier({})
    registry: Any = FakeRegistry(model)
    rules = SortingSettings(**(sorting or {}))
    desk = Desk(settings, rules, database, world.connector, registry, known.id, Clock())
    list_folders(desk)
    with database.begin() as tx:
        uids = {category.folder: category.uid for category in mailboxes.categories(tx, known.id)}
    model.answers = {"order": {uids[world.second]: 0.99, uids[world.first]: 0.01}}

    def policy(tx: Tx, desk: Desk, classifier: Any) -> Policy:
        categories = {category.uid: category for category in mailboxes.categories(tx, desk.mailbox_id)}
        wanted = dict.fromkeys(uids.values(), 0.9)
        return Policy(categories, wanted, "m1", wanted=wanted, tried=good_hints())

    monkeypatch.setattr("daemon.passes.decide.current_policy", policy)
    one_pass(desk)
    return desk


def pass_time(desk: Desk, **duration: float) -> None:
    """Look, let time pass, and look again."""
    assert isinstance(desk.clock, Clock)
    one_pass(desk)
    desk.clock.advance(**duration)
    one_pass(desk)


def reasons(desk: Desk, message_id: str) -> list[str]:
    """Every reason that `postroom why` would show for this message."""
    with desk.database.begin() as tx:
        found = messages.named(tx, desk.mailbox_id, message_id)
        return [decision.reason for message in found for decision in decisions.of_message(tx, message.id)]
