"""Somebody is told once when something begins, once a day while it lasts, and when it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from daemon.rules.alarms import AGAIN, PATIENCE, WORDS, Key, Kind, Noted, Notice, not_told, to_tell
from tests.fakes import START

STOPPED: Key = ("stopped", "office")
DISK: Key = ("disk", "")


class Office:
    """What is told, look after look."""

    def __init__(self) -> None:
        self.now, self.noted = START, dict[Key, Noted]()

    def look(
        self, *wrong: Key, later: timedelta = timedelta(minutes=1), unknown: str = "nobody", fails: bool = False
    ) -> str:
        self.now += later
        notices, after = to_tell(wrong, self.noted, [unknown], self.now)
        self.noted = not_told(self.noted, after) if notices and fails else after
        return " ".join(f"{notice.event}:{notice.kind}" for notice in notices)


def test_it_is_told_once_again_daily_and_when_it_is_over() -> None:
    office = Office()
    assert office.look(STOPPED) == "begins:stopped"
    assert office.look(STOPPED) == ""
    assert office.look(STOPPED, DISK) == "begins:disk"
    assert office.look(STOPPED, DISK, later=AGAIN - timedelta(minutes=1)) == "lasts:stopped"
    assert office.look(STOPPED, DISK) == "lasts:disk"
    assert office.look(STOPPED) == "over:disk"
    assert office.look() == "over:stopped"
    assert office.look() == ""
    assert office.noted == {}


def test_a_server_that_is_away_for_some_minutes_is_nobodys_business() -> None:
    office, trouble = Office(), ("trouble", "office")
    assert office.look(trouble) == ""  # type: ignore[arg-type]
    assert office.look(trouble, later=timedelta(minutes=20)) == ""  # type: ignore[arg-type]
    assert office.look() == "", "nobody was told, so nobody hears that it is over"
    assert office.look(trouble) == ""  # type: ignore[arg-type]
    assert office.look(trouble, later=PATIENCE["trouble"]) == "begins:trouble"  # type: ignore[arg-type]
    assert office.look() == "over:trouble"


def test_what_could_not_be_told_is_told_at_the_next_try() -> None:
    office = Office()
    assert office.look(STOPPED, fails=True) == "begins:stopped"
    assert office.look(STOPPED, fails=True) == "begins:stopped"
    assert office.look(STOPPED) == "begins:stopped"
    assert office.look(STOPPED) == ""
    assert office.look(fails=True) == "over:stopped"
    assert office.look() == "over:stopped"
    assert office.look() == ""


def test_after_a_start_nothing_is_over_before_the_mailbox_was_looked_at() -> None:
    office = Office()
    office.look(STOPPED)
    assert office.look(unknown="office") == ""
    assert office.look(STOPPED) == ""
    assert office.look(unknown="sales") == "over:stopped"


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    office = Office()
    office.look(STOPPED)
    assert office.look(STOPPED, later=-timedelta(days=300)) == "lasts:stopped"
    assert office.look(STOPPED) == ""


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("event", ["begins", "lasts", "over"])
def test_every_kind_has_a_sentence_for_every_event(kind: Kind, event: str) -> None:
    mailbox = "" if WORDS[kind][0][0].isupper() else "office"
    text = Notice(event, kind, mailbox, START).text  # type: ignore[arg-type]
    assert text.endswith((".", "`."))
    assert ("office" in text) == bool(mailbox)
    assert ("2026-03-02" in text) == (event == "lasts")
