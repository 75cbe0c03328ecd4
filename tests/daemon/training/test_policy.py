"""By what a mailbox's mail is filed just now, without a desk and without a loaded model."""

from __future__ import annotations

from pathlib import Path

from daemon.model import model_folder
from daemon.settings import SortingSettings
from daemon.store import mailboxes
from daemon.store.database import Database
from daemon.store.records import Category
from daemon.training.policy import policy_of
from tests.a_model import VERSION, put_model
from tests.fakes import START


def test_a_category_newer_than_the_model_is_a_newcomer_unless_it_is_paused(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        mailboxes.add_category(tx, box, Category("", "Bills", "Bills"), START)
    put_model(tmp_path, "office", START)
    meta = model_folder.load(tmp_path / "models" / "office" / VERSION, check_files=False)
    with database.begin() as tx:
        new = mailboxes.add_category(tx, box, Category("", "Fairs", "Fairs"), START)
        old = mailboxes.add_category(tx, box, Category("", "Old", "Old"), START)
        mailboxes.update_category(tx, box, old.uid, paused="there is no folder")
        policy = policy_of(tx, box, SortingSettings(), meta, START)
        without_model = policy_of(tx, box, SortingSettings(), None, START)
    database.close()
    assert policy.newcomers == {new.uid}
    assert set(without_model.newcomers) == set(without_model.categories)
