"""A model server that the settings name and that the model in use does not need is told as such."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import postroom
from daemon.mistakes import ExitCode
from daemon.model import model_folder
from daemon.model.model_folder import CodeRow, Kind, ModelMeta
from daemon.store import mailboxes, training
from daemon.store.database import Database
from daemon.store.records import Category
from tests.fakes import START

CONFIG = """
state_dir = "{state}"
[engine]
kind = "{engine}"
host = "http://127.0.0.1:9"
[[mailbox]]
name = "office"
host = "localhost"
user = "u"
credential = "c"
"""


@pytest.mark.parametrize(
    ("engine", "kind", "told"),
    [
        ("ollama", "linear", True),
        ("openai", "linear", True),
        ("ollama", "blend", False),
        ("embedded", "linear", False),
    ],
)
def test_status_says_that_the_linear_model_leaves_the_model_server_alone(
    tmp_path: Path, engine: str, kind: Kind, told: bool
) -> None:
    state = tmp_path / "state"
    folder = state / "models" / "office" / "one"
    folder.mkdir(parents=True)
    database = Database.open(state / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        uid = mailboxes.add_category(tx, box, Category("", "Orders", "Orders"), START).uid
        training.add_model(tx, box, "one", "office/one", START, state="kept", verdict="", exam={})
        training.promote(tx, box, "one", START)
    database.close()
    book = (CodeRow(code="AB", category=uid),)
    model_folder.save(folder, ModelMeta(version="one", created=START, kind=kind, codebook=book, categories=(uid,)))
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=state, engine=engine))
    done = CliRunner().invoke(postroom, ["--config", str(config), "status"])
    assert done.exit_code == ExitCode.NOT_RUNNING, done.output
    words = "Model server: not asked: the exam chose the linear model, which runs in Postroom itself"
    assert (words in done.stdout) is told
