"""`status` says which categories file nothing for now, and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.base import Identity, MessageRef, Sighting
from daemon.cli import postroom
from daemon.model.prediction import Point
from daemon.store import decisions, learning, mailboxes, messages
from daemon.store.database import Database
from daemon.store.records import Category
from tests.a_model import MIN_EXAMPLES, VERSION, put_model

CONFIG = """
state_dir = "{state}"

[sorting]
min_examples = {least}

[[mailbox]]
name = "office"
kind = "imap"
host = "localhost"
user = "u"
credential = "c"
"""
FOLDERS = ("Bills", "Orders")


def filed_and_put_right(database: Database, box: int, number: int, uids: dict[str, str], right: bool) -> None:
    """One mail that the model filed in Bills, and that a person put into Orders, or by hand into Bills."""
    at = datetime.now(UTC) - timedelta(hours=9 - number)
    to = "Bills" if right else "Orders"
    seen = Sighting(MessageRef("Bills", 1, number), Identity(None, f"<{number}@x>", f"f{number}"), at)
    with database.begin() as tx:
        message = messages.add(tx, box, seen, "placed", at, None)
        made = decisions.add(
            tx,
            message,
            at,
            category=uids["Bills"],
            best=uids["Bills"],
            probability=0.99,
            runner_up=None,
            runner_up_probability=None,
            source="model",
            reason="",
            model=VERSION,
            mode="live",
        )
        learning.add_correction(
            tx,
            message,
            at,
            "agreement" if right else "correction",
            from_category=uids["Bills"],
            to_category=uids[to],
            from_folder="Bills",
            to_folder=to,
            who=None,
            decision=made,
        )


@pytest.mark.parametrize(("wrong", "right", "rests"), [(1, 0, False), (2, 0, True), (2, 1, True), (2, 3, False)])
def test_status_says_what_rests_and_what_ends_it(tmp_path: Path, wrong: int, right: int, rests: bool) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = Database.open(state / "postroom.sqlite")
    now = datetime.now(UTC)
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", now).id
        found = {name: mailboxes.add_category(tx, box, Category("", name, name), now) for name in FOLDERS}
    uids = {name: category.uid for name, category in found.items()}
    put_model(state, "office", now, [Point(uid, uid, 0.9, True) for uid in uids.values() for _ in range(100)])
    for number in range(wrong + right):
        filed_and_put_right(database, box, number, uids, number >= wrong)
    database.close()
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=state, least=MIN_EXAMPLES))
    words = "Bills rests, so nothing is filed there for now"
    said = CliRunner().invoke(postroom, ["--config", str(config), "status"]).stdout
    assert (words in " ".join(said.split())) is rests
    told = json.loads(CliRunner().invoke(postroom, ["--config", str(config), "status", "--json"]).stdout)
    remarks = {one["name"]: one["rests"] for one in told["mailboxes"][0]["categories"]}
    assert remarks["Orders"] is None
    assert (remarks["Bills"] or "").startswith(words) is rests
