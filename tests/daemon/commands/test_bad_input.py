"""What goes wrong in an office: each gives a sentence with the next step, and leaves the mail where it was.

The command line as a person meets it, against a real Dovecot. A wrong password, a second daemon and wrong settings are
in test_service and test_settings; a full disk and a newer database in test_store.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.report.story import agreement
from daemon.store.records import Correction, StoredDecision
from tests.fakes import START
from tests.imap_fixtures import ImapWorld
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.imap


@pytest.fixture
def office(dovecot_world: ImapWorld, tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        yield service


def replace(office: ServiceProcess, old: str, new: str) -> None:
    text = office.config.read_text()
    assert old in text
    office.config.write_text(text.replace(old, new))


def test_check_is_fine_on_a_good_set_up_and_changes_nothing(office: ServiceProcess, dovecot_world: ImapWorld) -> None:
    dovecot_world.deliver("one mail")
    before = dovecot_world.contents()
    findings = office.ask("check")
    assert all(finding["fine"] for finding in findings), findings
    (reading,) = [finding for finding in findings if finding["what"] == "office reading"]
    assert reading["seen"] == "the newest message in the inbox can be read"
    assert dovecot_world.contents() == before


def test_check_names_every_folder_that_is_missing(office: ServiceProcess) -> None:
    replace(office, "[sorting]", '[[mailbox.category]]\nname = "Bills"\nfolder = "Bils"\n[sorting]')
    findings = office.ask("check", fine=(1,))
    assert [finding["what"] for finding in findings if not finding["fine"]] == ['office category Bills "Bils"']


def test_check_names_a_wrong_inbox_and_every_other_folder_with_what_may_have_been_meant(office: ServiceProcess) -> None:
    replace(
        office,
        "[sorting]",
        'inbox = "INBOXX"\n[[mailbox.category]]\nname = "orders"\n[mailbox.roles]\n"Junck" = "never"\n[sorting]',
    )
    wrong = {finding["what"]: finding["seen"] for finding in office.ask("check", fine=(1,)) if not finding["fine"]}
    assert wrong.keys() == {
        'office inbox "INBOXX"',
        'office category orders "orders"',
        'office role never "Junck"',
    }
    assert [seen.split('"')[1] for seen in wrong.values()] == ["INBOX", "Orders", "Junk"]


@pytest.mark.parametrize("command", ["check", "status", "run"])
def test_a_state_dir_that_is_a_file_is_told_with_the_next_step(office: ServiceProcess, command: str) -> None:
    replace(office, f'"{office.state}"', f'"{office.config}"')
    failed = office.command(command, fine=(1,))
    assert "state_dir" in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stderr


def test_host_that_does_not_answer_is_worth_another_try(office: ServiceProcess) -> None:
    replace(office, f"port = {office.config.read_text().split('port = ')[1].split()[0]}", "port = 1")
    failed = office.command("once", fine=(75,))
    assert "127.0.0.1:1" in failed.stderr


def test_missing_credential_names_the_places_looked_at(office: ServiceProcess) -> None:
    (office.state / "credentials" / "office-imap").unlink()
    failed = office.command("once", fine=(3,))
    assert "office-imap" in failed.stderr
    assert "chmod 600" in failed.stderr


def test_empty_mailbox_can_be_looked_at_and_has_nothing_to_teach(office: ServiceProcess) -> None:
    assert office.ask("once")["mailboxes"][0]["sorted"] == {}
    learnt = office.ask("learn", "--from-folders", "--no-train")
    assert learnt["learnt"] == {"Büro & Straße": 0, "Orders": 0}
    assert "no model yet" in office.command("models").stdout.lower()
    assert "no previous model" in office.command("rollback", fine=(1,)).stderr
    assert "no such model" in office.command("promote", "2020-01-01a", fine=(1,)).stderr


def test_csv_shows_every_mistake_at_once_and_teaches_nothing_then(office: ServiceProcess, tmp_path: Path) -> None:
    table = tmp_path / "lessons.csv"
    table.write_text("category,text\nOrders,two boxes of paper please\n,one box\nOrders,\n")
    failed = office.command("learn", "--from-csv", str(table), "--no-train", fine=(2,))
    assert f"{table}: nothing was learnt from it.\n" in failed.stderr
    assert "row 3: no category" in failed.stderr
    assert "row 4: no text" in failed.stderr
    assert {each["lessons"] for each in office.status()["categories"]} == {0}
    table.write_text("kind,words\nOrders,two boxes\n")
    failed = office.command("learn", "--from-csv", str(table), "--no-train", fine=(2,))
    assert 'no column is called "label" (or "category")' in failed.stderr
    assert 'no column is called "text"' in failed.stderr
    table.write_text("category,subject,body\nOrders,Paper,two boxes of paper please\n")
    office.command("learn", "--from-csv", str(table), "--no-train")
    assert {each["name"]: each["lessons"] for each in office.status()["categories"]}["Orders"] == 1


def test_mail_of_fifty_megabytes_and_mail_without_an_id_are_read_in_bounds(
    office: ServiceProcess, dovecot_world: ImapWorld
) -> None:
    office.ask("once")
    line = b"a line that says nothing at all, again and again, to no end whatsoever\r\n"
    big = b"From: ann@example.org\r\nSubject: big\r\nMessage-ID: <big@example.org>\r\n\r\n" + line * 720_000
    dovecot_world.hands.put(big)
    dovecot_world.deliver("nameless", message_id=None)
    before = sorted(dovecot_world.contents())
    assert office.ask("once")["mailboxes"][0]["sorted"] == {"left": 2}
    assert sorted(dovecot_world.contents()) == before
    assert office.ask("why", "big@example.org")[0]["state"] == "left"


def test_dry_run_changes_neither_mail_nor_records(office: ServiceProcess, dovecot_world: ImapWorld) -> None:
    office.ask("once")
    dovecot_world.deliver("waiting")
    before = dovecot_world.contents(), office.status()["messages"]
    assert office.ask("once", "--dry-run")["mailboxes"][0]["sorted"] == {"left": 1}
    assert (dovecot_world.contents(), office.status()["messages"]) == before


def test_question_about_an_unknown_message_says_what_is_looked_at(office: ServiceProcess) -> None:
    assert "has not seen" in office.command("why", "<nobody@example.org>", fine=(1,)).stderr


def test_agreement_counts_only_what_people_showed() -> None:
    def decided(message: int, category: str | None) -> StoredDecision:
        return StoredDecision(message, message, START, category, category, 0.9, None, None, "model", "", "m", "shadow")

    def filed(message: int, category: str | None) -> Correction:
        return Correction(message, message, START, "filing", None, category, "INBOX", "F", None, None)

    counted = agreement(
        [decided(1, "a"), decided(2, "a"), decided(3, "b"), decided(4, None)], [filed(1, "a"), filed(2, "b")]
    )
    assert (counted.decided, counted.filed, counted.agreed, counted.overridden) == (4, 3, 1, 1)
