"""`folders --twins`, `--merge`, `--here` and `--differ`, and where else people are told of twin folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from connectors.base import MailText
from daemon.cli import postroom
from daemon.mistakes import PostroomError
from daemon.report.twin_folders import question, twin_rows
from daemon.store import learning, mailboxes, twin_pairs
from daemon.store.database import Database
from daemon.store.records import Category
from tests.fakes import START

CONFIG = """
state_dir = "{state}"

[[mailbox]]
name = "office"
kind = "imap"
host = "localhost"
user = "u"
credential = "c"
"""
FOLDERS = ("Acme", "Plant North (Acme)", "Bills")


@pytest.fixture
def box(tmp_path: Path) -> tuple[Database, int]:
    """Acme has four lessons, Plant North two newer ones; the two are a pair, which people use side by side."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = Database.open(state / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        uids = [mailboxes.add_category(tx, box, Category("", name, name), START).uid for name in FOLDERS]
        both = (min(uids[:2]), max(uids[:2]))
        twin_pairs.save(tx, box, both, ["4 mails lie in both, or nearly the same"], (None, None, False), START)
        for place, (uid, count) in enumerate(zip(uids, (4, 2, 1), strict=True)):
            for number in range(count):
                text = MailText(subject=f"Secret deal {uid} {number}", body="We sell")
                learning.teach(tx, box, uid, text, START + timedelta(days=10 + place - count + number), source="csv")
    return database, box


