"""A database in which anything may be wrong: every command says so in a sentence, and none quotes what it read."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon import cli
from daemon.store import learning, mailboxes, messages
from daemon.store.database import Database, StoreError
from daemon.store.examine import examine_database
from tests.fakes import START

SETTINGS = """
state_dir = "{state}"
[[mailbox]]
name = "office"
kind = "imap"
host = "127.0.0.1"
port = 9
tls = "none"
user = "u"
credential = "c"
"""
SECRET = "Zebrafink"


def filled(path: Path) -> bytes:
    """A database with some of everything."""
    database = Database.open(path)
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        for number in range(100):
            ref, known = MessageRef("INBOX", 7, number + 1), Identity(None, f"<{number}@x>", f"d{number}", f"o{number}")
            seen = Sighting(ref, known, frozenset({"\\Seen"}), START, 100, ())
            message = messages.add(tx, box, seen, "new", START, START)
            messages.add_sighting(tx, box, message, ref, START, ours=False, who=None, judged=True)
            learning.teach(tx, box, f"c{number % 5}", MailText(subject=f"{SECRET} {number}"), START, source="csv")
    database.close()
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(12))
def test_random_damage_is_a_sentence_and_no_bug(tmp_path: Path, seed: int) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (tmp_path / "config.toml").write_text(SETTINGS.format(state=state))
    path = state / "postroom.sqlite"
    damaged, chance = bytearray(filled(path)), random.Random(seed)
    for _ in range(30):
        damaged[chance.randrange(100 if seed % 2 else 0, len(damaged))] = chance.randrange(256)
    for command in (["status"], ["why", "1@x"], ["lessons"], ["corrections"], ["report"]):
        for file in state.glob("postroom.sqlite*"):
            file.unlink()
        path.write_bytes(damaged)
        path.chmod(0o600)
        done = CliRunner().invoke(cli.postroom, ["--config", str(tmp_path / "config.toml"), *command])
        error = done.exception
        assert error is None or isinstance(error, (SystemExit, *cli.EXPECTED)), (command, error)
        if isinstance(error, StoreError):
            assert "the file is damaged or no SQLite database" in str(error), command
            assert SECRET not in str(error)


def test_an_index_that_says_another_thing_than_its_table_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "postroom.sqlite"
    filled(path)
    assert examine_database(path).startswith("postroom.sqlite, ")
    with sqlite3.connect(path) as plain:
        asked = "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'mailboxes'"
        pages = [row[0] for row in plain.execute(asked)]
        (size,) = plain.execute("PRAGMA page_size").fetchone()
    damaged = bytearray(path.read_bytes())
    (at,) = [found for page in pages if (found := damaged.find(b"office", (page - 1) * size, page * size)) >= 0]
    damaged[at : at + 6] = b"offizz"
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match="move the file away with its -wal and -shm"):
        examine_database(path)
