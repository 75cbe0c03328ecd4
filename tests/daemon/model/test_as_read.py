"""When the text of a mail's files counts, and where it stands."""

from connectors.base import MailText
from daemon.model.as_read import LAYOUT, as_read

PAPER = "E-invoice: invoice 4711, from ACME GmbH\nRechnung 4711"


def test_where_the_mail_says_little_its_files_stand_below_its_words() -> None:
    text = MailText(subject="Scan", body="Please find attached.", attached_text=PAPER)
    assert as_read(text, LAYOUT) == MailText(subject="Scan", body=f"Please find attached.\n{PAPER}")
    assert as_read(MailText(attached_text=PAPER), LAYOUT) == MailText(body=PAPER)


def test_where_it_says_much_they_do_not_count() -> None:
    body = "The delivery of Monday arrived broken, " * 5
    assert as_read(MailText(body=body, attached_text=PAPER), LAYOUT) == MailText(body=body)


def test_a_model_that_was_taught_without_files_reads_without_them() -> None:
    text = MailText(body="Please find attached.", attached_text=PAPER)
    assert as_read(text, 0) == MailText(body="Please find attached.")
    assert as_read(text, LAYOUT + 1) == MailText(body="Please find attached.")
