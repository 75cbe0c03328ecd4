"""What tells a mail again."""

from dataclasses import replace

from connectors.base import MailText
from daemon.store.learning import fingerprint, mail_text, stored


def test_a_mail_is_the_same_whether_its_files_were_read_or_not() -> None:
    text = MailText(subject="Scan", attachments=("scan.pdf (application/pdf)",), body="Please find attached.")
    read = replace(text, attached_text="Invoice 4711")
    assert fingerprint(read) == fingerprint(text) != fingerprint(replace(text, body="Please find it attached."))


def test_a_text_without_files_is_stored_as_it_always_was() -> None:
    text = MailText(subject="Scan", body="Please find attached.")
    assert sorted(stored(text)) == ["attachments", "body", "list_id", "sender", "subject", "to"]
    for one in (text, replace(text, attached_text="Invoice 4711")):
        assert mail_text(stored(one)) == one
