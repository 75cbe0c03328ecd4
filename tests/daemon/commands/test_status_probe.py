"""What a monitoring system goes by: the exit codes of `postroom status`, as docs/commands.md lists them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.state.alarm_note import AlarmNote, write_note
from daemon.state.lock import StateLock
from tests.daemon.keeping.test_backup import Installation


@pytest.fixture
def office(tmp_path: Path) -> Installation:
    """An installation that has just begun."""
    made = Installation(tmp_path)
    made.told("status", code=4)
    return made


def test_a_service_that_runs_and_is_well_is_0_and_one_that_does_not_run_4(office: Installation) -> None:
    with StateLock(office.state):
        office.told("status", code=0)
        office.told("status", "--json", code=0)
    office.told("status", "--json", code=4)


def test_what_wants_a_person_is_3_while_the_service_runs_and_4_without(office: Installation) -> None:
    office.told("pause", "--mailbox", "office")
    office.told("status", code=4)
    with StateLock(office.state):
        office.told("status", code=3)
        office.told("resume", "--mailbox", "office")
        office.told("status", code=0)


def test_an_alarm_that_could_not_be_told_is_3_as_long_as_there_is_a_command(office: Installation) -> None:
    write_note(office.state, AlarmNote(failed=(datetime.now(UTC), "the command ended with exit code 7")))
    with StateLock(office.state):
        office.told("status", code=0)
        office.config.write_text(office.config.read_text() + '\n[alarm]\ncommand = ["/bin/true"]\n')
        assert "nobody could be told what is wrong" in office.told("status", code=3)
        office.told("alarm", "--test")
        office.told("status", code=0)


def test_settings_that_cannot_be_read_are_2_and_a_damaged_database_is_1(office: Installation) -> None:
    with StateLock(office.state):
        lines = office.config.read_text()
        office.config.write_text(lines + "\n[sorting]\npol = 3\n")
        office.told("status", code=2)
        office.config.write_text(lines)
        (office.state / "postroom.sqlite").write_bytes(b"rubbish" * 2000)
        assert "damaged" in office.told("status", code=1)


def test_a_restore_that_was_cut_short_is_3(office: Installation) -> None:
    (office.state / "restoring").touch()
    assert "a restore was cut short" in office.told("status", code=3)
