"""One mailbox is forgotten as if it had never been met; the other's mail, lessons and models stay."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from daemon.commands import whole_mailbox as command
from daemon.state.lock import StateLock
from daemon.state.watermark import Watermark
from daemon.store import mailboxes
from daemon.store.database import Database
from daemon.store.one_mailbox import rows_of
from daemon.store.tables import metadata
from daemon.training.places import place_for
from tests.a_model import VERSION, put_model
from tests.daemon.keeping.test_backup import Installation
from tests.daemon.store.rows_everywhere import fill
from tests.fakes import START


@pytest.fixture
def office(tmp_path: Path) -> Installation:
    """Two mailboxes: something in every table of both."""
    made = Installation(tmp_path)
    made.state.mkdir()
    for name in ("office", "sales"):
        put_model(made.state, name, START)
        fill(made.state / "postroom.sqlite", name)
        Watermark(made.state / "seen" / name).write(START)
        readings = made.state / "training" / "cache" / "lessons" / name
        readings.mkdir(parents=True)
        (readings / "1.npz").touch()
    return made


def rows(office: Installation, name: str) -> dict[str, int]:
    with contextlib.closing(Database.open(office.state / "postroom.sqlite")) as database, database.read() as tx:
        found = mailboxes.find(tx, name)
        return {} if found is None else rows_of(tx, found.id)


def test_all_of_it_goes_and_the_others_stay(office: Installation) -> None:
    filled = {table.name for table in metadata.sorted_tables if {"mailbox_id", "message_id"} & set(table.c.keys())}
    assert set(rows(office, "office")) == filled, "a table that holds nothing proves nothing"
    others = rows(office, "sales")
    told = office.told("mailbox", "reset", "office", "--yes")
    words = f"office is forgotten: 1 lesson, 1 message, 1 correction, 1 decision, the model {VERSION}."
    assert words in told
    assert "The mail stays as it is" in told
    assert rows(office, "office") == {}
    assert rows(office, "sales") == others
    for place in ("models", "seen", "training/cache/lessons"):
        assert [path.name for path in (office.state / place).iterdir()] == ["sales"]
    assert b"a mail of office" not in b"".join(path.read_bytes() for path in office.state.glob("postroom.sqlite*"))
    shown = json.loads(office.told("status", "--json", code=4).splitlines()[-1])["mailboxes"]
    assert next((box["name"], box["mode"], box["restored"]) for box in shown) == ("office", "shadow", None)
    with contextlib.closing(sqlite3.connect(office.state / "postroom.sqlite")) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []


def test_it_asks_first_says_what_goes_and_takes_no_for_an_answer(
    office: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(office, "office")
    told = office.told("mailbox", "reset", "office", code=1)
    assert "nobody can be asked" in told
    assert f"the model {VERSION} would be forgotten" in told
    assert "1 message is in the middle of a move" in told
    assert "--yes" in told
    monkeypatch.setattr(command.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(command.click, "confirm", lambda *_, **__: False)
    assert "nothing was forgotten" in office.told("mailbox", "reset", "office", code=1)
    assert rows(office, "office") == before


def test_beside_a_service_or_a_training_nothing_is_forgotten(office: Installation) -> None:
    before = rows(office, "office")
    with StateLock(office.state):
        assert "Stop it first" in office.told("mailbox", "reset", "office", "--yes", code=75)
    with place_for(office.state, "sales", 1):
        assert "training is running" in office.told("mailbox", "reset", "office", "--yes", code=75)
    assert rows(office, "office") == before


def test_a_stranger_is_told_and_who_left_the_settings_can_be_forgotten(office: Installation) -> None:
    told = office.told("mailbox", "reset", "offce", "--yes", code=1)
    assert "nothing is known of a mailbox of this name. Known are: office, sales." in told
    (office.folder / "more" / "sales.toml").unlink()
    office.told("mailbox", "reset", "sales", "--yes")
    assert rows(office, "sales") == {}


def test_cut_short_it_is_ended_by_the_same_command(office: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as changed:
        changed.setattr("daemon.privacy.mailbox_reset.delete_mailbox", cut)
        with pytest.raises(RuntimeError):
            office.told("mailbox", "reset", "office", "--yes")
    office.told("mailbox", "reset", "office", "--yes")
    assert rows(office, "office") == {}