@pytest.fixture
def command(tmp_path: Path, box: tuple[Database, int]) -> Callable[..., Result]:
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=tmp_path / "state"))

    def run(*arguments: str) -> Result:
        done = CliRunner().invoke(postroom, ["--config", str(config), *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


def counts(box: tuple[Database, int]) -> dict[str, int]:
    with box[0].read() as tx:
        names = {category.uid: category.name for category in mailboxes.categories(tx, box[1])}
        return {names[uid]: number for uid, number in learning.lesson_counts(tx, box[1]).items()}


def shown(command: Callable[..., Result]) -> dict[str, Any]:
    [told] = json.loads(command("folders", "--twins", "--json").stdout)
    assert told["mailbox"] == "office"
    [pair] = told["twins"]
    return dict(pair)


def test_a_pair_is_shown_with_all_that_a_person_needs_to_decide_it(command: Callable[..., Result]) -> None:
    words = command("folders", "--twins").stdout
    for told in (
        '"Acme" and "Plant North (Acme)"',
        "Acme: lessons 4, newest 20",
        "Plant North (Acme): lessons 2, newest 20",
        "Why: 4 mails lie in both, or nearly the same.",
        "Until you decide, mail of the two stays in the inbox.",
        "folders --merge N",
        "folders --here N",
        "folders --differ N",
        '"Acme" = "neutral"',
    ):
        assert told in words.replace('"Plant North (Acme)" and "Acme"', '"Acme" and "Plant North (Acme)"')
    assert "Secret" not in words
    assert shown(command)["open"] is True


def test_answers_count_at_once_and_another_one_takes_them_back(
    box: tuple[Database, int], command: Callable[..., Result]
) -> None:
    assert 'the lessons of "Acme" count as those of "Plant North (Acme)"' in command("folders", "--merge", "1").stdout
    assert counts(box) == {"Plant North (Acme)": 6, "Bills": 1}
    assert (shown(command)["choice"], shown(command)["into"]) == ("merge", "Plant North (Acme)")
    command("folders", "--merge", "1", "--into", "Acme")
    assert counts(box) == {"Acme": 6, "Bills": 1}
    command("folders", "--here", "1", "--into", "Plant North (Acme)")
    assert counts(box) == {"Plant North (Acme)": 6, "Bills": 1}
    assert "new mail goes to Plant North (Acme)" in command("folders", "--twins").stdout
    assert "differ" in command("folders", "--differ", "1").stdout
    assert counts(box) == {"Acme": 4, "Plant North (Acme)": 2, "Bills": 1}
    assert shown(command)["open"] is False


def test_the_folder_that_stays_if_none_is_named_is_told_before_and_the_way_back_after(
    command: Callable[..., Result],
) -> None:
    words = command("folders", "--twins").stdout
    assert "--merge and --here take Plant North (Acme), unless you add --into Acme." in words
    command("folders", "--here", "1")
    assert shown(command)["into"] == "Plant North (Acme)"
    assert "--merge N, --here N or --differ N changes one" in command("folders", "--twins").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--merge", "9"), "no such pair"),
        (("--merge", "1", "--into", "Bills"), "none of the two folders"),
    ],
)
def test_what_is_not_there_is_said(command: Callable[..., Result], arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(PostroomError, match=said):
        command("folders", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--twins", "--merge", "1"),
        ("--differ", "1", "--here", "1"),
        ("--into", "Acme"),
        ("--differ", "1", "--into", "Acme"),
    ],
)
def test_one_thing_at_a_time(command: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    assert command("folders", *arguments).exit_code == 2


def test_status_and_the_page_ask_until_it_is_answered(command: Callable[..., Result], tmp_path: Path) -> None:
    def page() -> str:
        command("report", "--html", str(tmp_path / "page.html"))
        return (tmp_path / "page.html").read_text()

    assert "may mean the same" in command("status").stdout
    assert "may mean the same" in json.loads(command("status", "--json").stdout)["mailboxes"][0]["twins"]
    assert "may mean the same" in page()
    command("folders", "--merge", "1")
    assert "may mean the same" not in command("status").stdout
    assert "Its lessons count as those of Plant North" in " ".join(command("lessons").stdout.replace("│", "").split())
    assert "may mean the same" not in page()


def test_where_nothing_is_found_that_is_said(box: tuple[Database, int], command: Callable[..., Result]) -> None:
    with box[0].begin() as tx:
        twin_pairs.remove(tx, box[1], 1)
    assert "no two folders seem to mean the same" in command("folders", "--twins").stdout


def test_before_the_first_training_that_is_not_the_last_word(
    box: tuple[Database, int], command: Callable[..., Result]
) -> None:
    with box[0].begin() as tx:
        twin_pairs.remove(tx, box[1], 1)
    assert "A training will look more closely." in command("folders", "--twins").stdout


def test_several_pairs_are_told_apart_and_what_becomes_of_their_mail(box: tuple[Database, int]) -> None:
    with box[0].begin() as tx:
        acme, _, bills = (category.uid for category in mailboxes.categories(tx, box[1]))
        pair = (min(acme, bills), max(acme, bills))
        assert "Their mail waits in the inbox until you decide" in str(question(twin_rows(tx, box[1])))
        twin_pairs.save(tx, box[1], pair, ["4 mails lie in both"], (acme, START, False), START)
        said = str(question(twin_rows(tx, box[1])))
    assert '"; "' in said
    assert ": the two of each pair may mean the same. Their mail waits in the inbox or goes where people put it" in said


def test_folders_of_one_name_are_told_by_their_whole_names(
    box: tuple[Database, int], command: Callable[..., Result]
) -> None:
    with box[0].begin() as tx:
        for folder in ("Clients/Meyer", "Sales/Meyer"):
            mailboxes.add_category(tx, box[1], Category("", "Meyer", folder), START)
        names = set(mailboxes.category_names(tx, box[1]).values())
    assert names == {*FOLDERS, "Clients/Meyer", "Sales/Meyer"}
    assert "Clients/Meyer" in command("lessons", "--category", "Clients/Meyer").stdout
    with pytest.raises(PostroomError, match=r"There are: .*Clients/Meyer, Sales/Meyer"):
        command("lessons", "--category", "Meyer")


def test_contradictions_name_two_folders_with_the_very_same_mail(
    box: tuple[Database, int], command: Callable[..., Result]
) -> None:
    assert "word for word" not in command("lessons", "--contradictions").stdout
    with box[0].begin() as tx:
        uids = {category.name: category.uid for category in mailboxes.categories(tx, box[1])}
        for name in ("Acme", "Bills"):
            learning.teach(tx, box[1], uids[name], MailText(body="the very same"), START, source="csv")
    words = command("lessons", "--contradictions").stdout
    assert "1 mail lies word for word in both" in words
    assert json.loads(command("lessons", "--contradictions", "--json").stdout)["same_mail"] in (
        [["Acme", "Bills", 1]],
        [["Bills", "Acme", 1]],
    )


def test_a_folder_that_is_not_in_use_cannot_be_the_one_that_stays(
    box: tuple[Database, int], command: Callable[..., Result]
) -> None:
    """And where it falls out of use later, nobody is told that lessons count as its own."""
    command("folders", "--merge", "1", "--into", "Acme")
    with box[0].begin() as tx:
        [acme] = [one for one in mailboxes.categories(tx, box[1]) if one.name == "Acme"]
        mailboxes.update_category(tx, box[1], acme.uid, paused="it was made neutral")
    assert "Acme is not in use: their lessons do not count as the same" in command("folders", "--twins").stdout
    with pytest.raises(PostroomError, match="nothing is filed there now"):
        command("folders", "--here", "1", "--into", "Acme")
    assert shown(command)["choice"] == "merge"
    assert 'count as those of "Plant North (Acme)"' in command("folders", "--merge", "1").stdout


def test_what_is_told_of_a_merged_folder_is_where_its_lessons_count(
    box: tuple[Database, int], command: Callable[..., Result]
) -> None:
    """Also where the one that stays was merged into a third, and in a circle."""
    with box[0].begin() as tx:
        acme, plant, bills = (
            one.uid for one in sorted(mailboxes.categories(tx, box[1]), key=lambda one: FOLDERS.index(one.name))
        )
        for one, other in ((plant, bills), (acme, bills)):
            both = (min(one, other), max(one, other))
            twin_pairs.save(tx, box[1], both, ["4 mails lie in both"], (None, None, False), START)
    command("folders", "--merge", "2", "--into", "Bills")
    assert (
        'of "Acme" count as those of "Bills"'
        in command("folders", "--merge", "1", "--into", "Plant North (Acme)").stdout
    )
    assert command("folders", "--twins").stdout.count("all of it counts as Bills") == 2
    assert 'of "Bills" count as those of "Acme"' in command("folders", "--merge", "3", "--into", "Acme").stdout
    assert counts(box) == {"Acme": 7}
    assert command("folders", "--twins").stdout.count("all of it counts as Acme") == 3
