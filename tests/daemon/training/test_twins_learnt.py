"""A small mailbox with twin folders on a real IMAP server, from `learn --from-folders` through a real training to what
becomes of mail, and what a person's word changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daemon.cli import postroom
from daemon.demo.mail_program import Delivery, MailProgram
from daemon.demo.server import DemoServer
from daemon.model import model_folder
from daemon.store import learning, mailboxes, training
from daemon.store.database import Database
from tests.tiny_models import save_folder, tiny_qwen3

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=200)
OLD, NEW = "Acme", "Plant North (Acme)"
CONFIG = """
state_dir = {state}

[[mailbox]]
name = "office"
kind = "imap"
host = "{host}"
port = {port}
tls = "none"
user = "{user}"
credential = "office-imap"

[engine]
base = {base}
threads = 1

[training]
time_limit = "1s"  # too little for the language model: the linear one serves
"""
WORDS = {
    OLD: "the boiler of house {} leaks, please send the fitter to the plant",
    "Bills": "invoice {} over some euros is due, please transfer the sum in time",
    "Gardens": "the hedge at gate {} should be cut before the birds nest in it",
}


class Mailbox:
    """The server, a person at it, and the command line."""

    def __init__(self, folder: Path, server: DemoServer, base: Path) -> None:
        self.folder, self.number = folder, 0
        self.person = MailProgram(server.host, server.port, server.user, server.password)
        state = folder / "state"
        (state / "credentials").mkdir(parents=True)
        (state / "credentials" / "office-imap").write_text(server.password)
        for private in (state, state / "credentials"):
            private.chmod(0o700)
        (state / "credentials" / "office-imap").chmod(0o600)
        places = {"state": json.dumps(str(state)), "base": json.dumps(str(base))}
        text = CONFIG.format(host=server.host, port=server.port, user=server.user, **places)
        (folder / "postroom.toml").write_text(text)

    def deliver(self, folder: str, like: str, day: float, *, also: str | None = None) -> None:
        """One mail, on that day; `also`: a copy of it lies there as well."""
        self.number += 1
        mail, when = EmailMessage(), BEGAN + timedelta(days=day)
        mail["From"] = f"Ann {self.number} <ann{self.number}@{like.split()[0].lower()}.example>"
        mail["To"] = "office@example.org"
        mail["Subject"] = f"No. {self.number}"
        mail["Date"] = format_datetime(when)
        mail["Message-ID"] = f"<m{self.number}@example.org>"
        mail.set_content(WORDS[like].format(self.number))
        for place in filter(None, (folder, also)):
            self.person.deliver(place, [Delivery(mail.as_bytes(), when)], seen=True)

    def run(self, *arguments: str) -> str:
        done = CliRunner().invoke(postroom, ["--config", str(self.folder / "postroom.toml"), *arguments])
        if done.exception is not None:
            raise done.exception
        return done.stdout

    def twins(self) -> dict[str, Any]:
        [told] = json.loads(self.run("folders", "--twins", "--json"))
        [pair] = told["twins"]
        return dict(pair)

    def learnt(self) -> tuple[set[str], dict[str, int]]:
        """What the newest model can answer, and how many lessons each category has."""
        database = Database.open(self.folder / "state" / "postroom.sqlite")
        with database.read() as tx:
            box = mailboxes.find(tx, "office")
            assert box is not None
            names = {category.uid: category.name for category in mailboxes.categories(tx, box.id)}
            counts = {names[uid]: number for uid, number in learning.lesson_counts(tx, box.id).items()}
            [newest, *_] = training.models(tx, box.id)
        database.close()
        meta = model_folder.load(self.folder / "state" / "models" / newest.folder, check_files=False)
        return {names[uid] for uid in meta.categories}, counts


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    with DemoServer() as server:
        box = Mailbox(tmp_path, server, save_folder(tiny_qwen3(), tmp_path / "base"))
        box.person.create([OLD, NEW, "Bills", "Gardens"])
        with box.person:
            yield box


@pytest.mark.slow
def test_an_old_folder_and_the_one_that_has_taken_over_are_one_until_a_person_says_that_they_differ(
    mailbox: Mailbox,
) -> None:
    for day in range(24):
        mailbox.deliver("Bills", "Bills", 4 * day)
        mailbox.deliver("Gardens", "Gardens", 4 * day + 1)
        # The last few of the old folder were copied into the new one.
        mailbox.deliver(OLD if day < 12 else NEW, OLD, 4 * day + 2, also=NEW if 8 <= day < 12 else None)
    said = mailbox.run("learn", "--from-folders")
    pair = mailbox.twins()
    assert "4 mails lie in both" in pair["why"][0]
    assert pair["lately"] == NEW
    assert pair["taken_over"] is True
    assert "may mean the same" in " ".join(said.split())
    assert "Their mail goes where people put it lately until you decide" in " ".join(said.split())
    known, counts = mailbox.learnt()
    assert known == {NEW, "Bills", "Gardens"}
    assert counts == {NEW: 24, "Bills": 24, "Gardens": 24}  # fifteen are needed, which neither of the two has

    # Mail as it came before the change follows the change.
    mailbox.deliver("INBOX", OLD, 100)
    [shown] = json.loads(mailbox.run("preview", "--json"))
    assert shown["best"] == NEW

    mailbox.run("folders", "--differ", str(pair["pair"]))
    [shown] = json.loads(mailbox.run("preview", "--json"))
    assert shown["category"] is None  # the model in use took both for one
    mailbox.run("train")
    known, counts = mailbox.learnt()
    assert known == {OLD, NEW, "Bills", "Gardens"}
    assert sum(counts.values()) == 72
    assert mailbox.twins()["choice"] == "differ"


@pytest.mark.slow
def test_mail_of_two_folders_that_people_use_side_by_side_is_left_with_both_names(mailbox: Mailbox) -> None:
    for day in range(40):
        mailbox.deliver("Bills", "Bills", 4 * day)
        mailbox.deliver("Gardens", "Gardens", 4 * day + 1)
        mailbox.deliver((OLD, NEW)[day % 2], OLD, 4 * day + 2)
    assert json.loads(mailbox.run("learn", "--from-folders", "--json"))["twins"] is not None
    pair = mailbox.twins()
    assert (pair["open"], pair["lately"]) == (True, None)
    assert "took one for the other" in pair["why"][0]
    mailbox.deliver("INBOX", OLD, 170)
    [shown] = json.loads(mailbox.run("preview", "--json"))
    assert shown["category"] is None
    assert OLD in shown["reason"]
    assert NEW in shown["reason"]
    assert "postroom folders --twins" in shown["reason"]


@pytest.mark.slow
def test_two_that_the_model_tells_apart_are_no_twins_whatever_their_names_and_copies(mailbox: Mailbox) -> None:
    for day in range(40):
        mailbox.deliver("Bills", "Bills", 4 * day)
        mailbox.deliver(OLD, OLD, 4 * day + 1)
        mailbox.deliver(NEW, "Gardens", 4 * day + 2, also=OLD if day < 4 else None)
    assert json.loads(mailbox.run("learn", "--from-folders", "--json"))["twins"] is None
