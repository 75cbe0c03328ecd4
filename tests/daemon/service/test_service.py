"""The service as a process: signals, notifications, two at once, trouble with the server. On a real Dovecot."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually

pytestmark = pytest.mark.imap


@pytest.fixture
def service(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        yield service


def test_service_reports_ready_and_ends_politely_on_term(service: ServiceProcess) -> None:
    service.start()
    service.hear("STATUS=1 of 1 mailboxes fine")
    assert service.stop() == 0
    service.process = None
    service.hear("STOPPING=1")


def test_watchdog_is_fed_while_all_is_well(service: ServiceProcess) -> None:
    service.start(WATCHDOG_USEC="4000000")
    service.hear("WATCHDOG=1")


def test_new_mail_without_a_model_is_left_and_says_why(service: ServiceProcess, dovecot_world: ImapWorld) -> None:
    service.start()
    eventually(lambda: service.status()["polled"] is not None, "the first look")
    dovecot_world.hands.put(_mail("an invoice", "<first@example.org>"))
    eventually(lambda: service.status()["messages"].get("left") == 1, "the message was decided on")
    [story] = service.ask("why", "first@example.org")
    assert story["decisions"][0]["reason"] == "left: there is no trained model yet"
    assert [lying.folder for lying in dovecot_world.contents()] == ["INBOX"]
    shown = " ".join(service.command("preview").stdout.split())
    came = datetime.fromisoformat(story["arrived"]).astimezone()
    [told] = service.ask("preview")
    sender = "Ann Lee <ann@example.org>"
    for words in (f"{told['message']} stays", sender, "an invoice", f"{came:%Y-%m-%d %H:%M}", "The newest 1: 1 stay."):
        assert words in shown
    assert told["message_id"] == service.ask("why", told["message"])[0]["message_id"]


def _mail(subject: str, message_id: str) -> bytes:
    from tests.servers.hands import make_mail

    return make_mail(subject, message_id=message_id)


def test_filing_by_a_person_is_learnt_while_the_service_runs(service: ServiceProcess, dovecot_world: ImapWorld) -> None:
    service.start()
    eventually(lambda: service.status()["polled"] is not None, "the first look")
    dovecot_world.deliver("parts for the press")
    eventually(lambda: service.status()["messages"].get("left") == 1, "the message was decided on")
    dovecot_world.move("parts for the press", "Orders")
    eventually(lambda: service.status()["corrections"] == 1, "the correction was noticed")
    [correction] = service.ask("corrections")
    assert (correction["kind"], correction["from"], correction["to"]) == ("filing", "INBOX", "Orders")
    assert {each["name"]: each["lessons"] for each in service.status()["categories"]}["Orders"] == 1
    said = {event["event"]: event for event in map(json.loads, service.log.read_text().splitlines())}
    assert (said["sorted"]["folder"], said["corrected"]["folder"]) == ("INBOX", "Orders")
    for event in (said["sorted"], said["corrected"], correction):
        [story] = service.ask("why", event["message"])
        assert story["message_id"] == correction["message_id"]
    assert "parts for the press" in " ".join(service.command("corrections").stdout.split())


def test_the_inbox_may_be_written_in_any_case(dovecot_world: ImapWorld, tmp_path: Path) -> None:
    port, user = dovecot_world.server.port, dovecot_world.user
    with ServiceProcess(tmp_path, port, user, mailbox='inbox = "Inbox"') as service:
        assert all(found["fine"] for found in service.ask("check", fine=(0, 1)) if "office" in found["what"])
        service.command("once")
        dovecot_world.deliver("parts for the press")
        service.command("once")
        assert service.status()["messages"] == {"left": 1}


def test_second_daemon_on_the_same_state_is_refused(service: ServiceProcess) -> None:
    service.start()
    refused = service.command("run", fine=(75,))
    assert "another" in refused.stderr.lower()
    refused = service.command("once", fine=(75,))


def test_hangup_reads_the_settings_again_and_keeps_the_old_ones_when_they_are_wrong(service: ServiceProcess) -> None:
    service.start()
    good = service.config.read_text()
    service.config.write_text(good.replace("poll =", "pol ="))
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: "settings-refused" in service.log.read_text(), "the refusal")
    assert (
        "A service that runs goes on by the settings that it read before" in service.command("status", fine=(2,)).stderr
    )
    service.config.write_text(good.replace('poll = "1s"', 'poll = "2s"'))
    told = service.command("status", fine=(3,)).stdout
    assert "and could not use them, so it works by those before" in told
    assert "pol" in service.ask("status", fine=(3,))["settings_refused"]["why"]
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: "settings-reloaded" in service.log.read_text(), "the reload")
    assert service.ask("status")["settings_refused"] is None
    service.config.write_text(good.replace("/state", "/elsewhere"))
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: service.log.read_text().count("settings-refused") == 2, "another refusal")
    service.config.write_text(good)
    assert "`state_dir` cannot change" in service.command("status", fine=(3,)).stdout
    assert service.stop() == 0


def test_wrong_password_stops_that_mailbox_without_hammering(service: ServiceProcess) -> None:
    # This Dovecot accepts one password for everybody.
    service.set_password("wrong")
    service.start()
    eventually(lambda: "needs-person" in service.log.read_text(), "the refusal")
    assert "office-imap" not in service.log.read_text() or "wrong" not in service.log.read_text()
    trouble = service.ask("status", fine=(3,))["mailboxes"][0]["trouble"]
    assert "restart the service: systemd hands over a new secret only then" in trouble
    assert "SIGHUP" not in service.log.read_text()
    assert service.log.read_text().count("needs-person") == 1
    service.set_password("open-sesame")
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: service.status()["polled"] is not None, "the look after the password was put right")


def test_service_survives_a_kill_and_goes_on(service: ServiceProcess, dovecot_world: ImapWorld) -> None:
    service.start()
    eventually(lambda: service.status()["polled"] is not None, "the first look")
    service.stop(signal.SIGKILL)
    dovecot_world.deliver("while we were dead")
    service.heard.clear()
    service.start()
    eventually(lambda: service.status()["messages"].get("left") == 1, "the message was decided on")


def trainers_of(service: ServiceProcess) -> list[psutil.Process]:
    """The processes that train for this service."""
    place = str(service.state / "training")
    return [
        each for each in psutil.process_iter(["cmdline"]) if any(place in word for word in each.info["cmdline"] or ())
    ]


def test_a_training_that_dies_with_the_machine_has_ended_and_begins_once_more(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    for number in range(4):
        for folder in (dovecot_world.first, dovecot_world.second):
            dovecot_world.hands.put(make_mail(f"{folder[-3:]} {number}"), folder)
    service.command("learn", "--from-folders", "--no-train")
    now = datetime.now().astimezone()
    window = f"{now - timedelta(hours=2):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    night = {"POSTROOM_TRAINING__WINDOW": window, "POSTROOM_TRAINING__MIN_CORRECTIONS": "1"}
    begun = []
    for _ in range(2):
        service.heard.clear()
        service.start(**night)
        eventually(lambda: (service.status()["training"] or {}).get("outcome") == "running", "a training")
        begun.append(service.status()["training"]["started"])
        service.stop(signal.SIGKILL)
        assert service.status()["training"]["outcome"] == "interrupted"
        time.sleep(1)  # `status` tells whole seconds, and the second training is to be told from the first
        eventually(lambda: not trainers_of(service), "the trainer's end", 5)
    assert begun[0] < begun[1]
    service.heard.clear()
    service.start(**night)
    eventually(lambda: service.status()["polled"] > begun[1], "a look after the second kill")
    assert service.status()["training"]["started"] == begun[1], "a third might bring the machine down again"


def test_a_reload_of_what_concerns_all_puts_a_training_off_and_stops_neither_mail_nor_watchdog(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    for number in range(4):
        for folder in (dovecot_world.first, dovecot_world.second):
            dovecot_world.hands.put(make_mail(f"{folder[-3:]} {number}"), folder)
    service.command("learn", "--from-folders", "--no-train")
    night = {"POSTROOM_TRAINING__WINDOW": "00:00-00:00", "POSTROOM_TRAINING__MIN_CORRECTIONS": "1"}
    process = service.start(**night, WATCHDOG_USEC="4000000")
    settings = service.config.read_text()
    for reload in (1, 2, 3):  # more than ever count as trainings in vain
        eventually(lambda: trainers_of(service), "a training")
        (trainer,) = trainers_of(service)
        trainer.suspend()  # it does not end by itself, nor at our word
        service.hear("READY=1")
        service.heard.clear()
        service.config.write_text(settings.replace('poll = "1s"', f'poll = "1.{reload}s"'))
        process.send_signal(signal.SIGHUP)
        service.hear("RELOADING=1", 5)
        service.hear("WATCHDOG=1", 5)
        assert "READY=1" not in service.heard, "while the training is being ended"
        service.hear("READY=1", 40)
        assert not trainer.is_running()
        passes = service.passes()
        eventually(lambda count=passes: service.passes() > count, f"a look after reload {reload}")
    eventually(lambda: (service.status()["training"] or {}).get("outcome") == "running", "a training")
    told = service.ask("status")["mailboxes"][0]
    assert told["training_trouble"] is None
    assert service.stop() == 0
    service.process = None
    assert service.status()["training"]["outcome"] == "stopped"


def test_logs_of_a_whole_run_hold_no_mail(service: ServiceProcess, dovecot_world: ImapWorld) -> None:
    service.start()
    eventually(lambda: service.status()["polled"] is not None, "the first look")
    dovecot_world.deliver("zebra-subject", "giraffe-body")
    eventually(lambda: service.status()["messages"].get("left") == 1, "the message was decided on")
    service.stop()
    service.process = None
    log = service.log.read_text()
    assert '"sorted"' in log
    for secret in ("zebra", "giraffe", "ann@example.org", "open-sesame"):
        assert secret not in log
