"""`privacy-report`: what it counts is what is there, and it shows nothing of the mail."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import postroom
from daemon.commands.common import console
from daemon.privacy.holdings import PLACES
from daemon.report.story import iso
from daemon.store import learning, training
from tests import ROOT
from tests.daemon.commands.test_twin_answers import CONFIG
from tests.daemon.privacy.test_retention import Office
from tests.fakes import START


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A mailbox with three lessons, of which one was taken back; one message whose identity is known; a model."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    office = Office(state)
    office.teach("zqfirst", at=START + timedelta(days=2))
    office.teach("zqsecond", at=START + timedelta(days=1), message=office.message(7))
    with office.database.begin() as tx:
        run = training.start_run(tx, office.box, START, 2, 2)
        more = {"state": "kept", "verdict": "zqverdict", "exam": {}, "run": run}
        training.add_model(tx, office.box, "2026-03-01", "models/office/1", START, **more)  # type: ignore[arg-type]
    gone = office.teach("zqgone")
    with office.database.begin() as tx:
        learning.void_lessons(tx, [gone], START)
    office.database.close()
    (state / "models" / "office" / "1").mkdir(parents=True)
    (state / "models" / "office" / "1" / "linear.npz").write_bytes(b"x" * 2_000_000)
    file = tmp_path / "postroom.toml"
    file.write_text(CONFIG.format(state=state) + '[training]\nmax_age = "90d"\n')
    return file


def run(config: Path, *words: str) -> str:
    done = CliRunner().invoke(postroom, ["--config", str(config), "privacy-report", *words], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_it_counts_what_is_there_and_says_since_when_and_for_how_long(config: Path) -> None:
    told = json.loads(run(config, "--json"))
    assert told["read_by"] == "Postroom's own processes on this machine"
    [office] = told["mailboxes"]
    rows = {row["what"]: row for row in office["held"]}
    assert (rows["lessons"]["count"], rows["lessons"]["oldest"]) == (2, iso(START + timedelta(days=1)))
    assert rows["lessons"]["kept"] == "90d, and the newest 400 of a folder"
    assert (rows["messages known again"]["count"], rows["messages known again"]["kept"]) == (1, "180d")
    assert (rows["decisions"]["count"], rows["decisions"]["oldest"]) == (0, None)
    assert [(model["version"], model["lessons"]) for model in office["models"]] == [("2026-03-01", 2)]
    places = {place["where"]: place for place in told["places"]}
    assert (places["models"]["files"], places["models"]["bytes"]) == (1, 2_000_000)
    assert "postroom.sqlite*" in places


def test_it_shows_no_word_of_the_mail_and_fits_a_terminal(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_width", 80)
    shown = run(config)
    assert "Mailbox office" in shown
    assert "zq" not in shown + run(config, "--json")
    assert "x.example" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith(("What", "The text", "Models")))


def test_a_mailbox_that_the_settings_no_longer_name_is_told_too(config: Path) -> None:
    config.write_text(config.read_text().replace('name = "office"', 'name = "other"'))
    [office] = json.loads(run(config, "--json"))["mailboxes"]
    assert (office["name"], office["listed"]) == ("office", False)
    assert "no longer in the settings" in run(config)


def test_every_place_that_it_looks_at_is_in_the_table_of_the_docs() -> None:
    table = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    known = {
        place.strip("`")
        for row in table.splitlines()
        if row.startswith("| ")
        for place in row.split("|")[2].split(", ")
    }
    cells = [row.split("|")[2] for row in table.splitlines() if row.startswith("| ")]
    known = {place.strip(" `").removesuffix("/*") for cell in cells for place in cell.split(",")}
    assert {pattern for pattern, _ in PLACES} <= known
