"""Measure the whole candidate pipeline on any labelled set, without mail and without a daemon.

    --train FILE, --test FILE | a job folder a seed | the trainer, as at night | the served model answers the test set

`python -m benchmarks.whole_night --train F.jsonl --test F.jsonl [--seeds 1,2,3] --json`. Rows hold "label" and either
"text" or "subject", "body", "from", "to", "date". The test set is read only after training has ended.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.as_read import as_taught
from daemon.model.classifier import Classifier, aligned, blend
from daemon.model.engines.engine import Floats
from daemon.model.linear import LinearModel
from daemon.model.model_folder import ModelFolder, ModelMeta
from daemon.model.prediction import Prediction
from daemon.model.term_key import KEY_FILE, TermKey
from daemon.rules.thresholds import interval, thresholds
from daemon.training.order import CANDIDATE, LESSONS, ORDER, Category, Lesson, Order
from trainer.evaluate import paired_chance
from trainer.night import run


@dataclass(frozen=True)
class Row:
    """One labelled text. `label` None or "oos": it belongs nowhere and should be left."""

    text: MailText
    label: str | None
    date: str | None = None


def read_rows(path: Path) -> list[Row]:
    """Read a JSONL file. Raises OSError, ValueError with the line's number."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(row_of(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: no JSON object with a label and a text ({error}).") from error
    return rows


def row_of(value: Mapping[str, Any]) -> Row:
    """One row from JSON. Raises KeyError without a label or any text."""
    label = value["label"] if "label" in value else value["folder"]
    if "text" in value:
        text = MailText(body=str(value["text"]))
    elif "body" in value or "subject" in value:
        text = MailText(
            sender=str(value.get("from") or value.get("sender") or ""),
            to=str(value.get("to") or ""),
            subject=str(value.get("subject") or ""),
            body=str(value.get("body") or ""),
        )
    else:
        raise KeyError("text")
    return Row(text, None if label in (None, "oos") else str(label), value.get("date"))


def write_job(folder: Path, rows: Sequence[Row], cache: Path, seed: int, **options: Any) -> None:
    """A job folder as the daemon would write it, with `rows` as its lessons."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = sorted({row.label for row in rows if row.label is not None})
    TermKey.of(folder)
    order = Order(
        version=f"bench-{seed}",
        cache=cache,
        term_key=folder / KEY_FILE,
        categories=tuple(Category(id=label, name=label) for label in labels),
        seed=seed,
        **options,
    )
    (folder / ORDER).write_text(order.model_dump_json(), "utf-8")
    with (folder / LESSONS).open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            if row.label is not None:
                lesson = Lesson.model_validate({"id": number, "category": row.label, "text": row.text, "at": row.date})
                file.write(f"{lesson.model_dump_json()}\n")


def measure(
    folder: Path, key: TermKey, tests: Sequence[Row], wanted: float, threads: int, readers: Path
) -> dict[str, Any]:
    """What the candidate in `folder` answers to `tests`, with every candidate beside it. `key`: its terms'."""
    meta = model_folder.load(folder)
    texts = [as_taught(row.text, frozenset(meta.disclaimers), key, meta.attached) for row in tests]
    truth = [row.label for row in tests]
    known = [index for index, label in enumerate(truth) if label is not None]
    parts: dict[str, Floats] = {}
    with Classifier.load(folder, key, threads=threads, readers=readers) as classifier:
        started = time.perf_counter()
        predictions = classifier.classify(texts)
        seconds = time.perf_counter() - started
    made = ModelFolder(folder)
    if made.linear.is_dir():
        linear = LinearModel.load(made.linear, key)
        parts["linear"] = aligned(linear.logprobs(texts), linear.categories, meta.categories)
    if meta.kind != "linear":
        with Classifier.load(folder, key, threads=threads, readers=readers) as classifier:
            classifier._linear = classifier._neighbours = None  # the language model alone
            parts["llm"] = classifier.logprobs(texts)
    if len(parts) == 2:
        parts["blend"] = blend(parts["llm"], parts["linear"], meta.blend_weight)
    right = {
        name: [meta.categories[int(scores[index].argmax())] == truth[index] for index in known]
        for name, scores in parts.items()
    }
    served = [predictions[index].best == truth[index] for index in known]
    took = [index for index, files in enumerate(filed(predictions, meta, wanted)) if files]
    own = [index for index in took if truth[index] is not None]
    strangers = len(truth) - len(known)
    return {
        "kind": meta.kind,
        "blend_weight": meta.blend_weight,
        "n": len(known),
        "accuracy": _share(served),
        "interval": interval(sum(served), len(served)),
        **{f"{name}_accuracy": _share(flags) for name, flags in right.items()},
        "against_linear_by_chance": paired_chance(served, right["linear"]) if "linear" in right else None,
        "filed_share": len(own) / len(known) if known else None,
        "filed_precision": _share([predictions[index].best == truth[index] for index in own]),
        "strangers": strangers,
        "strangers_filed_share": (len(took) - len(own)) / strangers if strangers else None,
        "classify_ms_a_text": 1000 * seconds / max(len(texts), 1),
        "verdict": meta.verdict,
    }


