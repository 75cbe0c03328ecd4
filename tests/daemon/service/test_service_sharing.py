"""Two mailboxes that share on a real Dovecot, with a model that the service's own training made: what people do in one
teaches both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.model.base_file import BaseFile
from tests.daemon.service.test_service_include import BOX, reload
from tests.imap_fixtures import ImapWorld
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually

pytestmark = [pytest.mark.imap, pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(600)]

BILL = "Please pay invoice {0} of {0}0 euros to our account by the end of the month, value added tax included"
ORDER = "We would like to order {0} boxes of yellow tulips, please deliver them to our garden centre next week"
ENVIRONMENT = {"ENGINE__MAX_TOKENS": "64", "TRAINING__NICE": "0", "SORTING__PRECISION": "0.6"}


@pytest.fixture
def sales(dovecot: Dovecot, dovecot_world: ImapWorld) -> Iterator[ImapWorld]:
    world = ImapWorld(dovecot, f"{dovecot_world.user}-sales")
    yield world
    world.close()


@pytest.fixture
def service(
    dovecot_world: ImapWorld, sales: ImapWorld, tiny_base: BaseFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServiceProcess]:
    """`office` lends; people have put bills alone into its folders, and orders alone into those of `sales`."""
    for name, value in {**ENVIRONMENT, "ENGINE__BASE": str(tiny_base.path)}.items():
        monkeypatch.setenv(f"POSTROOM_{name}", value)
    recent = datetime.now(UTC) - timedelta(days=5)
    for number in range(20):
        bill, order = BILL.format(number), ORDER.format(number)
        dovecot_world.hands.put(make_mail(f"mail {number}", bill), dovecot_world.first, arrived=recent)
        sales.hands.put(make_mail(f"note {number}", order), sales.second, arrived=recent)
    with ServiceProcess(tmp_path, dovecot_world.server.port, dovecot_world.user) as service:
        (tmp_path / "mailboxes.d").mkdir()
        service.config.write_text('include = "mailboxes.d/*.toml"\n' + service.config.read_text())
        box = BOX.format(name="sales", port=dovecot_world.server.port, user=sales.user)
        (tmp_path / "mailboxes.d" / "sales.toml").write_text(f'{box}mode = "live"\nshare = "office"\n')
        yield service


def test_what_people_do_in_one_teaches_both_by_one_model(
    service: ServiceProcess, dovecot_world: ImapWorld, sales: ImapWorld
) -> None:
    service.command("learn", "--from-folders", "--no-train", "--mailbox", "office")
    service.command("learn", "--from-folders", "--no-train", "--mailbox", "sales")
    service.start()
    eventually(lambda: service.status_of("sales")["polled"] is not None, "the first look")
    sales.deliver("a correction", ORDER.format(77))
    eventually(lambda: service.status_of("sales")["messages"].get("left") == 1, "it was decided on")
    sales.move("a correction", sales.second)
    eventually(lambda: service.status_of("sales")["corrections"] == 1, "the correction was noticed")
    trained = service.ask("train", "--mailbox", "office")
    assert trained["outcome"] == "promoted", trained
    assert service.status()["model"]["version"] == service.status_of("sales")["model"]["version"]
    assert service.status_of("sales")["shares"] == "office"
    assert service.status_of("sales")["training"] == service.status()["training"]
    assert service.status()["corrections"] == 0
    dovecot_world.deliver("an order", ORDER.format(5).replace("boxes", "crates"))
    sales.deliver("a bill", BILL.format(5).replace("Please", "Kindly"))
    eventually(lambda: dovecot_world.folders_of("an order") == [dovecot_world.second], "what sales taught", 60)
    eventually(lambda: sales.folders_of("a bill") == [sales.first], "what office taught", 60)

    log = service.log.read_text()
    file = service.config.parent / "mailboxes.d" / "sales.toml"
    file.write_text(file.read_text().replace('share = "office"\n', ""))
    reload(service)
    eventually(lambda: service.status_of("sales")["shares"] is None, "sales is on its own again")
    assert service.status_of("sales")["model"] is None
    eventually(lambda: '"mailbox": "sales"' in service.log.read_text()[len(log) :], "a look")
    assert {one["name"]: one["lessons"] for one in service.status_of("sales")["categories"]}[sales.second] == 21
    assert service.stop() == 0
