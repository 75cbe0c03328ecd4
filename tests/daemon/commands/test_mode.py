"""`live` and `shadow`, of a whole mailbox and of categories alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import postroom
from daemon.mistakes import PostroomError
from daemon.store import mailboxes
from daemon.store.database import Database
from daemon.store.records import Category
from tests.daemon.commands.test_twin_answers import CONFIG
from tests.fakes import START

Command = Callable[..., str]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = Database.open(state / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        for name in ("Bills", "Orders", "Travel"):
            mailboxes.add_category(tx, box, Category("", name, f"In/{name}"), START)
    database.close()
    return state


@pytest.fixture
def command(tmp_path: Path, state: Path) -> Command:
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=state))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(postroom, ["--config", str(config), *arguments])
        if done.exception is not None:
            raise done.exception
        return " ".join(done.stdout.split())

    return run


def modes(state: Path) -> tuple[str, dict[str, str | None]]:
    database = Database.open(state / "postroom.sqlite")
    try:
        with database.read() as tx:
            [box] = mailboxes.everyone(tx)
            return box.mode, {one.name: one.mode for one in mailboxes.categories(tx, box.id)}
    finally:
        database.close()


def test_some_categories_go_live_and_come_back(command: Command, state: Path) -> None:
    said = command("live", "Bills", "Travel")
    assert said.startswith("Bills, Travel of office are live. Postroom will move mail, but there is no model yet.")
    assert said.endswith("The mailbox is in shadow, but for Bills (live), Travel (live).")
    assert modes(state) == ("shadow", {"Bills": "live", "Orders": None, "Travel": "live"})
    command("shadow", "Travel")
    assert modes(state) == ("shadow", {"Bills": "live", "Orders": None, "Travel": "shadow"})


def test_shadow_without_a_category_is_for_all_and_live_leaves_what_somebody_put_into_shadow(
    command: Command, state: Path
) -> None:
    command("live", "Bills")
    assert command("shadow") == "office is in shadow. Postroom moves nothing from its next look on."
    assert modes(state) == ("shadow", {"Bills": None, "Orders": None, "Travel": None})
    assert command("shadow", "Bills").startswith("Bills of office is in shadow. Postroom moves no such mail")
    assert command("live").endswith("The mailbox is live, but for Bills (in shadow).")
    assert modes(state) == ("live", {"Bills": "shadow", "Orders": None, "Travel": None})


def test_an_unknown_category_changes_nothing_and_is_told_what_there_is(command: Command, state: Path) -> None:
    with pytest.raises(PostroomError, match=r"there is no category Bils, X\. Nothing was changed\. There are: Bills"):
        command("live", "Bills", "Bils", "X")
    assert modes(state) == ("shadow", {"Bills": None, "Orders": None, "Travel": None})