def filed(predictions: Sequence[Prediction], meta: ModelMeta, wanted: float) -> list[bool]:
    """Of each answer: would a service that wants this precision file by it?"""
    limits = thresholds(meta.points, wanted)
    return [
        (limit := limits.get(prediction.best or "")) is not None and prediction.sure >= limit
        for prediction in predictions
    ]


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def bench(
    train: Sequence[Row], tests: Sequence[Row], seeds: Sequence[int], cache: Path | None = None, **options: Any
) -> dict[str, Any]:
    """Train and measure once a seed; means and standard deviations over the seeds beside the single runs."""
    runs = []
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        place = Path(name)
        for seed in seeds:
            folder = place / f"seed-{seed}"
            write_job(folder, train, cache or place / "cache", seed, **options)
            started = time.perf_counter()
            result = run(folder, _to_stderr)
            seconds = time.perf_counter() - started
            row: dict[str, Any] = {"seed": seed, "outcome": result.outcome, "verdict": result.verdict}
            if result.outcome == "candidate":
                wanted, threads = float(options.get("wanted_precision", 0.95)), int(options.get("threads", 2))
                made, readers = folder / CANDIDATE, cache or place / "cache"
                row |= measure(made, TermKey.of(folder), tests, wanted, threads, readers)
            row |= {
                "train_s": seconds,
                "train_cpu_s": result.train_cpu_s,
                "peak_memory_mb": result.peak_memory_mb,
            }
            runs.append(row)
    numbers = [key for key, value in runs[0].items() if isinstance(value, float)]
    complete = [key for key in numbers if all(isinstance(row.get(key), float) for row in runs)]
    return {
        "train": len(train),
        "test": len(tests),
        "seeds": list(seeds),
        "mean": {key: round(statistics.fmean(row[key] for row in runs), 4) for key in complete},
        "deviation": {key: round(float(np.std([row[key] for row in runs])), 4) for key in complete},
        "runs": runs,
    }


def _to_stderr(stage: str, done: int, total: int, text: str, _: int | None) -> None:
    if done == total:
        sys.stderr.write(f"{stage}: {text}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 with figures on stdout, 1 when no candidate came out, 2 for files that can't be read."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.whole_night",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--train", type=Path, required=True, help="JSONL with text (or subject, body, from) and label")
    parser.add_argument("--test", type=Path, required=True, help='the same; label null or "oos" for strangers')
    parser.add_argument("--seeds", default="1", help="comma-separated, one training each (default: 1)")
    parser.add_argument("--cache", type=Path, help="where the prepared base and readings are kept (default: temporary)")
    parser.add_argument("--base", type=Path, help="GGUF file or Hugging Face folder (default: the packaged SmolLM2)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--wanted-precision", type=float, default=0.95, help="for the share filed (default: 0.95)")
    parser.add_argument("--time-limit", type=float, help="seconds for one training")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object on the last line")
    options = parser.parse_args(arguments)
    try:
        train, tests = read_rows(options.train), read_rows(options.test)
        seeds = [int(seed) for seed in options.seeds.split(",")]
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    found = bench(
        train,
        tests,
        seeds,
        options.cache,
        engine={"base": options.base and options.base.resolve()},
        threads=options.threads,
        wanted_precision=options.wanted_precision,
        time_limit_s=options.time_limit,
    )
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for key, value in found["mean"].items():
            sys.stdout.write(f"{key:28} {value:10.4f} +- {found['deviation'][key]:.4f}\n")
    return 0 if all(row["outcome"] == "candidate" for row in found["runs"]) else 1


if __name__ == "__main__":
    sys.exit(main())
