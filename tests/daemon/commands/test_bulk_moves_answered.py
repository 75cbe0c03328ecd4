"""`corrections --batches`, `--accept` and `--void`, and where else it is told that a bulk move waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.cli import postroom
from daemon.mistakes import PostroomError
from daemon.store import batches, learning, mailboxes, messages
from daemon.store.database import Database, Tx
from daemon.store.records import Category
from tests.fakes import START

CONFIG = """
state_dir = "{state}"

[[mailbox]]
name = "office"
kind = "imap"
host = "localhost"
user = "u"
credential = "c"
"""


def bulk_move(tx: Tx, box: int, uid: str, count: int, first: int) -> int:
    """So many were dragged from the inbox to Invoices. Returns the batch."""
    batch = batches.open_batch(tx, box, "Invoices", None, START)
    for number in range(first, first + count):
        ref = MessageRef("Invoices", 1, number)
        message = messages.add(
            tx, box, Sighting(ref, Identity(None, f"<m{number}@x>", f"d{number}")), "left", START, None
        )
        place = messages.add_sighting(tx, box, message, ref, START, ours=False, who=None, judged=True)
        more = {"from_category": None, "to_category": uid, "from_folder": "INBOX", "to_folder": "Invoices"}
        made = learning.add_correction(
            tx, message, START, "filing", **more, who=None, decision=None, moved=START, sighting=place
        )
        text = MailText(sender="Ann <ann@example.org>", subject=f"Secret deal {number}", body=f"We sell {number}")
        batches.put_into(tx, batch, made, text)
    return batch


@pytest.fixture
def box(tmp_path: Path) -> tuple[Database, int]:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = Database.open(state / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        uid = mailboxes.add_category(tx, box, Category("", "Bills", "Invoices"), START).uid
        assert bulk_move(tx, box, uid, 30, 1) == 1
        assert bulk_move(tx, box, uid, 30, 100) == 2
    return database, box


@pytest.fixture
def command(tmp_path: Path, box: tuple[Database, int]) -> Callable[..., Result]:
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=tmp_path / "state"))

    def run(*arguments: str) -> Result:
        done = CliRunner().invoke(postroom, ["--config", str(config), *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


def lessons(box: tuple[Database, int]) -> int:
    with box[0].read() as tx:
        return sum(learning.lesson_counts(tx, box[1]).values())


def asked(command: Callable[..., Result]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(command("corrections", "--batches", "--json").stdout)
    return found


def test_open_bulk_moves_are_listed_and_answered_as_one(
    box: tuple[Database, int], command: Callable[..., Result]
) -> None:
    assert [(found["batch"], found["messages"], found["from"], found["to"]) for found in asked(command)] == [
        ("B1", 30, {"INBOX": 30}, "Invoices"),
        ("B2", 30, {"INBOX": 30}, "Invoices"),
    ]
    assert asked(command)[0]["category"] == "Bills"
    assert "Secret" not in command("corrections", "--batches", "--json").stdout
    shown = command("corrections", "--batches").stdout
    assert "30 INBOX" in shown
    assert "deal 1" in shown
    assert "--accept BATCH" in shown
    assert "waits in B2" in command("corrections").stdout
    assert json.loads(command("why", "m1@x", "--json").stdout)[0]["corrections"][0]["waits"] == "B1"

    assert "B1 is accepted: these 30 moves" in command("corrections", "--accept", "b1").stdout
    assert lessons(box) == 30
    assert json.loads(command("corrections", "--void", "B2", "--json").stdout)["outcome"] == "void"
    assert lessons(box) == 30
    assert asked(command) == []
    assert command("corrections", "--batches").stdout == (
        "No bulk move waits. `postroom corrections` lists the moves of those that are closed.\n"
    )


def test_every_mistake_is_a_sentence(command: Callable[..., Result]) -> None:
    assert "'1' is no bulk move's number" in command("corrections", "--accept", "1").stderr  # --void 1 is a correction
    command("corrections", "--accept", "B1")
    with pytest.raises(PostroomError, match=r"^B1: it was accepted on [-0-9]+, because a person said so\. That is"):
        command("corrections", "--void", "B1")
    with pytest.raises(PostroomError, match="B9: there is no such bulk move"):
        command("corrections", "--accept", "B9")
    assert "'second' is no bulk move's number" in command("corrections", "--accept", "second").stderr
    assert "neither a correction's number" in command("corrections", "--void", "C1").stderr
    assert "only one of" in command("corrections", "--batches", "--accept", "B2").stderr


def test_it_is_said_until_when_it_waits_and_what_to_do_about_a_slip(command: Callable[..., Result]) -> None:
    assert "waits until" in command("corrections", "--batches").stdout
    assert "2 bulk moves wait for your word" in command("corrections").stdout
    assert "drag it back if it was a slip" in command("corrections", "--void", "B1").stdout
    assert "1 bulk move waits for your word" in command("corrections").stdout
    for number in range(31, 60):
        command("corrections", "--void", str(number))
    assert "Bulk move B2: 1 message was moved to Invoices" in command("status").stdout
    assert "this move to Invoices counts from now on" in command("corrections", "--accept", "B2").stdout


def test_nobody_who_has_none_hears_of_closed_ones(command: Callable[..., Result], box: tuple[Database, int]) -> None:
    with box[0].begin() as tx:
        tx.exec_driver_sql("UPDATE corrections SET batch_id = NULL")
        tx.exec_driver_sql("DELETE FROM batches")
    assert command("corrections", "--batches").stdout == "No bulk move waits.\n"


def test_one_move_of_it_may_be_void_and_the_rest_accepted(
    box: tuple[Database, int], command: Callable[..., Result]
) -> None:
    command("corrections", "--void", "1")
    assert asked(command)[0]["messages"] == 29
    command("corrections", "--accept", "B1")
    assert lessons(box) == 29
    for number in range(31, 61):
        command("corrections", "--void", str(number))
    assert asked(command) == []
    with pytest.raises(PostroomError, match="B2: it was taken back on"):
        command("corrections", "--accept", "B2")


def test_status_and_the_page_say_that_something_waits_and_with_which_command(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    shown = command("status").stdout
    assert "Bulk move B1: 30 messages were moved to Invoices within minutes on" in shown
    assert "`postroom corrections --batches`" in shown
    assert "Nothing is learnt from it until you say so: `postroom corrections --accept B1` or `--void B1`." in shown
    [told] = json.loads(command("status", "--json").stdout)["mailboxes"]
    assert [found["batch"] for found in told["bulk_moves"]] == ["B1", "B2"]
    command("report", "--html", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert "Bulk move B2: 30 messages were moved to Invoices" in page
    assert "Secret" not in page
    command("corrections", "--void", "B1")
    command("corrections", "--void", "B2")
    assert "Bulk move" not in command("status").stdout
