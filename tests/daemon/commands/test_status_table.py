"""`postroom status` where there are many mailboxes: a line each, the worst first, no wider than the terminal."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import postroom
from daemon.commands.common import console
from daemon.store import mailboxes
from daemon.store.database import Database
from tests.a_model import put_model
from tests.fakes import START

MANY = 40
BOX = """
[[mailbox]]
name = "{name}"
kind = "imap"
host = "localhost"
tls = "none"
user = "{name}@x.example"
credential = "c"
"""
LONG = "The server does not answer. " * 20
NAMES = [*(f"box{number:02}" for number in range(MANY - 1)), "a-mailbox-with-a-long-name-x"]


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """box07 is in trouble, box03 is paused, box05 is stopped, box09 has no model; the others are fine."""
    config = tmp_path / "postroom.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n' + "".join(BOX.format(name=name) for name in NAMES))
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        known = {name: mailboxes.ensure(tx, name, "imap", "live", START).id for name in NAMES}
        for name in NAMES:
            mailboxes.looked(tx, known[name], START + timedelta(minutes=1))
        mailboxes.looked(tx, known["box07"], START, trouble=f"box07: {LONG}")
        mailboxes.set_paused(tx, known["box03"], "holidays")
        mailboxes.set_stopped(tx, known["box05"], "It looks wrong.")
    database.close()
    for name in NAMES:
        if name != "box09":
            put_model(tmp_path, name, START)
    return config


def shown(config: Path, *options: str) -> list[str]:
    done = CliRunner().invoke(postroom, ["--config", str(config), "status", *options])
    assert done.exit_code == 4, "no service runs"
    return done.stdout.splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_not_fine_has_a_line_each_the_worst_first(
    office: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", width)
    _, head, *rows, fine = shown(office)
    assert head.split()[:3] == ["mailbox", "mode", "last"]
    assert [row.split()[:2] for row in rows] == [
        ["box05", "stopped"],
        ["box07", "trouble"],
        ["box03", "paused"],
        ["box09", "no"],
    ]
    assert all(len(row) <= width for row in (head, *rows))
    assert "  The server does" in rows[1], "the name stands at the beginning of the line"
    assert rows[3].rstrip().endswith("  learn --from-folders"), "what to do is not cut"
    assert rows[1].rstrip().endswith("…"), "one line, cut where the terminal ends"
    assert fine == (
        "36 of 40 mailboxes are fine. `--all` lists them, too. `postroom status --mailbox NAME` tells all of one."
    )


@pytest.mark.parametrize("width", [80, 120])
def test_all_of_them_fit_too_also_with_long_names(office: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", width)
    _, head, *rows, _ = shown(office, "--all")
    assert len(rows) == MANY
    long = "a-mailbox-w…" if width == 80 else "a-mailbox-with-a-long-n…"
    assert [row.split()[0] for row in rows[4:6]] == [long, "box00"]
    assert all(len(row) <= width for row in (head, *rows))


def test_one_is_told_in_full_and_json_tells_everything_of_all(office: Path) -> None:
    assert "  Trouble: box07: The server does not answer." in shown(office, "--mailbox", "box07")[2]
    told = json.loads(shown(office, "--json")[0])["mailboxes"]
    assert [one["name"] for one in told] == NAMES
    assert all({"categories", "messages", "training", "files", "next_training"} <= one.keys() for one in told)


def test_few_are_told_in_full_and_in_a_table_on_request(tmp_path: Path) -> None:
    config = tmp_path / "postroom.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n' + "".join(BOX.format(name=name) for name in NAMES[:3]))
    assert sum(line.startswith("  Last look: ") for line in shown(config)) == 3
    assert not any(line.startswith("  Last look: ") for line in shown(config, "--all"))
