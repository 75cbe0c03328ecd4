"""`why` in words: what was taken back, what undo did, and what was no decision."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from connectors.base import Identity, MessageRef, Move, Sighting, Tag
from daemon.cli import postroom
from daemon.store import decisions, journal, learning, mailboxes, messages
from daemon.store.database import Database, Tx
from daemon.store.records import MessageState, ReadFile
from tests import ROOT
from tests.daemon.commands.test_bulk_moves_answered import CONFIG
from tests.fakes import START

INBOX, FILED = MessageRef("INBOX", 1, 1), MessageRef("Invoices", 1, 1)


BILL = ReadFile("Rechnung.pdf", "text", "pdf", invoice="E-invoice: invoice 4711, from ACME GmbH")
LOCKED = ReadFile("geheim.pdf", "locked", "pdf")
Ask = Callable[..., str]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """`why` about a message that was filed, undone, tagged, undone, and corrected, which was taken back."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = Database.open(state / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        message = messages.add(tx, box, Sighting(INBOX, Identity(None, "<m@x>", "d")), "left", START, None)
        messages.add_sighting(tx, box, message, FILED, START, ours=True, who=None, judged=True)
        done(tx, message, INBOX, Move("Invoices"), "sort", FILED)
        done(tx, message, FILED, Move("INBOX"), "undo", INBOX)
        done(tx, message, INBOX, Tag(remove=frozenset({"Invoices"})), "undo", INBOX)
        decisions.add_remark(tx, message, START, "teaches nothing: a rule did it")
        figures = {"probability": 0.5, "runner_up": None, "runner_up_probability": None, "model": None}
        more = {"category": None, "best": "u", "source": "rule", "reason": "not sure", "mode": "live"}
        decisions.add(tx, message, START, **figures, **more, files=[BILL, LOCKED])
        moved = {"from_category": None, "to_category": None, "from_folder": "Invoices", "to_folder": "INBOX"}
        made = learning.add_correction(
            tx, message, START, "rejection", **moved, who=None, decision=None, moved=START, sighting=None
        )
        assert learning.void_correction(tx, box, made, START)
    database.close()
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=state))

    def asked(*options: str) -> str:
        command = ["--config", str(config), "why", "m@x", *options]
        shown = CliRunner().invoke(postroom, command, env={"COLUMNS": "250"})
        assert shown.exit_code == 0, shown.output
        return shown.stdout

    return asked


@pytest.fixture
def told(ask: Ask) -> str:
    """In words."""
    return ask()


def test_each_file_that_was_read_is_told_with_its_kind_and_why_one_was_not(told: str) -> None:
    files = "read Rechnung.pdf (PDF, e-invoice: invoice 4711, from ACME GmbH)"
    ends = "did not read geheim.pdf: it is locked with a password"
    assert f"decided (live): not sure; {files}; {ends}" in " ".join(told.split())


def test_scripts_hear_of_files_without_a_word_of_the_mail(ask: Ask) -> None:
    [story] = json.loads(ask("--json"))
    files = [decision["files"] for decision in story["decisions"] if decision["files"]]
    read = {"invoice": True, "kind": "pdf", "status": "text", "ocr": False, "why": ""}
    assert files == [[read, {**read, "invoice": False, "status": "locked"}]]


def done(tx: Tx, message: int, ref: MessageRef, action: Move | Tag, kind: str, landed: MessageRef) -> None:
    entry = journal.plan(tx, message, ref, action, START, decision=None, kind=kind)
    journal.end(tx, entry, "done", START, landed=landed, explanation=None)


def test_undo_is_told_as_undo(told: str) -> None:
    assert "action done: INBOX -> Invoices" in told
    assert "put back by undo: Invoices -> INBOX" in told
    assert "put back by undo: INBOX -Invoices" in told


def test_what_we_did_ourselves_is_seen_after_it_was_done(told: str) -> None:
    assert told.index("action done: INBOX -> Invoices") < told.index("seen in Invoices, put there by postroom")


def test_a_remark_is_no_decision(told: str) -> None:
    assert "teaches nothing: a rule did it" in told
    assert "decided (live): teaches" not in told
    assert "decided (live): not sure" in told


def test_what_was_taken_back_says_so(told: str) -> None:
    assert "a person: rejection, Invoices -> INBOX (taken back: " in told
    assert "does not touch it again" not in told


def test_every_state_is_explained() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    explained = re.findall(r"\*(\w+)\*,\s", page)
    assert set(get_args(MessageState)) <= set(explained)
