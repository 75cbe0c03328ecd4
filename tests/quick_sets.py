"""Small invented stand-ins for the data sets of the long looks, in the same files and forms: to try the commands out.

They measure nothing: figures for docs/benchmarks.md come from the real sets.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from itertools import cycle
from pathlib import Path

from benchmarks.sets import EACH, OVERLAPPING
from connectors.mail.mime import parse
from daemon.demo.office.writer import SampleMail, write_office
from tests.lessons import office_rows

MANIFEST = 340
"""Mails: of fewer no cut leaves 200 to be judged."""


def write_sets(data: Path, mails: int) -> None:
    """banking77/, clinc150/ and enron_lokay/ below `data`; the last holds so many mails, and a manifest of more."""
    banking, clinc = data / "banking77", data / "clinc150"
    (banking / "oos").mkdir(parents=True)
    clinc.mkdir()
    rows = [
        # Each category has a word of its own; the rest of a text is of any of them.
        {"text": f"{category}: {row['text']['body']}", "category": category}
        for row, category in zip(office_rows(EACH * len(OVERLAPPING)), cycle(OVERLAPPING), strict=False)
    ]
    few = [{"text": row["text"], "label": row["category"]} for row in rows[:130] if row["category"] in OVERLAPPING[:4]]
    strangers = [{"text": "how many primes are there", "label": "oos"}, {"text": "what is a whale", "label": "oos"}]
    _csv(banking / "train.csv", rows)
    _csv(banking / "test.csv", rows[-26:])
    _jsonl(banking / "train_10.jsonl", few)
    _jsonl(banking / "oos" / "ood-oos_test.jsonl", strangers)
    _jsonl(clinc / "train_10.jsonl", few[8:])
    whole = {
        "test": [[row["text"], row["label"]] for row in few[:8]],
        "oos_test": [[row["text"], "oos"] for row in strangers],
    }
    (clinc / "data_full.json").write_text(json.dumps(whole), "utf-8")
    (data / "enron_lokay").mkdir()
    write_archive(data / "enron_lokay" / "lokay-m.tar.gz", write_office(1, mails))
    _jsonl(data / "enron_lokay" / "lokay-m.manifest.jsonl", map(_row, write_office(1, MANIFEST)))


def write_archive(path: Path, mails: Iterable[SampleMail]) -> None:
    """A tar of one file a mail: archive/FOLDER/NUMBER.eml."""
    with tarfile.open(path, "w:gz") as archive:
        for number, mail in enumerate(mails):
            entry = tarfile.TarInfo(f"archive/{mail.category}/{number}.eml")
            entry.size = len(mail.raw)
            archive.addfile(entry, io.BytesIO(mail.raw))


def _row(mail: SampleMail) -> dict[str, str]:
    text = parse(mail.raw).text
    return {
        "folder": mail.category,
        "date": mail.when.isoformat(),
        "from": text.sender,
        "to": text.to,
        "subject": text.subject,
        "body": text.body,
    }


def _csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("text", "category"))
        writer.writeheader()
        writer.writerows(rows)


def _jsonl(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
