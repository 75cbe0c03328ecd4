"""Accuracy on public sets, the plain linear baseline and ours side by side: `make bench-accuracy DATA=… OUT=FILE.json`.

a set, a seed | TF-IDF with logistic regression | the whole trainer, exported and served | one line of the table
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline, make_union  # type: ignore[import-untyped]

from benchmarks.sets import Task, tasks
from benchmarks.whole_night import Row, bench


def plain_accuracy(train: Sequence[Row], test: Sequence[Row]) -> float:
    """The line to beat: TF-IDF of words (1-2) and characters (2-5), logistic regression, nothing tuned."""
    texts = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    model = make_pipeline(texts, LogisticRegression(C=10, max_iter=300))
    known = [row for row in test if row.label is not None]
    model.fit([row.text.body for row in train], [row.label for row in train])
    return float(model.score([row.text.body for row in known], [row.label for row in known]))


def measure(task: Task, seed: int, cache: Path, threads: int) -> dict[str, Any]:
    """One task, one seed: the plain baseline's accuracy and everything that `benchmarks.whole_night` tells."""
    run: dict[str, Any] = bench(task.train, task.test, [seed], cache, threads=threads)["runs"][0]
    return {"plain_accuracy": plain_accuracy(task.train, task.test), **run}


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds of every figure that all runs have, and the accuracy's spread."""
    keys = [key for key in runs[0] if all(isinstance(run.get(key), float) for run in runs)]
    accuracies = [run["accuracy"] for run in runs]
    return {key: round(statistics.fmean(run[key] for run in runs), 4) for key in keys} | {
        "lowest": round(min(accuracies), 4),
        "highest": round(max(accuracies), 4),
        "intervals": [run["interval"] for run in runs],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when every task was measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with banking77/ and clinc150/")
    parser.add_argument("--out", type=Path, help="JSON file for all figures")
    parser.add_argument("--seeds", default="1,2,3", help="one training each (default: 1,2,3)")
    parser.add_argument("--only", help="measure only tasks whose name holds this")
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"), help="prepared base and readings")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for seed in map(int, options.seeds.split(",")):
        for task in tasks(options.data, seed):
            if options.only and options.only not in task.name:
                continue
            sys.stderr.write(f"{task.name}, seed {seed}\n")
            found[task.name].append(measure(task, seed, options.cache, options.threads))
            _write(options.out, options.seeds, found)  # after each: a run takes long, and may be stopped
    line = "{:<26} {:>7} {:>7} {:>7} {:>7} {:>16} {:>7} {:>9} {:>10} {:>6}\n"
    heads = ("task", "plain", "linear", "llm", "best", "lowest-highest", "filed", "precision", "strangers", "CPU s")
    sys.stdout.write(line.format(*heads))
    for name, runs in found.items():
        row = summary(runs)
        cells = [_percent(row.get(f"{key}_accuracy")) for key in ("plain", "linear", "llm")]
        spread = f"{_percent(row['lowest'])} - {_percent(row['highest'])}"
        rest = [_percent(row.get(key)) for key in ("filed_share", "filed_precision", "strangers_filed_share")]
        sys.stdout.write(
            line.format(name, *cells, _percent(row["accuracy"]), spread, *rest, f"{row['train_cpu_s']:.0f}")
        )
    sys.stdout.write(json.dumps({name: summary(runs) for name, runs in found.items()}) + "\n")
    return 0


def _write(out: Path | None, seeds: str, found: dict[str, list[dict[str, Any]]]) -> None:
    if out is not None:
        table = {name: summary(runs) for name, runs in found.items()}
        out.write_text(json.dumps({"seeds": seeds, "summary": table, "runs": found}, indent=1), "utf-8")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    sys.exit(main())
