"""What reading attached files costs, and how many of them say something.

    python -m benchmarks.papers [--data FOLDER [--beside]] [--rounds 20] [--out FILE]

    made files of every kind | in this process and by the worker, in turn | milliseconds, what the worker adds
    FOLDER's files | by the worker, with --beside in this process too | by the ends of their names: statuses, invoices

Without FOLDER only the made files. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import click
import psutil

from connectors.base import Paper
from daemon.papers.paper import Reading
from daemon.papers.paper_reader import PaperReader
from daemon.papers.read_any import read_in_turn, warm_up
from tests.fuzz_papers import SEEDS

USEFUL = 15
"""Letters, from which on a file says something."""


def added_by_the_worker(reader: PaperReader, rounds: int) -> dict[str, Any]:
    """Milliseconds for small made files, in this process and by the worker in turn."""
    here: list[float] = []
    there: list[float] = []
    warm_up()
    for _ in range(rounds):
        for name, data in SEEDS.items():
            began = time.perf_counter()
            list(read_in_turn(name, data))
            here.append(time.perf_counter() - began)
            began = time.perf_counter()
            reader.read(Paper(name, data))
            there.append(time.perf_counter() - began)
    added = [100_000 * (by_worker - alone) // 1 / 100 for alone, by_worker in zip(here, there, strict=True)]
    return {
        "files": len(here),
        "here_ms": round(1000 * median(here), 2),
        "worker_ms": round(1000 * median(there), 2),
        "added_ms": round(median(added), 2),
        "worker_p99_ms": round(1000 * sorted(there)[int(0.99 * len(there))], 2),
    }


def collection(reader: PaperReader, folder: Path, beside: bool) -> dict[str, dict[str, Any]]:
    """By the end of the files' names: how many, with which status, how long; `beside`: and how long in this process."""
    kinds = defaultdict(list)
    pairs = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        began = time.perf_counter()
        reading = reader.read(Paper(path.name, data))
        took = 1000 * (time.perf_counter() - began)
        kinds[path.suffix.lower()].append((reading, took))
        if beside:
            began = time.perf_counter()
            list(read_in_turn(path.name, data))
            pairs[path.suffix.lower()].append((1000 * (time.perf_counter() - began), took))
    return {kind: _figures(found) | _beside(pairs[kind]) for kind, found in sorted(kinds.items())}


def _beside(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Of each file the two times one after the other: what else the machine does is in both."""
    if not pairs:
        return {}
    return {
        "here_ms": round(median(here for here, _ in pairs), 1),
        "added_ms": round(median(worker - here for here, worker in pairs), 1),
        "times": round(median(worker / here for here, worker in pairs), 2),
    }


def _figures(found: list[tuple[Reading, float]]) -> dict[str, Any]:
    took = sorted(milliseconds for _, milliseconds in found)
    invoices = [reading.invoices[0] for reading, _ in found if reading.invoices]
    return {
        "files": len(found),
        "useful": sum(bool(r.invoices) or sum(map(str.isalpha, r.text)) >= USEFUL for r, _ in found),
        "statuses": dict(Counter(reading.status for reading, _ in found)),
        "invoices": len(invoices),
        "whole_invoices": sum(all((i.number, i.code, i.seller, i.buyer)) for i in invoices),
        "median_ms": round(median(took), 1),
        "p99_ms": round(took[int(0.99 * len(took))], 1),
        "slowest_ms": round(took[-1], 1),
    }


def memory() -> dict[str, float]:
    """Megabytes of the worker between two files."""
    [worker] = psutil.Process().children()
    shown = worker.memory_full_info()
    return {"rss_mb": round(shown.rss / (1 << 20), 1), "pss_mb": round(shown.pss / (1 << 20), 1)}


def main() -> int:
    """Read arguments, measure, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with files, all of which are read")
    parser.add_argument("--beside", action="store_true", help="read them in this process, too: trusted files only")
    parser.add_argument("--rounds", type=int, default=20, help="how often every made file is read (default: 20)")
    parser.add_argument("--out", type=Path, help="write the figures into this file, too")
    arguments = parser.parse_args()
    with PaperReader() as reader:
        began = time.perf_counter()
        filtered = reader.sandbox().filtered
        start = round(1000 * (time.perf_counter() - began))
        figures: dict[str, Any] = {"filtered": filtered, "start_ms": start}
        figures |= added_by_the_worker(reader, arguments.rounds)
        if arguments.data:
            figures["data"] = collection(reader, arguments.data, arguments.beside)
        figures |= memory()
        figures["worker_ended"] = reader.ended
    shown = json.dumps(figures)
    if arguments.out:
        arguments.out.write_text(shown + "\n", encoding="utf-8")
    click.echo(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
