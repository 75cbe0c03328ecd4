"""`why` takes every name that logs and tables give a message, and `corrections` says which mail it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.cli import postroom
from daemon.mistakes import PostroomError
from daemon.store import learning, mailboxes, messages, withheld
from daemon.store.database import Database, Tx
from daemon.store.message_names import short_name
from daemon.store.records import Category
from tests.daemon.commands.test_bulk_moves_answered import CONFIG
from tests.fakes import START

ONE, TWO, TICKET = (
    Identity(None, "<one@x>", "d1"),
    Identity(None, "<two@x>", "d2"),
    Identity("ticket:1", None, "a" * 64),
)
SHORT_ONE = hashlib.sha256(b"one@x").hexdigest()[:12]


def seen(tx: Tx, box: int, identity: Identity, uid: int) -> int:
    ref = MessageRef("INBOX/a b", 7, uid)
    message = messages.add(tx, box, Sighting(ref, identity), "left", START, None)
    messages.add_sighting(tx, box, message, ref, START, ours=False, who=None, judged=True)
    return message


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Result]:
    """`postroom`, on a mailbox with <one@x> (lesson 1), <two@x> (correction 1 and lesson 2) and ticket 1."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = Database.open(state / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        uid = mailboxes.add_category(tx, box, Category("", "Bills", "Invoices"), START).uid
        one, two = seen(tx, box, ONE, 1), seen(tx, box, TWO, 2)
        seen(tx, box, TICKET, 3)
        learning.teach(tx, box, uid, MailText(subject="Rent", body="a"), START, source="folder", message=one)
        moved = {"from_category": None, "to_category": uid, "from_folder": "INBOX", "to_folder": "Invoices"}
        made = learning.add_correction(
            tx, two, START, "filing", **moved, who=None, decision=None, moved=START, sighting=None
        )
        text = MailText(sender="Ann <ann@x>", subject="Water in March", body="b")
        learning.teach(tx, box, uid, text, START, source="correction", message=two, correction=made)
        withheld.note(tx, box, MessageRef("INBOX", 1, 9), "The server hung up.", START)
    database.close()
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=state))

    def run(*arguments: str) -> Result:
        done = CliRunner().invoke(postroom, ["--config", str(config), *arguments], env={"COLUMNS": "120"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("one@x", "<one@x>"),
        ("<one@x>", "<one@x>"),
        (SHORT_ONE, "<one@x>"),
        (SHORT_ONE.upper(), "<one@x>"),
        (hashlib.sha256(b"one@x").hexdigest(), "<one@x>"),
        ("INBOX/a b/7/2", "<two@x>"),
        ("correction:1", "<two@x>"),
        ("lesson:1", "<one@x>"),
        ("2", "<two@x>"),
        ("ticket:1", "ticket:1"),
        ("a" * 12, "ticket:1"),
    ],
)
def test_every_name_leads_to_its_message(command: Callable[..., Result], said: str, meant: str) -> None:
    [story] = json.loads(command("why", said, "--json").stdout)
    assert story["message_id"] == meant


def test_the_short_name_is_told_and_tells_nothing() -> None:
    assert short_name(ONE) == SHORT_ONE == short_name(Identity("emailid:M1", "one@x", "other"))
    assert short_name(TICKET) == "a" * 12


def test_a_number_that_may_mean_several_is_asked_back(command: Callable[..., Result]) -> None:
    with pytest.raises(PostroomError, match=r"may mean 3 messages") as error:
        command("why", "1")
    for name in ("ticket:1", "lesson:1", "correction:1"):
        assert f"`postroom why {name}`" in str(error.value)
    with pytest.raises(PostroomError, match="a bulk move"):
        command("why", "B1")
    with pytest.raises(PostroomError, match="not seen a message"):
        command("why", "INBOX/a b/8/2")


def test_what_the_server_never_gave_is_found_by_its_place(command: Callable[..., Result]) -> None:
    assert "(INBOX/1/9, 1 try)" in command("status").stdout
    assert "in 1 try; the next try is at" in command("why", "INBOX/1/9").stdout
    assert "The server hung up." in command("why", "INBOX/1/9").stdout


def test_corrections_say_which_mail_it_was(command: Callable[..., Result]) -> None:
    shown = command("corrections").stdout
    assert short_name(TWO) in shown
    assert "Ann <ann@x>: Water in March" in " ".join(shown.split())
    [made] = json.loads(command("corrections", "--json").stdout)
    assert (made["message"], made["message_id"]) == (short_name(TWO), "<two@x>")
    assert "Water" not in str(made)
    command("corrections", "--void", "1")  # whose text is gone then
    assert short_name(TWO) in command("corrections").stdout
    assert "Water" not in command("corrections").stdout
