"""`postroom status` of a service that does not run, hangs, or never learns; on a real Dovecot."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from connectors.base import MailText
from daemon.mistakes import ExitCode
from daemon.model.term_key import TermKey
from daemon.store import learning, mailboxes, tables, training
from daemon.store.database import Database
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually

pytestmark = pytest.mark.imap

BROKEN = b"GGUF\x03\x00\x00\x00 and then nothing of use"


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        yield service


def look(service: ServiceProcess) -> None:
    service.start()
    eventually(lambda: service.status()["polled"] is not None, "the first look")


def test_status_says_when_no_service_runs_with_a_code_of_its_own(service: ServiceProcess) -> None:
    for _ in range(2):
        told = service.command("status", fine=(ExitCode.NOT_RUNNING,))
        assert "No service runs here" in told.stdout
        assert "`systemctl start postroom`" in told.stdout
        assert service.ask("status", fine=(4,))["running"] is False
        look(service)
        told = service.command("status")
        assert "No service" not in told.stdout
        assert service.ask("status")["running"] is True
        service.stop(signal.SIGKILL)
        service.heard.clear()
    service.command("pause", "--because", "holidays")
    assert "holidays" in service.command("status", fine=(4,)).stdout, "what else is wrong is told, too"


def test_a_service_that_has_not_looked_for_long_is_late(service: ServiceProcess) -> None:
    look(service)
    assert service.process is not None
    assert service.status()["late"] is None
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        before = datetime.now(UTC) - timedelta(minutes=40)
        database = Database.open(service.state / "postroom.sqlite")
        with database.begin() as tx:
            tx.execute(update(tables.mailboxes).values(polled=before))
        database.close()
        service.command("status")  # it has just been started, and has time for its first look
        os.utime(service.state / "postroom.lock", (before.timestamp(), before.timestamp()))
        told = service.command("status", fine=(ExitCode.NEEDS_PERSON,)).stdout
        assert "Late: no look for 40 minutes, though the service runs." in told
        assert "`systemctl restart postroom`" in told
    finally:
        os.kill(service.process.pid, signal.SIGCONT)
    eventually(lambda: service.status()["late"] is None, "the next look")


def test_status_says_when_the_next_training_is_due_and_whether_there_is_enough_to_learn(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    service.config.write_text(service.config.read_text().replace("min_corrections = 100000", "min_corrections = 3"))
    look(service)
    planned = service.status()["next_training"]
    assert (planned["new_lessons"], planned["wanted"]) == (0, 3)
    midnight = datetime.combine(datetime.now(UTC).astimezone() + timedelta(days=1), datetime.min.time()).astimezone()
    assert datetime.fromisoformat(planned["at"]) == midnight
    told = service.command("status").stdout
    assert f"Next training: {midnight:%Y-%m-%d} 00:00, if 3 lessons are new by then; 0 are now." in told
    for number in range(3):
        dovecot_world.hands.put(make_mail(f"filed {number}"), dovecot_world.first)
    service.command("learn", "--from-folders", "--no-train")
    assert f"Next training: {midnight:%Y-%m-%d} 00:00; 3 lessons are new." in service.command("status").stdout


def test_a_window_that_went_by_without_a_training_is_told(service: ServiceProcess) -> None:
    service.config.write_text(service.config.read_text().replace("min_corrections = 100000", "min_corrections = 3"))
    look(service)
    assert service.status()["training_trouble"] is None
    service.stop()
    database, long_ago = Database.open(service.state / "postroom.sqlite"), datetime.now(UTC) - timedelta(days=3)
    with database.begin() as tx:
        tx.execute(update(tables.mailboxes).values(created=long_ago))
        tx.execute(update(tables.training_runs).values(started=long_ago, ended=long_ago))
        (box,) = mailboxes.everyone(tx)
        for category in mailboxes.categories(tx, box.id):
            for number in range(2):
                text = MailText(subject=f"{category.name} {number}")
                learning.teach(tx, box.id, category.uid, text, long_ago, source="folder")
    database.close()
    told = service.command("status", fine=(ExitCode.NOT_RUNNING,)).stdout
    assert "Training: no training began in the window that closed" in told
    assert "though 4 lessons are new" in told


def test_a_model_that_cannot_be_used_is_told_by_status_check_and_why(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    look(service)
    assert "WRONG" not in next(line for line in service.command("check").stdout.splitlines() if "office model" in line)
    database = Database.open(service.state / "postroom.sqlite")
    with database.begin() as tx:
        (box,) = mailboxes.everyone(tx)
        now = datetime.now(UTC)
        training.add_model(tx, box.id, "2026-03-01a", "office/2026-03-01a", now, state="kept", verdict="", exam={})
        training.promote(tx, box.id, "2026-03-01a", now)
    database.close()
    TermKey.of(service.state)
    dovecot_world.hands.put(make_mail("an invoice", message_id="<first@example.org>"))
    eventually(lambda: service.status()["messages"].get("left") == 1, "the message was decided on")
    told = service.command("status", fine=(ExitCode.NEEDS_PERSON,)).stdout
    assert "Model: 2026-03-01a, which cannot be used." in told
    assert "there is no model here" in told
    checked = service.command("check", fine=(1,)).stdout
    assert "WRONG office model:" in checked
    reason = service.ask("why", "first@example.org")[0]["decisions"][0]["reason"]
    assert reason == "left: the model in use, 2026-03-01a, cannot be used (`postroom status` says why)"
    assert service.log.read_text().count("model-refused") == 1


def test_check_tells_a_damaged_database_and_changes_nothing(service: ServiceProcess) -> None:
    look(service)
    service.stop()
    service.command("check")
    place = service.state / "postroom.sqlite"
    whole = place.read_bytes()
    place.write_bytes(whole[:8192] + b"\xff" * 4096 + whole[12288:])
    before = sorted((each.name, each.stat().st_size) for each in service.state.iterdir())
    told = service.command("check", fine=(1,)).stdout
    assert "WRONG database:" in told
    assert "restore a backup" in told
    assert sorted((each.name, each.stat().st_size) for each in service.state.iterdir()) == before


def test_a_disk_that_is_full_or_read_only_is_told_though_nothing_can_be_noted(
    service: ServiceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(service)
    assert service.ask("status")["disk"] is None
    real = os.statvfs
    for field, value, words in (
        ("f_bavail", 3 * 256, "only 3 MB are free"),
        ("f_favail", 0, "no more files can be made"),
        ("f_flag", os.ST_RDONLY, "its file system is read-only"),
    ):

        def found(path: Path, field: str = field, value: int = value) -> SimpleNamespace:
            names = ("f_bavail", "f_frsize", "f_files", "f_favail", "f_flag")
            return SimpleNamespace(**{**{name: getattr(real(path), name) for name in names}, field: value})

        monkeypatch.setattr("daemon.state.room.os.statvfs", found)
        told = service.command("status", fine=(ExitCode.NEEDS_PERSON,)).stdout
        assert told.startswith("Disk: ")
        assert words in told
        assert str(service.state) in told
    service.stop()
    (service.state / "postroom.sqlite").write_bytes(b"not even a database")
    told = service.command("status", fine=(1,)).stderr
    assert "Disk: " in told, "whatever else is wrong may come of it"


@pytest.mark.model
def test_a_training_that_fails_is_a_warning_in_the_log_in_the_status_line_and_in_status(
    service: ServiceProcess, dovecot_world: ImapWorld, tmp_path: Path
) -> None:
    for number in range(4):
        for folder in (dovecot_world.first, dovecot_world.second):
            dovecot_world.hands.put(make_mail(f"{folder[-3:]} {number}"), folder)
    service.command("learn", "--from-folders", "--no-train")
    (tmp_path / "broken.gguf").write_bytes(BROKEN)
    night = {"POSTROOM_TRAINING__WINDOW": "00:00-00:00", "POSTROOM_TRAINING__MIN_CORRECTIONS": "1"}
    service.start(**night, POSTROOM_ENGINE__BASE=str(tmp_path / "broken.gguf"))
    service.hear("STATUS=0 of 1 mailboxes fine; training office: the training of", 90)
    assert "broken.gguf" in next(line for line in service.heard if "the training of" in line), "and its reason"
    (warning,) = [line for line in service.log.read_text().splitlines() if "training-trouble" in line]
    assert '"level": "warning"' in warning
    assert "broken.gguf" in warning
    told = service.command("status", fine=(ExitCode.NEEDS_PERSON,)).stdout
    assert "Training: the training of" in told
    assert "broken.gguf" in told.partition("Training: ")[2].splitlines()[0]
    assert service.stop() == 0
    service.process = None
    # What is still so after a restart is said once more, and the next failure makes it a row of them.
    database = Database.open(service.state / "postroom.sqlite")
    with database.begin() as tx:
        (box,) = mailboxes.everyone(tx)
        run = training.start_run(tx, box.id, datetime.now(UTC), 8, 8)
        training.end_run(tx, run, datetime.now(UTC), "failed", "The disk is full.")
    database.close()
    service.start(**night)
    eventually(lambda: "2 trainings in a row have come to nothing" in service.log.read_text(), "the warning")
