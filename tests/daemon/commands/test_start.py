"""How little is loaded before a command does anything: asked of a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner

from daemon.cli import postroom
from daemon.commands import SECTIONS
from daemon.store.database import MIGRATIONS
from daemon.store.tables import REVISION
from tests import ROOT

SENTENCES = [(name, sentence) for members in SECTIONS.values() for name, sentence in members.items()]
WORKS_WITH_MAIL_OR_MODELS = {
    *("ctranslate2", "tokenizers", "numpy", "ollama", "huggingface_hub", "tqdm", "sklearn", "scipy", "msal"),
    *("httpx", "imapclient", "lxml", "cryptography", "apscheduler", "structlog", "alembic", "pygments"),
}
ONLY_HELP_CAN_DO_WITHOUT = {"sqlalchemy", "pydantic", "rich", "asyncio", "email"}
CONFIG = """\
state_dir = "{state}"
[[mailbox]]
name = "office"
kind = "imap"
host = "mail.example"
user = "office@example.org"
credential = "office"
"""
RUN = """\
import json, sys
from daemon.cli import postroom
try:
    postroom(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print(json.dumps([code, sorted(sys.modules)]))
"""


def loaded_by(*words: str) -> tuple[int, set[str]]:
    """Exit code, and the packages that a process of its own has loaded when the command has ended."""
    done = subprocess.run([sys.executable, "-c", RUN, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, {name.partition(".")[0] for name in modules} | set(modules)


def test_help_loads_no_command_and_nothing_that_a_command_works_with() -> None:
    code, loaded = loaded_by("--help")
    assert code == 0
    assert loaded & (WORKS_WITH_MAIL_OR_MODELS | ONLY_HELP_CAN_DO_WITHOUT) == set()
    assert {name for name in loaded if name.startswith("daemon.commands.")} == set()


def test_the_version_is_told_without_settings_and_database() -> None:
    code, loaded = loaded_by("--version")
    assert code == 0
    assert loaded & (WORKS_WITH_MAIL_OR_MODELS | {"sqlalchemy", "pydantic", "rich"}) == set()


def test_status_loads_neither_connectors_nor_models(tmp_path: Path) -> None:
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=tmp_path / "state"), encoding="utf-8")
    fresh = CliRunner().invoke(postroom, ["--config", str(config), "status"])
    assert "office  shadow" in fresh.output  # the tables are made: from now on there is nothing to migrate
    code, loaded = loaded_by("--config", str(config), "status")
    assert code == 4
    assert {"sqlalchemy", "pydantic", "daemon.commands.status"} <= loaded
    unwanted = {"daemon.passes.mailroom", "daemon.training.registry", "daemon.passes", "daemon.model.classifier"}
    assert loaded & (WORKS_WITH_MAIL_OR_MODELS | {"sqlalchemy.orm", *unwanted}) == set()


def test_what_is_loaded_at_the_start_is_never_looked_through_for_garbage(tmp_path: Path) -> None:
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=tmp_path / "state"), encoding="utf-8")
    told = "print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    script = f"import atexit, gc; from daemon.cli import main; atexit.register(lambda: {told}); main()"
    command = [sys.executable, "-c", script, "--config", str(config), "status"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (4, "True True"), done.stderr


def test_the_revision_that_needs_no_migration_is_the_newest() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == REVISION


@pytest.mark.parametrize(("name", "sentence"), SENTENCES)
def test_help_says_of_a_command_what_its_own_help_begins_with(name: str, sentence: str) -> None:
    command = postroom.commands[name]
    assert command.name == name
    assert command.get_short_help_str(limit=1000) == sentence


def test_every_command_is_in_the_list_and_a_stranger_is_not() -> None:
    assert set(postroom.commands) == {name for name, _ in SENTENCES}
    assert len(postroom.commands) == len(SENTENCES)
    assert "common" not in postroom.commands
    told = CliRunner().invoke(postroom, ["stats"])
    assert told.exit_code == 2
    assert "Did you mean 'status'?" in told.output
