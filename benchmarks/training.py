"""What one training costs: ours beside TRL's SFTTrainer by its defaults, `make bench-training DATA=…`.

    13 overlapping categories | ours, a whole night to the exported model | TRL (benchmarks/trl_side.py), epoch by epoch
    until it is as accurate, or has used so many times our CPU time  ->  CPU seconds of both

TRL needs versions of its own, so it runs in Unsloth's environment, which `make unsloth` sets up. The run is bounded:
TRL is stopped after --most times our CPU time, and the ratio is then "at least".
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.sets import Task, overlapping
from benchmarks.whole_night import bench
from daemon.model.base_file import find_base
from daemon.model.codebook import Codebook, code_token
from daemon.model.prompt import PromptSettings, Renderer
from trainer.prepare import PreparedBase, prepare_base

SIDE = Path(__file__).with_name("trl_side.py")


def trl(
    task: Task, prepared: PreparedBase, python: Path, wanted: float, most_cpu_s: float, options: Any
) -> list[dict[str, float]]:
    """TRL's history: epoch, CPU seconds, accuracy. The same prompts and codes as ours."""
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    renderer = Renderer(tokenizer, PromptSettings())
    labels = sorted({str(row.label) for row in task.train})
    book = Codebook().extended(labels, tokenizer)
    codes = [code_token(book.code(label), tokenizer) for label in labels]
    order = {
        "train": [f"{renderer.render(row.text).text} {book.code(str(row.label))}" for row in task.train],
        "test": [(renderer.render(row.text).ids, labels.index(str(row.label))) for row in task.test],
        "codes": codes,
        "base": str(prepared.whole().resolve()),
        "wanted": wanted,
        "most_cpu_s": most_cpu_s,
        "epochs": options.epochs,
        "threads": options.threads,
        "seed": options.seed,
    }
    with tempfile.TemporaryDirectory(prefix="postroom-trl-") as name:
        Path(name, "task.json").write_text(json.dumps(order), "utf-8")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(options.threads)}
        subprocess.run([str(python.absolute()), "-P", str(SIDE), name], check=True, env=environment, stdout=sys.stderr)
        history: list[dict[str, float]] = json.loads(Path(name, "history.json").read_text("utf-8"))
    return history


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when both were measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with banking77/")
    parser.add_argument("--trl-python", type=Path, required=True, help="python of an environment with TRL")
    parser.add_argument("--out", type=Path, help="JSON file for all figures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=6, help="TRL plans for so many (default: 6)")
    parser.add_argument("--most", type=float, default=12, help="stop TRL at so many times our CPU time (default: 12)")
    parser.add_argument("--limit", type=int, help="only the first so many lessons, to try the command out")
    options = parser.parse_args(arguments)
    task = overlapping(options.data / "banking77", options.seed)
    if options.limit:
        train = task.train[: options.limit]
        learnt = {row.label for row in train}
        task = Task(task.name, train, tuple(row for row in task.test if row.label in learnt)[: options.limit])
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        cache = Path(name)
        prepared = prepare_base(find_base(), cache)  # once in a base model's life, so in nobody's figures
        ours = bench(task.train, task.test, [options.seed], cache, threads=options.threads)["runs"][0]
        cpu, wanted = ours["train_cpu_s"], ours["accuracy"]
        sys.stderr.write(f"ours: {wanted:.4f} in {cpu} CPU s\n")
        history = trl(task, prepared, options.trl_python, wanted, options.most * cpu, options)
    reached = history[-1]["accuracy"] >= wanted
    found = {
        "ours": {"accuracy": wanted, "cpu_s": cpu, "wall_s": round(ours["train_s"], 1)},
        "trl": history,
        "trl_reached_it": reached,
        "times_less": round(history[-1]["cpu_s"] / cpu, 1),
    }
    best = max(row["accuracy"] for row in history)
    words = "to equal accuracy" if reached else f"at least: TRL got to {100 * best:.1f} % by then"
    sys.stdout.write(
        f"ours: {100 * wanted:.1f} % in {cpu:.0f} CPU s; TRL: {history[-1]['cpu_s']:.0f} CPU s. "
        f"{found['times_less']} times less ({words}).\n{json.dumps(found)}\n"
    )
    if options.out:
        options.out.write_text(json.dumps(found, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
