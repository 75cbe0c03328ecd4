"""What many lessons cost the service: a process of its own for each number of lessons, with the daemon's own code.

    python -m benchmarks.lessons [--lessons 1000,10000,100000] [--out FILE]

    database with so many lessons of people | memory and neighbours filled | a mail's hint and neighbours | one lesson
    more | one taken back | thresholds of a pass | lessons written out for the night | time, and growth of PSS

No model is asked and torch is never imported; the last line of each run is one JSON object. Milliseconds and megabytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

import daemon.commands.run  # noqa: F401 - what `postroom run` imports
from benchmarks.daemon_memory import Moving, megabytes
from connectors.base import Identity, MailText, Message, MessageRef, Sighting
from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from daemon.model.classifier import Classifier
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.model.model_folder import ModelMeta
from daemon.model.neighbours import CAPACITY, Neighbours, hashed
from daemon.passes.decide import MailboxLessons, current_policy
from daemon.passes.desk import Desk
from daemon.settings import SortingSettings
from daemon.store import learning, mailboxes, messages, tables
from daemon.store.database import Database
from daemon.store.records import Category
from daemon.training.hand_over import write_lessons
from daemon.training.registry import Registry

FOLDERS, ASKED, BATCH = 10, 50, 500
WORDS = [f"{start}{end}" for start in ("ka", "lo", "mi", "tu", "re", "pa", "zen") for end in range(1500)]

# As in a language, the n-th word is n times rarer than the first (Zipf's law).
COMMON = list(itertools.accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))


def mail(number: int, words: int = 150) -> MailText:
    """A mail of its own, with a footer that all have."""
    chance = random.Random(number)
    body = f"{' '.join(chance.choices(WORDS, cum_weights=COMMON, k=words))}\n{' '.join(WORDS[:40])}"
    return MailText(sender=f"ann{number % 997}@example.org", subject=f"No. {number} {WORDS[number % 999]}", body=body)


def fill(database: Database, count: int, clock: Moving) -> tuple[int, list[str]]:
    """A mailbox with so many lessons, each from a message of its own in a thread of its own."""
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", clock()).id
        named = (Category("", f"Folder {number}", f"Folder {number}") for number in range(FOLDERS))
        uids = [mailboxes.add_category(tx, box, category, clock()).uid for category in named]
    for start in range(1, count + 1, BATCH):
        numbers = range(start, min(start + BATCH, count + 1))
        with database.begin() as tx:
            tx.execute(insert(tables.messages), [_message(box, number, clock) for number in numbers])
            tx.execute(
                insert(tables.lessons), [_lesson(box, number, uids[number % FOLDERS], clock) for number in numbers]
            )
    return box, uids


def _message(box: int, number: int, clock: Moving) -> dict[str, Any]:
    own = {"rfc_id": f"<{number}@example.org>", "thread": f"<{number}@example.org>", "digest": str(number)}
    return {"id": number, "mailbox_id": box, "first_seen": clock(), "state": "left", **own}


def _lesson(box: int, number: int, category: str, clock: Moving) -> dict[str, Any]:
    text = mail(number)
    about = {
        "message_id": number,
        "category": category,
        "text": asdict(text),
        "fingerprint": learning.fingerprint(text),
    }
    return {"mailbox_id": box, "at": clock() + timedelta(seconds=number), "source": "correction", **about}


def newcomers(desk: Desk, start: int) -> Iterator[tuple[messages.KnownMessage, Message]]:
    """Mail that nobody has filed yet, in threads that nobody has filed either."""
    for number in range(start, start + ASKED):
        identity = Identity(None, f"<{number}@example.org>", f"new {number}")
        sighting = Sighting(MessageRef("INBOX", 1, number), identity, references=(f"<root{number}@example.org>",))
        with desk.database.begin() as tx:
            known = messages.get(tx, messages.add(tx, desk.mailbox_id, sighting, "new", desk.clock(), None))
        yield known, Message(sighting, mail(number))


def refresh(desk: Desk, classifier: Classifier | None = None) -> None:
    """As before every batch of mail."""
    with desk.database.read() as tx:
        desk.memory.refresh(MailboxLessons(tx, desk.mailbox_id), classifier)


def hint(desk: Desk, known: messages.KnownMessage, message: Message) -> None:
    """What the database and the memory are asked about one mail."""
    with desk.database.read() as tx:
        learning.of_thread(tx, desk.mailbox_id, message.sighting.references, known.thread)
    desk.memory.near(message.text)


def policy(desk: Desk, classifier: Classifier) -> None:
    """Thresholds for one batch."""
    with desk.database.read() as tx:
        current_policy(tx, desk, classifier)


def timed(action: Callable[[], Any]) -> float:
    """Milliseconds of CPU time, so that other work on the machine does not count."""
    began = time.process_time()
    action()
    return round(1000 * (time.process_time() - began), 2)


def measure(count: int) -> dict[str, Any]:
    """All figures of one number of lessons, in this process."""
    clock = Moving()
    with tempfile.TemporaryDirectory(prefix="postroom-lessons-") as name:
        database = Database.open(Path(name, "postroom.sqlite"))
        box, uids = fill(database, count, clock)
        settings = ImapSettings(name="office", host="localhost", user="u", credential="c")
        registry = Registry(database, EmbeddedSettings(), Path(name, "models"))
        desk = Desk(settings, SortingSettings(), database, MemoryConnector(), registry, box, clock)
        asked = list(newcomers(desk, 10_000_000))
        before = megabytes()["pss_mb"]

        load = timed(lambda: (refresh(desk), hint(desk, *asked[0])))
        # As the night left it: a model of the newest lessons but the last hundred.
        learnt = range(max(1, count - 100 - CAPACITY), count - 100)
        rows = hashed([mail(number) for number in learnt], registry.term_key())
        labels = np.array([number % FOLDERS for number in learnt], np.int64)
        neighbours = Neighbours.of(uids, rows, labels, np.array(learnt, np.int64), registry.term_key())
        del rows
        classifier = Classifier(_meta(uids), registry.term_key(), None, None, None, neighbours)
        catch_up = timed(lambda: refresh(desk, classifier))
        found = {
            "lessons": count,
            "in_memory": len(desk.memory),
            "in_neighbours": len(neighbours),
            "load_memory_ms": load,
            "catch_up_neighbours_ms": catch_up,
            "hint_ms_a_mail": round(timed(lambda: [hint(desk, *question) for question in asked]) / ASKED, 2),
            "neighbours_ms_a_mail": round(timed(lambda: neighbours.logprobs([m.text for _, m in asked])) / ASKED, 2),
            "thresholds_ms_a_pass": timed(lambda: policy(desk, classifier)),
        }

        def known_again() -> None:
            refresh(desk, classifier)
            hint(desk, *asked[0])

        with database.begin() as tx:
            teach = timed(
                lambda: learning.teach(tx, box, uids[1], mail(20_000_000), clock(), source="correction", message=count)
            )
        found["second_thoughts_ms"] = round(teach + timed(known_again), 2)  # about a mail that had taught before
        with database.begin() as tx:
            teach = timed(lambda: learning.teach(tx, box, uids[0], mail(20_000_001), clock(), source="csv"))
        found["one_lesson_ms"] = round(teach + timed(known_again), 2)
        found["growth_mb"] = round(megabytes()["pss_mb"] - before, 1)
        found["hand_over_ms"] = timed(lambda: write_lessons(database, box, Path(name, "lessons.jsonl")))
        found["growth_after_the_night_mb"] = round(megabytes()["pss_mb"] - before, 1)
        found["torch_loaded"] = "torch" in sys.modules
        registry.close()
        database.close()
    return found


def _meta(uids: list[str]) -> ModelMeta:
    codes = [{"code": f"{number}", "category": uid} for number, uid in enumerate(uids)]
    values = {"version": "bench", "created": Moving().now, "kind": "linear", "codebook": codes, "categories": uids}
    return ModelMeta.model_validate({**values, "neighbours": 0.5, "points": [], "verdict": "", "exam": {}, "seed": 1})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lessons", description=__doc__.split("\n\n")[0])
    parser.add_argument("--lessons", default="1000,10000,100000", help="how many, separated by commas")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    counts = [int(count) for count in options.lessons.split(",")]
    if len(counts) == 1:
        found = [measure(counts[0])]
        print(json.dumps(found[0]))  # noqa: T201
    else:
        found = []
        for count in counts:
            command = [sys.executable, "-m", "benchmarks.lessons", "--lessons", str(count)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            print(done.stdout, end="", flush=True)  # noqa: T201
            found.append(json.loads(done.stdout.splitlines()[-1]))
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
