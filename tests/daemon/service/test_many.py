"""`make bench-many` in its quick form: twenty mailboxes on a real Dovecot, the real service as a process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.many import QUICK, is_fine, measure

MOST_THREADS = 24
"""8 at work, 4 in trouble, the scheduler, the listener, the nights and the libraries' own: whatever the number of
mailboxes, which is 20 here."""

pytestmark = [pytest.mark.imap, pytest.mark.slow]


def test_twenty_mailboxes_with_mail_in_each_are_sorted_without_an_error(tmp_path: Path) -> None:
    found = measure(QUICK, tmp_path)
    assert is_fine(found), found
    assert found["mails"] == QUICK.mailboxes * QUICK.mails
    assert found["sorted"] > found["mails"] / 2, "the model is sure of most of it"
    # A few files a mailbox, and no thread: threads are for passes at work, the database's connections do not grow.
    assert found["idle"]["open_files"] < 60 + 5 * QUICK.mailboxes
    assert found["with_models"]["threads"] < MOST_THREADS


@pytest.mark.model
def test_a_language_model_in_each_mailbox_is_a_head_on_one_reader(tmp_path: Path) -> None:
    found = measure(replace(QUICK, mailboxes=3, linear=False), tmp_path)
    assert is_fine(found), found
    assert found["sorted"] > found["mails"] / 2
    files = {path.name for path in (tmp_path / "state" / "models").rglob("*") if path.is_file()}
    assert {"head.npz", "neighbours.npz"} <= files
    assert "model.bin" not in files


def test_mailboxes_whose_servers_misbehave_cost_the_others_nothing(tmp_path: Path) -> None:
    """One is slow, two are hung up on, of two only one is let in: the others do not notice, and people hear of them."""
    found = measure(replace(QUICK, bad=True), tmp_path)
    assert is_fine(found), found
    assert found["told_in_status"] >= 3
    assert found["with_models"]["threads"] < MOST_THREADS


def test_where_a_server_takes_fewer_connections_than_there_are_mailboxes_they_take_turns(tmp_path: Path) -> None:
    """Those that came first would keep theirs in IDLE, and the others would be refused for ever."""
    found = measure(replace(QUICK, mailboxes=9, admits=3), tmp_path)
    assert is_fine(found, refused=True), found
    assert found["mails"] == 9 * QUICK.mails
    assert found["told_in_status"] == 9
