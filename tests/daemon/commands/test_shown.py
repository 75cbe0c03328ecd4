"""What the commands print: words that may look like rich's markup, and times as the clock on the wall shows them."""

from __future__ import annotations

import errno
import time
from datetime import UTC, datetime

import pytest

from daemon import cli
from daemon.commands import common, folders, try_file, why
from daemon.mistakes import ExitCode
from daemon.passes.folder_list import Shown

LIKE_MARKUP = ["[list] Minutes", "[/list] Minutes", "a [bold] claim"]


@pytest.mark.parametrize("words", LIKE_MARKUP)
def test_words_that_look_like_markup_are_shown_as_they_are(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    common.table(words, [words], [(words,)])
    common.console.print(words)
    assert capsys.readouterr().out.count(words) == 4


def test_a_title_is_not_broken_at_the_width_of_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    common.table("Inbox of office: what would happen", ["to"], [("a",)])
    assert capsys.readouterr().out.splitlines()[0] == "Inbox of office: what would happen"


@pytest.mark.parametrize(
    ("filed", "words"), [(True, "0.97  a, sure enough to file"), (False, "0.97  a, not sure enough to file")]
)
def test_an_answer_says_whether_it_would_be_filed(filed: bool, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    ranking = [{"category": "a", "chance": 0.97}, {"category": "b", "chance": 0.03}]
    try_file._show([{"text": "x", "categories": ranking, "filed": filed}])
    assert capsys.readouterr().out == f"\nx\n  {words}\n  0.03  b\n"


@pytest.mark.parametrize("words", LIKE_MARKUP)
def test_a_message_id_may_look_like_markup_too(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    parts: list[str] = ["places", "tags", "decisions", "actions", "corrections", "lessons"]
    empty = {part: [] for part in parts} | {"withheld": None}
    why._show_story({"message": "3f2a9c01b7de", "message_id": words, "mailbox": "office", "state": "new", **empty})
    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"{words} in office: new  (3f2a9c01b7de in logs and tables)"
    assert "Not decided yet" in said


@pytest.mark.parametrize(("tries", "words"), [(1, "in 1 try; it is not tried any more"), (3, "in 3 tries; it is not")])
def test_how_often_mail_was_asked_for_is_told(tries: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    parts: list[str] = ["places", "tags", "decisions", "actions", "corrections", "lessons"]
    held = {"withheld": {"tries": tries, "again": None, "why": "The server refused."}}
    why._show_story(
        {"message_id": "a", "message": "b", "mailbox": "office", "state": "new", **{part: [] for part in parts}, **held}
    )
    assert words in capsys.readouterr().out


def test_where_a_wrong_guess_is_put_right_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    folders._show("office", [Shown("[list]", "neutral", "guessed", 1)])
    said = capsys.readouterr().out
    assert "[mailbox.roles]" in said
    assert "[list]" in said


def test_times_are_those_of_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as here:
        here.setenv("TZ", "Europe/Berlin")
        time.tzset()
        assert common.local("2026-01-05T23:30:00+00:00") == "2026-01-06 00:30"
        assert common.local("2026-07-05T12:00:00+00:00") == "2026-07-05 14:00"
        assert common.local_day(datetime(2026, 1, 5, 23, 30, tzinfo=UTC)) == "2026-01-06"
    time.tzset()


def test_a_full_disk_is_a_sentence_in_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/postroom/x")

    monkeypatch.setattr(cli, "postroom", full)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)  # these are the tests' own
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == ExitCode.TROUBLE
    assert capsys.readouterr().err == "/srv/postroom/x: No space left on device. Make room there.\n"
