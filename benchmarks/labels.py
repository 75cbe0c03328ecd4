"""Names against codes, one table a set: `python -m benchmarks.labels --data DATA`, or `--train FILE --test FILE`.

    13 overlapping categories; all 77 at ten shots; household, paraphrases on one side  ->  trainer.compare

The recipe that the project began with (benchmarks/first_recipe.py) runs on household alone unless --original says
otherwise: on the larger sets it takes hours of CPU.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.first_recipe import original
from benchmarks.sets import overlapping, ten_shots
from benchmarks.whole_night import Row, read_rows
from connectors.base import MailText
from daemon.model.base_file import find_base
from trainer.compare import WAYS, Options, Set, as_text, compare
from trainer.prepare import prepare_base
from trainer.recipe import Answer, Recipe

# Of all 77 categories' test texts: so many are enough for an interval of five points.
MOST_JUDGED = 400
HOUSEHOLD_JUDGED = 0.3


def sets(data: Path) -> Iterator[tuple[str, Set]]:
    """Name and set. Raises OSError."""
    yield "household", household(data / "household_thelgevold" / "household_labelled.jsonl")
    few = overlapping(data / "banking77", 1)
    yield "banking77, 13 overlapping", as_set(few.train, few.test)
    shots = ten_shots(data / "banking77")
    judged = [row for row in shots.test if row.label is not None]
    yield "banking77 ten-shot", as_set(shots.train, random.Random(1).sample(judged, MOST_JUDGED))


def household(file: Path) -> Set:
    """18 categories; of each one's questions 30 % judge, both wordings of a question together."""
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["label"] is not None:
            groups[row["label"]][row["group_id"]].append(row["text"])
    chance = random.Random(1)
    learnt: list[Row] = []
    judged: list[Row] = []
    for label, questions in sorted(groups.items()):
        names = sorted(questions)
        chance.shuffle(names)
        cut = max(1, round(HOUSEHOLD_JUDGED * len(names)))
        for place, name in enumerate(names):
            (judged if place < cut else learnt).extend(Row(MailText(body=text), label) for text in questions[name])
    return as_set(learnt, judged, wordings=2)


def as_set(learnt: Sequence[Row], judged: Sequence[Row], wordings: int = 1) -> Set:
    """Rows as the comparison wants them; `wordings` neighbours belong to one question."""
    return Set(
        tuple(row.text for row in learnt),
        tuple(str(row.label) for row in learnt),
        tuple(place // wordings for place in range(len(learnt))),
        tuple(row.text for row in judged),
        tuple(str(row.label) for row in judged),
        {str(row.label): str(row.label).replace("_", " ") for row in learnt},
    )


def set_of_files(train: Path, test: Path) -> Set:
    """Two JSONL files as `benchmarks.whole_night` reads them. Raises OSError, ValueError."""
    learnt = [row for row in read_rows(train) if row.label is not None]
    taught = {row.label for row in learnt}
    judged = [row for row in read_rows(test) if row.label in taught]
    if len(taught) < 2 or not judged:
        raise ValueError(f"{test}: no text of a category that {train} teaches, or only one category.")
    return as_set(learnt, judged)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when every set was compared."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.labels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with banking77/ and household_thelgevold/")
    parser.add_argument("--train", type=Path, help="instead: JSONL with text (or subject, body, from) and label")
    parser.add_argument("--test", type=Path, help="the same, to judge by")
    parser.add_argument("--only", help="only sets whose name holds this")
    parser.add_argument("--seeds", default="1,2,3", help="one training each and for each kind (default: 1,2,3)")
    parser.add_argument("--epochs", type=int, default=4, help="at most, for codes and names (default: 4)")
    parser.add_argument(
        "--original",
        choices=("household", "all", "none"),
        default="household",
        help="on which sets the recipe that the project began with",
    )
    parser.add_argument("--base", type=Path, help="GGUF file or Hugging Face folder (default: the packaged SmolLM2)")
    parser.add_argument("--out", type=Path, help="JSON file for all figures")
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"), help="prepared base")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    if (options.data is None) == (options.train is None or options.test is None):
        parser.error("name either --data, or --train and --test")
    prepared = prepare_base(find_base(options.base), options.cache)
    chosen = Options(
        tuple(map(int, options.seeds.split(","))), Recipe(answer=Answer(epochs=options.epochs)), options.threads
    )
    found: dict[str, Any] = {}
    for name, work in sets(options.data) if options.data else [("files", set_of_files(options.train, options.test))]:
        if options.only and options.only not in name:
            continue
        ways = WAYS | {"original recipe": original} if options.original in ("all", name) else WAYS
        found[name] = compare(work, prepared, chosen, _to_stderr, ways)
        sys.stdout.write(f"\n{name}: {as_text(found[name])}")
        sys.stdout.flush()
        if options.out:  # after each: a run takes long, and may be stopped
            options.out.write_text(json.dumps(found, indent=1), "utf-8")
    return 0


def _to_stderr(_stage: str, done: int, total: int, text: str) -> None:
    sys.stderr.write(f"\r{100 * done // total:3d} %  {text:<50}")


if __name__ == "__main__":
    sys.exit(main())
