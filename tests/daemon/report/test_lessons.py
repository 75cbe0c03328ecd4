"""What `postroom lessons` says: what can't be learnt and why, what contradicts itself, and taking a lesson back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.cli import postroom
from daemon.mistakes import PostroomError
from daemon.model import model_folder
from daemon.model.model_folder import CodeRow, ModelMeta
from daemon.model.prediction import Point
from daemon.report.teaching import contradictions, overview, trouble_with
from daemon.store import learning, mailboxes, messages, training
from daemon.store.database import Database
from daemon.store.records import Category
from tests.fakes import START

CONFIG = """
state_dir = "{state}"
[[mailbox]]
name = "office"
host = "localhost"
user = "u"
credential = "c"
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "state").mkdir()
    opened = Database.open(tmp_path / "state" / "postroom.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def office(database: Database) -> dict[str, Any]:
    """Two categories, and one near-identical mail in each."""
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        uids = {
            name: mailboxes.add_category(tx, box, Category("", name, name), START).uid
            for name in ("Invoices", "Orders")
        }
        for number, name in enumerate(uids):
            sighting = Sighting(
                MessageRef(name, 1, number + 1), Identity(None, f"<m{number}@example.org>", f"d{number}")
            )
            message = messages.add(tx, box, sighting, "elsewhere", START, None)
            text = MailText(subject="Secret deal", body=f"We order and you bill us, no. {number}")
            learning.teach(tx, box, uids[name], text, START, source="folder", message=message)
        ids = [lesson.id for lesson in learning.lessons(tx, box)]
        run = training.start_run(tx, box, START, 2, 2)
        training.end_run(tx, run, START, "kept", "Kept.", ["One pair."], [ids])
    return {"box": box, "ids": ids, **uids}


@pytest.fixture
def command(tmp_path: Path, office: dict[str, Any]) -> Callable[..., str]:
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=tmp_path / "state"))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(postroom, ["--config", str(config), *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    return run


def test_contradictions_are_named_so_that_why_finds_them_and_end_when_one_is_taken_back(
    database: Database, office: dict[str, Any], command: Callable[..., str]
) -> None:
    [pair] = json.loads(command("lessons", "--contradictions", "--json"))["pairs"]
    assert [side["message"] for side in pair] == ["<m0@example.org>", "<m1@example.org>"]
    assert "Secret" not in json.dumps(pair)
    assert "Secret deal" in command("lessons", "--contradictions")
    story = json.loads(command("why", pair[0]["message"], "--json"))
    assert [lesson["category"] for lesson in story[0]["lessons"]] == ["Invoices"]

    command("lessons", "--void", str(pair[0]["lesson"]))
    assert json.loads(command("lessons", "--contradictions", "--json")) == {"pairs": [], "same_mail": []}
    with database.begin() as tx:
        assert learning.lesson_counts(tx, office["box"]) == {office["Orders"]: 1}
    with pytest.raises(PostroomError, match="no such lesson"):
        command("lessons", "--void", str(pair[0]["lesson"]))


def test_a_lesson_that_was_taken_back_is_not_learnt_again_from_its_folder_but_from_a_new_move(
    database: Database, office: dict[str, Any]
) -> None:
    with database.begin() as tx:
        [lesson, _] = learning.lessons(tx, office["box"])
        assert learning.void_lesson(tx, office["box"], lesson.id, START)
        again = (tx, office["box"], lesson.category, lesson.text, START)
        assert not learning.teach(*again, source="folder", message=lesson.message)
        assert learning.teach(*again, source="correction", message=lesson.message)


def test_comparing_labels_without_lessons_says_so_at_once(
    office: dict[str, Any], command: Callable[..., str], tmp_path: Path
) -> None:
    command("lessons", "--void", str(office["ids"][0]))
    with pytest.raises(PostroomError, match="two categories with some lessons each"):
        command("train", "--compare-labels")
    assert [place.name for place in (tmp_path / "state" / "training").iterdir()] == ["by-hand"], "nothing has begun"


def test_going_live_without_a_model_says_that_mail_stays(
    database: Database, office: dict[str, Any], command: Callable[..., str], tmp_path: Path
) -> None:
    assert "there is no model yet" in command("live")
    with database.begin() as tx:
        training.add_model(tx, office["box"], "v1", "office/v1", START, state="kept", verdict="", exam={})
        training.promote(tx, office["box"], "v1", START)
    assert "moves mail from its next look on" in command("live")
    config = tmp_path / "postroom.toml"
    config.write_text(config.read_text() + 'act_by = "tag"\n')
    assert "office is live. Postroom tags mail from its next look on." in command("live")


def test_table_tells_sources_and_troubles(office: dict[str, Any], command: Callable[..., str]) -> None:
    rows = json.loads(command("lessons", "--json"))
    assert [(row["category"], row["lessons"], row["sources"]) for row in rows] == [
        ("Invoices", 1, "1 folder"),
        ("Orders", 1, "1 folder"),
    ]
    assert all("Too few" in row["trouble"] for row in rows)
    assert "Too few" in command("status")
    [row] = json.loads(command("lessons", "--category", "Orders", "--json"))
    assert row["message"] == "<m1@example.org>"
    with pytest.raises(PostroomError, match="There are: Invoices, Orders"):
        command("lessons", "--category", "Order")


def test_a_folder_that_mail_leaves_within_days_is_a_stage_of_the_work(
    database: Database, office: dict[str, Any]
) -> None:
    with database.begin() as tx:
        for number in range(30):
            ref = MessageRef("Orders", 1, 100 + number)
            sighting = Sighting(ref, Identity(None, f"<t{number}@example.org>", f"t{number}"))
            message = messages.add(tx, office["box"], sighting, "elsewhere", START, None)
            messages.add_sighting(tx, office["box"], message, ref, START, ours=False, who=None, judged=True)
            if number < 20:
                messages.mark_gone(tx, office["box"], [ref], START + timedelta(days=2 if number < 18 else 90))
        found = {row.name: row.trouble for row in overview(tx, office["box"], [], least=1)}
    assert found["Invoices"] is None
    assert found["Orders"] is not None
    assert "18 of 30" in found["Orders"]


def test_a_folder_whose_mail_is_taken_for_others_is_called_mixed() -> None:
    misc = Category("m", "Misc", "Misc")
    points = [Point("m", "a", 0.6, False)] * 11 + [Point("m", "m", 0.4, True)]
    names = {"m": "Misc", "a": "Orders"}
    trouble = trouble_with(misc, 40, (40, 0), points, names, least=5)
    assert trouble is not None
    assert "only 1 of 12" in trouble
    assert "11 were taken for Orders" in trouble
    fine = [Point("m", "m", 0.6, True)] * 8 + [Point("m", "a", 0.6, False)] * 4
    assert trouble_with(misc, 40, (40, 0), fine, names, least=5) is None
    assert trouble_with(misc, 40, (40, 0), points[:3], names, least=5) is None


def test_curve_of_a_model_files_less_the_more_is_wanted(
    database: Database, office: dict[str, Any], command: Callable[..., str], tmp_path: Path
) -> None:
    points = tuple(Point("c1", "c1", 0.5 + number / 400, number % 20 > 4 - number / 50) for number in range(200))
    folder = tmp_path / "state" / "models" / "office" / "2026-03-01a"
    folder.mkdir(parents=True)
    rows = (CodeRow(code="AA", category="c1"),)
    model_folder.save(
        folder,
        ModelMeta(
            version="2026-03-01a", created=START, kind="linear", codebook=rows, categories=("c1",), points=points
        ),
    )
    with database.begin() as tx:
        place = "office/2026-03-01a"
        exam = {"details": {"calibration": {"answers": 600, "error_before": 0.081, "error_after": 0.021}}}
        training.add_model(tx, office["box"], "2026-03-01a", place, START, state="kept", verdict="Kept.", exam=exam)
    told = json.loads(command("models", "--curve", "2026-03-01a", "--json"))
    shares = [row["filed"] for row in told["curve"]]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
    assert 0 < told["calibration_error"] < 1
    assert told["calibration"]["error_after"] == 0.021
    shown = command("models", "--curve", "2026-03-01a")
    assert "wanted precision" in shown
    assert "one temperature on 600 held-out answers" in shown
    assert "off by 8.1 points before and 2.1 after" in shown
    with pytest.raises(PostroomError, match="There are: 2026-03-01a"):
        command("models", "--curve", "2026-03-01b")


def test_without_a_training_there_are_no_contradictions(tmp_path: Path) -> None:
    empty = Database.open(tmp_path / "empty.sqlite")
    with empty.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        assert contradictions(tx, box) == []
    empty.close()
