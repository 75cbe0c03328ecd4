"""`sort --backlog`: what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from connectors.base import Identity, MessageRef, Sighting
from daemon.cli import postroom
from daemon.mistakes import PostroomError
from daemon.store import mailboxes, messages
from daemon.store.database import Database
from tests.daemon.commands.test_twin_answers import CONFIG
from tests.fakes import START


@pytest.fixture
def config(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = Database.open(state / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        for number in range(3):
            ref = MessageRef("INBOX", 1, number + 1)
            sighting = Sighting(ref, Identity(None, f"<{number}@x>", str(number)), arrived=START.replace(year=2025))
            message = messages.add(tx, box, sighting, "existing", START, None)
            messages.add_sighting(tx, box, message, ref, START, ours=False, who=None, judged=True)
    database.close()
    file = tmp_path / "postroom.toml"
    file.write_text(CONFIG.format(state=state))
    return file


def run(config: Path, *words: str) -> Result:
    done = CliRunner().invoke(postroom, ["--config", str(config), "sort", *words])
    if isinstance(done.exception, PostroomError):
        raise done.exception
    return done


def look(config: Path) -> None:
    database = Database.open(config.with_name("state") / "postroom.sqlite")
    with database.begin() as tx:
        mailboxes.looked(tx, 1, START, cursor="{}")
    database.close()


@pytest.mark.parametrize("words", [[], ["--backlog", "30d", "--stop"], ["--stop", "--dry-run"]])
def test_it_wants_one_of_its_two_ways(config: Path, words: list[str]) -> None:
    done = run(config, *words)
    assert done.exit_code == 2
    assert "Say --backlog SINCE, perhaps with --dry-run, or --stop alone." in done.output


def test_a_time_that_is_none_is_told_by_its_option(config: Path) -> None:
    with pytest.raises(PostroomError, match=r'--backlog: "soon" is not a time'):
        run(config, "--backlog", "soon")


def test_before_the_first_look_nobody_knows_what_lies_there(config: Path) -> None:
    with pytest.raises(PostroomError, match="nobody has looked into the inbox yet"):
        run(config, "--backlog", "2000-01-01")


def test_it_says_how_many_and_until_when_and_takes_them_back(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    look(config)
    said = " ".join(run(config, "--backlog", "2000-01-01", "--limit", "2").output.split())
    assert said.startswith("office: 2 messages will be sorted by ")
    assert said.endswith("1 more are left for another time (`--limit`).")
    structlog.reset_defaults()
    told = json.loads(run(config, "--stop", "--json").output)
    structlog.get_logger().info("files")
    assert capsys.readouterr().out == "", "the log's lines are not among the command's"
    assert told == {"left": 2}
    assert "nothing that lay there before" in run(config, "--backlog", "1d").output
