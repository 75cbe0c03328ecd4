"""A clock that goes wrong deletes nothing, and what is old goes in the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from daemon.cli import postroom
from daemon.commands.check import examine
from daemon.passes.mailroom import open_mailroom
from daemon.privacy.retention import CLOCK_LEAP, MANY, hold, waiting_after
from daemon.privacy.waiting import NIGHTS_TOLD, waiting_in
from daemon.service.loop import Service
from daemon.settings import Settings
from daemon.store import clocks as store
from daemon.store import mailboxes
from daemon.store.clocks import Waiting
from daemon.training.hand_over import TrainingOutcome
from tests.daemon.privacy.test_retention import NOW, Office
from tests.daemon.report.test_lessons import CONFIG

DAY = timedelta(days=1)
WRONG = NOW + 730 * DAY
NONE_OLD = (0, 100)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.database.close()


def fill(office: Office, lessons: int = 30) -> None:
    for number in range(lessons):
        office.teach(f"zqlesson{number}", at=NOW - DAY, message=office.message(number, NOW - DAY))


def night(office: Office, now: datetime) -> tuple[int, int]:
    gone = hold(office.database, office.box, Settings(), now)
    return gone.lessons, gone.identities


def left(office: Office) -> tuple[int, int]:
    with office.database.read() as tx:
        known = tx.exec_driver_sql("SELECT count(*) FROM messages").scalar()
    return len(office.words()), int(known or 0)


def test_a_clock_that_stands_two_years_ahead_for_a_night_deletes_nothing(office: Office) -> None:
    fill(office)
    with office.database.begin() as tx:
        mailboxes.looked(tx, office.box, WRONG)  # a look comes before the night, by the same clock
    assert night(office, WRONG) == (0, 0)
    assert left(office) == (30, 30)
    assert night(office, NOW) == (0, 0)
    with office.database.read() as tx:
        assert waiting_in(tx, office.box) is None, "the clock is right again, and nothing waits"


def test_the_whole_service_under_such_a_clock_deletes_nothing(office: Office, tmp_path: Path) -> None:
    fill(office)
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=tmp_path) + '[training]\nwindow = "00:00-23:59"\nmin_corrections = 1000\n')
    settings = Settings.load(config)
    clock = [NOW]
    service = Service(config, settings, clock=lambda: clock[0])
    with open_mailroom(settings, clock=lambda: clock[0]) as mailroom:
        for clock[0] in (NOW, WRONG, NOW + DAY):
            service._plan(mailroom, mailroom.desks()).nights.train_all()
    assert left(office) == (30, 30)


def test_it_is_told_once_a_night_in_the_log_and_whenever_somebody_checks(office: Office, tmp_path: Path) -> None:
    fill(office)
    settings = Settings(state_dir=tmp_path)

    def finding() -> str:
        [found] = [each for each in examine(settings) if each.what == "old mail"]
        return "fine" if found.fine else found.seen

    assert finding() == "fine"
    with capture_logs() as logged:
        for hours in (0, 1, 2, 24, 25):
            night(office, WRONG + timedelta(hours=hours))
    assert [each["event"] for each in logged] == ["old-mail-kept", "old-mail-kept"]
    assert {each["log_level"] for each in logged} == {"warning"}
    assert "days later than when old mail was last deleted" in finding()
    assert "it was in 2" in finding()
    assert "office: Nothing is deleted by its age" in finding()
    (tmp_path / "postroom.toml").write_text(CONFIG.format(state=tmp_path))
    status = CliRunner().invoke(postroom, ["--config", str(tmp_path / "postroom.toml"), "status"])
    assert "  Old mail: Nothing is deleted by its age" in status.stdout


def test_a_machine_that_was_off_for_long_forgets_in_the_end(office: Office) -> None:
    fill(office)
    for number in range(NIGHTS_TOLD):
        assert night(office, WRONG + number * DAY) == (0, 0)
    assert night(office, WRONG + NIGHTS_TOLD * DAY) == (30, 30)
    assert left(office) == (0, 0)


def test_what_is_too_many_for_its_folder_goes_whatever_the_clock_says(office: Office) -> None:
    fill(office)
    gone = hold(office.database, office.box, Settings(training={"max_per_folder": 4}), WRONG)
    assert (gone.lessons, gone.identities) == (26, 0)


def test_most_lessons_do_not_go_in_one_night(office: Office) -> None:
    fill(office)
    short = Settings(training={"max_age": "1h"})
    gone = hold(office.database, office.box, short, NOW)
    assert gone.lessons == 0
    assert "30 of 30 lessons are older than `max_age` and would go in one night" in str(gone.waits)
    for number in range(1, NIGHTS_TOLD):
        assert hold(office.database, office.box, short, NOW + number * DAY).lessons == 0
    assert hold(office.database, office.box, short, NOW + NIGHTS_TOLD * DAY).lessons == 30


def test_a_person_who_is_sure_need_not_wait(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(office)
    long_ago = Waiting(NOW - 400 * DAY)
    with office.database.begin() as tx:
        store.note(tx, office.box, long_ago)
        tx.exec_driver_sql("UPDATE lessons SET at = '2020-01-01 00:00:00.000000'")
    (tmp_path / "postroom.toml").write_text(CONFIG.format(state=tmp_path))
    monkeypatch.setattr("daemon.commands.train_now.train", lambda *_, **__: TrainingOutcome("nothing", "Nothing."))

    def train(*options: str) -> str:
        done = CliRunner().invoke(postroom, ["--config", str(tmp_path / "postroom.toml"), "train", *options])
        assert done.exit_code == 0, done.output
        return done.stderr

    assert "`postroom train --delete-old` deletes it now" in train()
    assert left(office)[0] == 30
    assert "deleted" not in train("--delete-old")
    assert left(office)[0] == 0


def test_a_mailbox_that_has_had_no_night_is_believed_the_clock_by_which_it_was_met(office: Office) -> None:
    with office.database.begin() as tx:
        tx.exec_driver_sql("DELETE FROM retention")
        tx.exec_driver_sql("UPDATE mailboxes SET created = ?", (f"{NOW - DAY:%Y-%m-%d %H:%M:%S}.000000",))
    fill(office)
    assert night(office, WRONG) == (0, 0)
    assert left(office) == (30, 30)


@pytest.mark.parametrize("leap", [CLOCK_LEAP + DAY, -CLOCK_LEAP - DAY])
def test_both_ways_of_a_leap_wait_and_a_smaller_one_does_not(leap: timedelta) -> None:
    before = Waiting(NOW)
    assert waiting_after(before, NOW + leap, NONE_OLD).why is not None
    assert waiting_after(before, NOW + leap * 0.9, NONE_OLD) == Waiting(NOW + leap * 0.9)


def test_the_nights_are_counted_anew_when_the_clock_is_set_back() -> None:
    almost = Waiting(NOW, NIGHTS_TOLD, WRONG, "the clock")
    assert waiting_after(almost, WRONG - 2 * DAY, NONE_OLD).nights == 1
    assert waiting_after(almost, WRONG + timedelta(hours=1), NONE_OLD).nights == NIGHTS_TOLD, "the same night"
    assert waiting_after(almost, WRONG + DAY, NONE_OLD) == Waiting(WRONG + DAY)


def test_few_lessons_may_all_go_at_once() -> None:
    assert waiting_after(Waiting(NOW), NOW, (MANY - 1, MANY - 1)).why is None
    assert waiting_after(Waiting(NOW), NOW, (MANY, 2 * MANY)).why is None
    assert waiting_after(Waiting(NOW), NOW, (MANY, 2 * MANY - 1)).why is not None
