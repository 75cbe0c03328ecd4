"""What we write is read by Prometheus' own parser, and says what we meant."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from connectors.base import Identity, MessageRef, Sighting
from daemon.report.exposition import Family, exposition
from daemon.report.figures import Figures
from daemon.store import mailboxes, messages, training
from daemon.store.database import Database
from tests.fakes import START

NASTY = 'a "quoted" \\ name,\n{with} = everything\\n'


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_prometheus_reads_what_we_write() -> None:
    gauge = Family("postroom_thing", "gauge", f"Help with {NASTY}")
    gauge.add(1.5, mailbox=NASTY)
    gauge.add(None, mailbox="nothing")
    gauge.add(1e18, mailbox="large", kind="x")
    plain = Family("postroom_things_total", "counter", "Counted.")
    plain.add(3.0)
    text = exposition([gauge, plain, Family("postroom_empty", "gauge", "No sample.")])
    assert samples(text) == {
        ("postroom_thing", (("mailbox", NASTY),)): 1.5,
        ("postroom_thing", (("kind", "x"), ("mailbox", "large"))): 1e18,
        ("postroom_things_total", ()): 3.0,
    }
    kinds = {family.name: (family.type, family.documentation) for family in text_string_to_metric_families(text)}
    assert kinds["postroom_thing"] == ("gauge", f"Help with {NASTY}")
    assert kinds["postroom_things"][0] == "counter"


def test_a_mailboxes_figures_are_those_of_the_database(tmp_path: Path) -> None:
    figures = Figures()
    with contextlib.closing(Database.open(tmp_path / "postroom.sqlite")) as database, database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        for number, state in enumerate(("new", "left", "left", "sorted"), 1):
            seen = Sighting(MessageRef("INBOX", 1, number), Identity(None, f"<{number}@x>", f"d{number}", f"o{number}"))
            messages.add(tx, box, seen, state, START, None)  # type: ignore[arg-type]
        mailboxes.looked(tx, box, START, arrival=True)
        mailboxes.set_paused(tx, box, "zebra")
        run = training.start_run(tx, box, START, 3, 3)
        training.end_run(tx, run, START + timedelta(seconds=90), "failed", "zebra")
        figures.add(tx, mailboxes.get(tx, box), START)
    text = exposition(figures.families())
    found = {(name, *[value for _, value in labels]): value for (name, labels), value in samples(text).items()}
    assert found["postroom_messages", "office", "left"] == 2
    assert found["postroom_mailbox_last_look_timestamp_seconds", "office"] == START.timestamp()
    assert found["postroom_mailbox_live", "office"] == 1
    assert found["postroom_mailbox_problem", "paused", "office"] == 1
    assert found["postroom_mailbox_problem", "stopped", "office"] == 0
    assert found["postroom_training_last_success", "office"] == 0
    assert found["postroom_training_last_duration_seconds", "office"] == 90
    assert ("postroom_week_override_ratio", "office") not in found, "nothing was filed: there is no rate"
    assert "zebra" not in text
