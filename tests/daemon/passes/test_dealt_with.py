"""Mail in the inbox that carries our keyword is nobody's to sort: a Postroom has dealt with it, and somebody has put it
back or taken its tag off."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.base import MOVED
from connectors.errors import Unreachable
from connectors.mailbox_settings import CategorySettings
from daemon.passes.one_pass import one_pass
from daemon.state.watermark import Watermark
from tests.daemon.passes.test_pipeline import Office, make_office, office
from tests.daemon.passes.test_placed import reasons
from tests.imap_desk import open_desk, pass_time
from tests.imap_fixtures import ImapWorld

__all__ = ["make_office", "office"]


@pytest.mark.parametrize("told", ["by the keyword", "by the watermark", "by the watermark alone"])
def test_after_a_restore_mail_whose_tag_a_person_took_off_is_not_tagged_again(
    make_office: Callable[..., Office], tmp_path: Path, told: str
) -> None:
    office = make_office(act_by="tag")
    if told != "by the keyword":  # else the whole state directory is from the backup
        office.desk.watermark = Watermark(tmp_path / "seen" / "office")
    for subject in ("invoice untagged", "invoice let be"):
        office.deliver(subject)
    one_pass(office.desk)
    with sqlite3.connect(office.place) as source, sqlite3.connect(tmp_path / "backup.sqlite") as backup:
        source.backup(backup)
    office.settle()
    ref = office.ref_of("invoice untagged")
    alone = [MOVED] if told == "by the watermark alone" else []  # undo takes the keyword off as well
    office.box.tag_by_person(ref, remove=["Invoices", *alone])
    office.settle()
    with sqlite3.connect(tmp_path / "backup.sqlite") as backup, sqlite3.connect(office.place) as target:
        backup.backup(target)
    office.desk.looked = office.desk.seen_until = office.desk.folders_listed = None  # a new process
    for _ in range(2):
        office.settle()
    tags = {each.text.subject: set(each.sighting.flags) for each in office.box.lying_in("INBOX")}
    assert tags == {"invoice untagged": {MOVED} - set(alone), "invoice let be": {MOVED, "Invoices"}}
    assert reasons(office, "invoice untagged")[-1] == (
        "not touched: the database was restored from a backup; since that was made somebody may have taken a tag off"
        if alone
        else "not touched: a Postroom has dealt with it before"
    )
    office.deliver("invoice of today")
    office.settle()
    assert "Invoices" in office.box.lying_in("INBOX")[-1].sighting.flags


def test_our_own_keyword_from_a_try_that_failed_hinders_no_second_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.advance(minutes=3)

    def cut(ref: Any, *_: Any) -> Any:
        office.box.flag_by_person(ref, MOVED)
        raise Unreachable("memory", "The line is dead.")

    with monkeypatch.context() as patch:
        patch.setattr(office.box, "apply", cut)
        with pytest.raises(Unreachable):
            one_pass(office.desk)
    one_pass(office.desk)
    assert office.folder_of("invoice 1") == ["Invoices"]


@pytest.mark.imap
def test_on_a_real_server_no_tag_is_put_on_again_after_a_restore(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (dovecot_world.first, dovecot_world.second):
        dovecot_world.hands.remove(folder)
    names = (dovecot_world.first, dovecot_world.second)
    tagged = tuple(CategorySettings(name=name, tag=f"Tag{number}") for number, name in enumerate(names))
    desk = open_desk(dovecot_world, tmp_path, monkeypatch, act_by="tag", category=tagged)
    dovecot_world.deliver("order 1")
    one_pass(desk)
    with sqlite3.connect(desk.database.place) as source, sqlite3.connect(tmp_path / "backup.sqlite") as backup:
        source.backup(backup)
    pass_time(desk, minutes=3)
    assert dovecot_world.hands.tags("order 1") == {"tag1"}
    dovecot_world.hands.unflag("order 1", "Tag1")
    with sqlite3.connect(tmp_path / "backup.sqlite") as backup, sqlite3.connect(desk.database.place) as target:
        backup.backup(target)
    desk.looked = desk.seen_until = desk.folders_listed = None  # a new process
    for _ in range(2):
        pass_time(desk, minutes=11)
    assert dovecot_world.hands.tags("order 1") == set()
    desk.database.close()
