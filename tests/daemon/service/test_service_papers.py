"""The service on a real Dovecot, with a model that it trained itself: an invoice is filed by what its PDF says."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import psutil
import pytest

from daemon.model.base_file import BaseFile
from tests.imap_fixtures import ImapWorld
from tests.paper_samples import text_pdf
from tests.service_process import ServiceProcess, eventually

pytestmark = [pytest.mark.imap, pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(600)]

BILL = ("Rechnung {0}", "Bitte zahlen Sie {0},50 EUR bis zum Monatsende auf unser Konto", "Umsatzsteuer 19 Prozent")
LETTER = ("Bewerbung um die Stelle", "Lebenslauf und Zeugnisse von {0} Jahren im Lager", "Meine Ausbildung als Fahrer")
ENVIRONMENT = {"ENGINE__MAX_TOKENS": "64", "TRAINING__NICE": "0", "SORTING__PRECISION": "0.6"}


def mail(number: int, lines: tuple[str, ...], name: str = "scan.pdf") -> bytes:
    """Nothing but its file tells one from the other."""
    made = EmailMessage()
    made["From"], made["To"] = f"scanner{number % 3}@copy.example", "office@example.com"
    made["Subject"], made["Message-ID"] = f"Scan {number}", f"<scan{number}@copy.example>"
    made.set_content("Please find attached.")
    made.add_attachment(text_pdf(*(line.format(number) for line in lines)), "application", "pdf", filename=name)
    return made.as_bytes()


@pytest.fixture
def service(
    dovecot_world: ImapWorld, tiny_base: BaseFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServiceProcess]:
    for name, value in {**ENVIRONMENT, "ENGINE__BASE": str(tiny_base.path)}.items():
        monkeypatch.setenv(f"POSTROOM_{name}", value)
    recent = datetime.now(UTC) - timedelta(days=5)
    for number in range(20):
        dovecot_world.hands.put(mail(number, BILL), dovecot_world.first, arrived=recent)
        dovecot_world.hands.put(mail(100 + number, LETTER), dovecot_world.second, arrived=recent)
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        service.log.touch()
        service.command("learn", "--from-folders", "--no-train")
        service.command("train")
        yield service


def workers(service: ServiceProcess) -> list[psutil.Process]:
    """The reading processes that live; one that was killed is a zombie until the next file comes."""
    assert service.process is not None
    children = psutil.Process(service.process.pid).children()
    return [child for child in children if "daemon.papers.paper_worker" in command_line(child)]


def command_line(process: psutil.Process) -> list[str]:
    """Nothing of one that has ended, also between being listed and being asked."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def why(service: ServiceProcess, number: int) -> str:
    return " ".join(service.command("why", f"scan{number}@copy.example").stdout.split())


def test_mail_is_filed_by_what_its_pdf_says_whatever_becomes_of_the_reading_process(
    service: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    world = dovecot_world
    service.start()
    eventually(lambda: service.status()["polled"] is not None, "the first look")
    assert workers(service) == []  # nothing has been attached yet
    world.hands.put(mail(201, BILL))
    world.hands.put(mail(202, LETTER))
    eventually(lambda: world.folders_of("Scan 201") == [world.first], "the invoice was filed", 90)
    eventually(lambda: world.folders_of("Scan 202") == [world.second], "the letter was filed")
    assert "read scan.pdf (PDF)" in why(service, 201)
    assert service.status()["files"] == {"read": 2, "no_text": 0, "not_read": {}}
    [worker] = workers(service)
    assert worker.memory_full_info().uss < 60 << 20
    worker.send_signal(signal.SIGKILL)
    eventually(lambda: workers(service) == [], "it has ended")
    world.hands.put(mail(203, BILL, "another.pdf"))
    eventually(lambda: world.folders_of("Scan 203") == [world.first], "filed by a new process")
    assert [again.pid != worker.pid for again in workers(service)] == [True]
    names_alone = service.config.read_text().replace("[sorting]", '[sorting]\nattachments = "names"')
    service.config.write_text(names_alone)
    assert service.process is not None
    os.kill(service.process.pid, signal.SIGHUP)
    eventually(lambda: "settings-reloaded" in service.log.read_text(), "the reload")
    eventually(lambda: workers(service) == [], "the reading process has ended")
    world.hands.put(mail(204, BILL))
    eventually(lambda: service.status()["decided"] == 4, "it was decided about")
    assert "read scan.pdf" not in why(service, 204)
    assert workers(service) == []
    assert "Rechnung" not in service.log.read_text()
    assert ".pdf" not in service.log.read_text()
    assert service.stop() == 0
