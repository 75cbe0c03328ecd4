"""The real service on a real Dovecot whose mail is tagged, from first lessons to a correction, and the commands
beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.a_model import put_model
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually

pytestmark = pytest.mark.imap
TAGGED = 'act_by = "tag"\n' + "".join(f'[[mailbox.category]]\nname = "{name}"\n' for name in ("Büro & Post", "Orders"))


def test_a_tagged_mailbox_from_its_first_lessons_to_a_correction(dovecot_world: ImapWorld, tmp_path: Path) -> None:
    hands = dovecot_world.hands
    for folder in (dovecot_world.first, dovecot_world.second):
        hands.remove(folder)
    hands.create("Archive")
    hands.put(make_mail("an order", message_id="<thread@example.net>"), "Archive", flags="Orders")
    hands.put(make_mail("a letter"), flags="Buro-Post")
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user, mailbox=TAGGED) as service:
        found = {one["what"]: one for one in service.ask("check", fine=(0, 1))}
        assert found["office tags"] == {"what": "office tags", "fine": True, "seen": "Buro-Post, Orders"}
        assert not [what for what in found if "category" in what], "no folder is asked for"
        assert service.ask("learn", "--from-folders", "--no-train")["learnt"] == {"Büro & Post": 1, "Orders": 1}
        put_model(service.state, "office", datetime.now(UTC))
        service.start()
        eventually(lambda: service.passes() > 0, "the first look")
        for number in range(2):
            name = f"<{number}@example.net>"
            hands.put(make_mail(f"Re: an order {number}", message_id=name, References="<thread@example.net>"))
        eventually(lambda: all(hands.tags(f"Re: an order {number}") == {"orders"} for number in range(2)), "our tags")
        hands.flag("Re: an order 0", "Buro-Post")
        hands.unflag("Re: an order 0", "Orders")
        eventually(lambda: bool(service.ask("corrections")), "the correction")
        [said] = service.ask("corrections")
        assert (said["kind"], said["from"], said["to"]) == ("correction", "Orders", "Buro-Post")
        told = service.command("why", "0@example.net").stdout
        assert "tagged orders, by postroom" in told
        assert "tagged buro-post" in told
        assert "action done: INBOX +Orders" in told
        assert service.ask("undo", "--since", "1h") == {"dry_run": False, "put_back": 1, "left": 1}
        assert (hands.tags("Re: an order 0"), hands.tags("Re: an order 1")) == ({"buro-post"}, set())
        wanted = service.passes() + 3
        eventually(lambda: service.passes() >= wanted, "more looks")
        assert len(service.ask("corrections")) == 1
        assert service.ask("folders")[0]["tags"] == ["Buro-Post", "Orders"]
        assert {one["tag"]: one["lessons"] for one in service.ask("lessons")} == {"Buro-Post": 4, "Orders": 3}
        assert "tag Orders" in service.command("status", fine=(0, 3)).stdout
        assert service.stop() == 0


def test_a_tagged_mailbox_without_categories_is_told_what_to_write(dovecot_world: ImapWorld, tmp_path: Path) -> None:
    for folder in (dovecot_world.first, dovecot_world.second):
        dovecot_world.hands.remove(folder)
    tag = 'act_by = "tag"'
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user, mailbox=tag) as service:
        found = {one["what"]: one["seen"] for one in service.ask("check", fine=(1,))}
        assert 'Write [[mailbox.category]] with name = "Invoices" for each.' in found["office tags"]
        dovecot_world.hands.create("A")
        dovecot_world.hands.create("A/Orders")
        dovecot_world.hands.create("Orders")
        found = {one["what"]: one["seen"] for one in service.ask("check", fine=(1,))}
        assert 'several folders give the tag "Orders"' in found["office tags"]
        assert '"A/Orders" and "Orders" give the same tag' in service.command("once", fine=(3,)).stderr
