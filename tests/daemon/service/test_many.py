"""`make bench-many` in its quick form: twenty mailboxes on a real Dovecot, the real service as a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.many import QUICK, is_fine, measure

pytestmark = [pytest.mark.imap, pytest.mark.slow]


def test_twenty_mailboxes_with_mail_in_each_are_sorted_without_an_error(tmp_path: Path) -> None:
    found = measure(QUICK, tmp_path)
    assert is_fine(found), found
    assert found["mails"] == QUICK.mailboxes * QUICK.mails
    assert found["sorted"] > found["mails"] / 2, "the model is sure of most of it"
    # Less than one thread and a few files a mailbox; the database's connections do not grow with them.
    assert found["idle"]["open_files"] < 60 + 5 * QUICK.mailboxes
