"""The public sets that the accuracy benchmark reads: where their files lie and how they are cut.

    DATA/banking77, DATA/clinc150  ->  rows to learn, rows to judge by

Nothing of them is part of the project. Test parts are read only to measure.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.whole_night import Row, read_rows
from connectors.base import MailText

# Cards, transfers and top-ups: categories that people mix up.
OVERLAPPING = (
    "card_arrival", "card_delivery_estimate", "card_not_working", "lost_or_stolen_card", "card_linking",
    "top_up_failed", "top_up_reverted", "pending_top_up", "top_up_by_card_charge",
    "transfer_not_received_by_recipient", "pending_transfer", "failed_transfer", "declined_transfer",
)  # fmt: skip
EACH, LESSONS = 65, 591


@dataclass(frozen=True)
class Task:
    """One line of the table: what is learnt and what is asked, for one seed."""

    name: str
    train: tuple[Row, ...]
    test: tuple[Row, ...]


def tasks(data: Path, seed: int) -> Iterator[Task]:
    """All tasks for one seed; the ten-shot sets are fixed files, the 13 categories are drawn anew. Raises OSError."""
    yield overlapping(data / "banking77", seed)
    yield ten_shots(data / "banking77")
    clinc = data / "clinc150"
    whole: Mapping[str, list[list[str]]] = json.loads((clinc / "data_full.json").read_text("utf-8"))
    test = [Row(MailText(body=text), label) for text, label in whole["test"]]
    test += [Row(MailText(body=text), None) for text, _ in whole["oos_test"]]
    yield Task("clinc150 ten-shot", tuple(read_rows(clinc / "train_10.jsonl")), tuple(test))


def ten_shots(banking: Path) -> Task:
    """All 77 categories at ten lessons each; the whole test part and strangers."""
    strangers = [Row(row.text, None) for row in read_rows(banking / "oos" / "ood-oos_test.jsonl")]
    return Task(
        "banking77 ten-shot", tuple(read_rows(banking / "train_10.jsonl")), (*_csv(banking / "test.csv"), *strangers)
    )


def overlapping(banking: Path, seed: int) -> Task:
    """13 categories at 65 texts each: 591 to learn, 254 to judge by, all from the training part."""
    rows = [row for row in _csv(banking / "train.csv") if row.label in OVERLAPPING]
    chance = random.Random(seed)
    chance.shuffle(rows)
    counts = dict.fromkeys(OVERLAPPING, 0)
    drawn = []
    for row in rows:
        assert row.label is not None
        if counts[row.label] < EACH:
            counts[row.label] += 1
            drawn.append(row)
    return Task("banking77, 13 overlapping", tuple(drawn[:LESSONS]), tuple(drawn[LESSONS:]))


def _csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [Row(MailText(body=row["text"]), row["category"]) for row in csv.DictReader(file)]
