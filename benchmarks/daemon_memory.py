"""What one daemon weighs: a process with the service's own code, a model, full memory of lessons, and its day's mail.

    python -m benchmarks.daemon_memory MODEL_FOLDER [--messages 1000] [--lessons 5000]

    state directory | categories, lessons, the model promoted | service and commands imported | passes over an inbox in
    this process (`one_pass`: look, correct, classify, decide, journal), in batches | PSS of /proc/self/smaps_rollup

The mailbox lies in memory, so its mail is weighed as well: rather too much than too little. The last line is one
JSON object, in megabytes (10^6 bytes).
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import daemon.commands.run  # noqa: F401 - what `postroom run` imports
from connectors.base import MailText
from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from daemon.model import model_folder
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.model.linear import LinearModel, Vocabulary, pieces, words
from daemon.model.model_folder import CodeRow, ModelFolder
from daemon.model.term_key import TermKey
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.passes.one_pass import one_pass
from daemon.settings import SortingSettings
from daemon.store import learning, mailboxes, training
from daemon.store.database import Database
from daemon.training.registry import Registry

VERSION = "bench"
BATCH = 10
TERMS = {"words": 40_000, "characters": 40_000}
BODY = (
    "Dear colleagues, please find attached our invoice {0} for the printer paper and the two office chairs that were "
    "delivered on Tuesday. The amount of {1},50 euros is due within fourteen days. One of the chairs arrived with a "
    "broken wheel, so we would like to ask for a replacement. Could you also send us a quote for {2} desk lamps? "
)


class Moving:
    """A clock that a benchmark can move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def mails(count: int, start: int = 0) -> Iterator[MailText]:
    """Different mails that fill a prompt of 256 tokens."""
    for number in range(start, start + count):
        body = BODY.format(number, 7 * number % 1000, number % 89) * 3 + " ".join(f"ref{number}x{k}" for k in range(12))
        yield MailText(sender=f"Ann <ann{number % 97}@example.org>", subject=f"Order {number}", body=body)


def with_linear(folder: Path, uids: list[str], key: TermKey) -> None:
    """Make a pure language model a blend, as most are: a linear part with a full vocabulary beside it."""
    seen = {"words": words, "characters": pieces}
    vocabularies = {}
    for part, size in TERMS.items():
        known = dict.fromkeys(term for text in mails(50) for term in seen[part](text))
        terms = [*known, *(f"{part}-{number}" for number in range(size - len(known)))]
        vocabularies[part], _ = Vocabulary.of(terms, np.ones(len(terms)), key)
    columns = sum(len(vocabulary.terms) for vocabulary in vocabularies.values())
    weights = np.random.default_rng(1).normal(size=(len(uids), columns)).astype(np.float32)
    LinearModel(uids, vocabularies, weights, np.zeros(len(uids), np.float32), 0.1, key).save(ModelFolder(folder).linear)


def office(model: Path, state: Path, lessons: int, clock: Moving) -> tuple[Desk, MemoryConnector]:
    """A mailbox with the model in use and its lessons known."""
    meta = model_folder.load(model)
    box = MemoryConnector(folders=("INBOX", *(f"Folder {number}" for number in range(len(meta.categories)))))
    database = Database.open(state / "postroom.sqlite")
    settings = ImapSettings(name="office", host="localhost", user="u", credential="c", mode="live")
    with database.begin() as tx:
        known = mailboxes.ensure(tx, "office", "imap", "live", clock())
    registry = Registry(database, EmbeddedSettings(), state / "models")
    desk = Desk(settings, SortingSettings(), database, box, registry, known.id, clock)
    list_folders(desk)
    folder = state / "models" / "office" / VERSION
    shutil.copytree(model, folder)
    with database.begin() as tx:
        uids = [category.uid for category in mailboxes.categories(tx, known.id)]
        codes = meta.book().codes[: len(uids)]
        mailboxes.extend_codebook(tx, known.id, list(zip(codes, uids, strict=True)))
        for number, text in enumerate(mails(lessons, 1_000_000)):
            learning.teach(tx, known.id, uids[number % len(uids)], text, clock(), source="folder")
        training.add_model(tx, known.id, VERSION, f"office/{VERSION}", clock(), state="kept", verdict="", exam={})
        training.promote(tx, known.id, VERSION, clock())
    key = registry.term_key()
    with_linear(folder, uids, key)
    rows = tuple(CodeRow(code=code, category=uid) for code, uid in zip(codes, uids, strict=True))
    changes = {"kind": "blend", "blend_weight": 0.5, "codebook": rows, "categories": tuple(uids), "version": VERSION}
    model_folder.save(folder, meta.model_copy(update=changes | {"term_key": key.check}))
    return desk, box


def megabytes() -> dict[str, float]:
    """PSS and what of it is the process's own. Linux only."""
    rows = [line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]]
    found = {row[0].rstrip(":"): int(row[1]) * 1024 / 1e6 for row in rows}
    return {
        "pss_mb": round(found["Pss"], 1),
        "rss_mb": round(found["Rss"], 1),
        "anonymous_mb": round(found["Anonymous"], 1),
    }


def measure(model: Path, messages: int, lessons: int) -> dict[str, Any]:
    """What the process weighs after so many messages have been through the pass."""
    clock = Moving()
    with tempfile.TemporaryDirectory(prefix="postroom-weigh-") as name:
        desk, box = office(model, Path(name), lessons, clock)
        one_pass(desk)
        decided = 0
        for start in range(0, messages, BATCH):
            for text in mails(min(BATCH, messages - start), start):
                box.deliver(text)
            one_pass(desk)
            clock.now += timedelta(minutes=3)
            decided += sum(one_pass(desk).sorted.outcomes.values())
        weight = megabytes()
        held = len(desk.memory)
        desk.registry.close()
        desk.database.close()
    return {"messages": messages, "decided": decided, "lessons_in_memory": held, **weight}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daemon_memory", description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=Path, help="a model folder with a language model for the embedded engine")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--lessons", type=int, default=5000)
    options = parser.parse_args()
    print(json.dumps(measure(options.model, options.messages, options.lessons)))  # noqa: T201


if __name__ == "__main__":
    main()
