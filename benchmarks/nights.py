"""What a night costs as lessons grow, stage by stage, idle and on a busy machine: `make bench-nights`.

    python -m benchmarks.nights [--lessons 500,2000] [--beside idle,busy] [--until STAGE] [--layers 1] [--again 200]
    python -m benchmarks.nights --data FOLDER [--archive lokay,sa,git:PATH]      the newest mails of real archives

    so many lessons | a process as the daemon starts its trainer | CPU and wall seconds from step to step of its
    progress  ->  a line for each night, and how the cost grows: seconds by lessons to the power of what

`--until linear` ends the night behind that stage, so that one part of it is measured in minutes. `--layers 1` reads
the lessons by the base's lowest layer alone: nearly all but the reading, whose time grows with the lessons' tokens and
nothing else. `--again` trains once more with so many lessons more, as on the next night. Busy: beside a process for
every core that never rests, at the trainer's own priority. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from benchmarks.dated_mail import read_archive
from benchmarks.lessons import COMMON, WORDS
from connectors.base import MailText
from daemon.model.base_file import find_base
from daemon.model.term_key import KEY_FILE, TermKey
from daemon.rehearsal.back_test import LabelledMail
from daemon.settings import TrainingSettings
from daemon.training import child
from daemon.training.order import CANDIDATE, LESSONS, ORDER, RESULT, Category, Lesson, Order, Result
from daemon.training.trainer_process import surroundings
from trainer.prepare import prepare_base
from trainer.recipe import Recipe

STAGES = ("start", "clean", "hints", "prepare", "linear", "load", "cache", "train", "write", "exam", "export")
"""As the trainer tells them, and what it does between two of them. "start": until it has read the order; "load":
torch, the base and the lessons as its tokens; "cache": reading lessons; "train": fitting the language model to what was
read; "write" and "export": the files of the model that serves."""
BEHIND = {"clean": "hints", "linear": "load"}
SIZES = (500, 2_000, 5_000, 10_000, 30_000)
FOLDERS = 40
OWN_WORDS = 1_200
"""Of a folder's mails, beside those of the language."""
NO_REST = "while True: pass"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Plan:
    """One night to be measured."""

    lessons: int
    busy: bool = False
    until: str | None = None
    layers: int | None = None
    threads: int = 2
    nice: int = 0


@dataclass(frozen=True)
class Spent:
    """CPU and wall seconds."""

    cpu: float
    wall: float


class Enough(Exception):
    """The stage that was asked for is over."""


def invented(count: int) -> list[LabelledMail]:
    """Mails of an office with forty folders, some busier than others, one every ten minutes. Deterministic."""
    return [_mail(number) for number in range(count)]


def _mail(number: int) -> LabelledMail:
    chance = random.Random(number)
    folder = min(int(chance.expovariate(4 / FOLDERS)), FOLDERS - 1)
    # A fifth of the words is the folder's: rare in the language, and some of them also another folder's.
    own = random.Random(f"folder {folder}").sample(WORDS, OWN_WORDS)
    body = chance.choices(WORDS, cum_weights=COMMON, k=120)
    body += chance.choices(own, cum_weights=COMMON[:OWN_WORDS], k=30)
    chance.shuffle(body)
    sender = f"{chance.choice(own[:60])}@{chance.choice(own[:20])}.example"
    text = MailText(sender=sender, subject=" ".join(chance.sample(body, 5)), body=" ".join(body))
    return LabelledMail(
        f"Folder {folder}", text, BEGAN + timedelta(minutes=10 * number), f"<{number}@invented.example>"
    )


def real(archives: Sequence[str], data: Path | None) -> list[LabelledMail]:
    """All mails of these archives, by date. Raises OSError, BadSource, ValueError."""
    found = [mail for name in archives for mail in read_archive(name, data)]
    return sorted(found, key=lambda mail: mail.at)


def write_night(folder: Path, mails: Sequence[LabelledMail], cache: Path, before: Path | None) -> None:
    """A job folder with these mails as its lessons, as the daemon writes it; `before` is that of the last night."""
    folder.mkdir(parents=True)
    (folder / KEY_FILE).write_bytes((cache / KEY_FILE).read_bytes())
    (folder / KEY_FILE).chmod(0o600)
    known = Result.model_validate_json((before / RESULT).read_bytes()) if before is not None else None
    order = Order(
        version=folder.name,
        cache=cache,
        term_key=folder / KEY_FILE,
        categories=tuple(Category(id=name, name=name) for name in sorted({mail.folder for mail in mails})),
        codebook=() if known is None else known.codebook,
        current=None if before is None else before / CANDIDATE,
    )
    (folder / ORDER).write_text(order.model_dump_json(), "utf-8")
    with (folder / LESSONS).open("w", encoding="utf-8") as file:
        for number, mail in enumerate(mails):
            thread = (*mail.references, mail.message_id)[0]
            lesson = Lesson(id=number, category=mail.folder, text=mail.text, thread=thread, at=mail.at)
            file.write(f"{lesson.model_dump_json()}\n")


@contextlib.contextmanager
def other_work(nice: int) -> Iterator[None]:
    """A process for every core that never rests. In a session of its own, as another service has its share of the
    machine, where the system deals out shares by session or group."""
    command = ["nice", "-n", str(nice), sys.executable, "-S", "-c", NO_REST]
    busy = [subprocess.Popen(command, start_new_session=True) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def measure(plan: Plan, folder: Path) -> dict[str, Spent]:
    """Train as `folder` orders, in a process as the daemon starts it. Raises ValueError when that fails."""
    options = json.dumps({"until": plan.until, "layers": plan.layers})
    command = child.command(sys.executable, plan.nice, "benchmarks.nights", "--inside", options, str(folder))
    settings = TrainingSettings(threads=plan.threads, nice=plan.nice)
    with other_work(plan.nice) if plan.busy else contextlib.nullcontext():
        done = subprocess.run(
            # -P, as the daemon's trainer has it, would not find this benchmark.
            command, env=surroundings(settings, folder) | {"PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise ValueError(f"the night failed: {done.stderr.strip()[-500:]}")
    spent = json.loads(done.stdout.splitlines()[-1])
    return {stage: Spent(*seconds) for stage, seconds in spent.items()}


def inside(folder: Path, until: str | None, layers: int | None) -> dict[str, tuple[float, float]]:
    """The night in this process, and CPU and wall seconds of its stages. Raises ValueError when it fails."""
    from trainer.night import run

    recipe = Recipe()
    if layers is not None:
        recipe = replace(recipe, pooled=replace(recipe.pooled, depth=layers))
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    now = "start"
    before = [0.0, time.perf_counter() - (time.time() - psutil.Process().create_time())]

    def note(stage: str, done: int, total: int, text: str, left: int | None) -> None:  # noqa: ARG001
        nonlocal now, before
        after = [time.process_time(), time.perf_counter()]
        for place in (0, 1):
            spent[now][place] += after[place] - before[place]
        now, before = BEHIND.get(stage, stage) if done == total else stage, after
        if until is not None and STAGES.index(now) > STAGES.index(until):
            raise Enough

    with contextlib.suppress(Enough):
        result = run(folder, note, recipe)
        if result.outcome != "candidate":
            raise ValueError(result.verdict)
        note("export", 1, 1, "", None)
    return {stage: (round(cpu, 3), round(wall, 3)) for stage, (cpu, wall) in spent.items()}


def exponent(first: tuple[int, float], second: tuple[int, float]) -> float:
    """The power of the lessons with which the seconds grow from one to the other."""
    return math.log(second[1] / first[1]) / math.log(second[0] / first[0])


def together(spent: dict[str, Spent]) -> Spent:
    """All stages."""
    return Spent(sum(part.cpu for part in spent.values()), sum(part.wall for part in spent.values()))


def nights(options: argparse.Namespace) -> Iterator[tuple[str, int, dict[str, Spent]]]:
    """The form of each night ("idle", "busy" or "again"), its lessons, and what it took."""
    archives = options.archive.split(",") if options.data else ()
    mails = real(archives, options.data) if archives else None
    sizes = [int(size) for size in options.lessons.split(",")]
    with tempfile.TemporaryDirectory(prefix="postroom-nights-") as name:
        prepared = options.cache or Path(name, "cache")
        prepared.mkdir(exist_ok=True)
        TermKey.of(prepared)
        prepare_base(find_base(), prepared)  # once in a base model's life, so in no night's figures
        for size in sizes:
            if mails is not None and size > len(mails):
                sys.stderr.write(f"there are only {len(mails):,} mails, so {size:,} are not measured\n")
                continue
            lessons = invented(size) if mails is None else mails[-size:]
            for form in options.beside.split(","):
                plan = Plan(size, form == "busy", options.until, options.layers, options.threads, options.nice)
                # Readings of one form must not spare the other its own.
                cache = prepared if options.keep else _cache(prepared, Path(name, f"{size}-{form}-cache"))
                first = Path(name, f"{size}-{form}")
                earlier = lessons[: size - options.again] if options.again else lessons
                write_night(first, earlier, cache, None)
                yield form, len(earlier), measure(plan, first)
                if options.again:
                    second = Path(name, f"{size}-{form}-again")
                    write_night(second, lessons, cache, first)
                    yield f"{form}, the night after", size, measure(plan, second)


def _cache(prepared: Path, own: Path) -> Path:
    """A cache with the prepared base alone; the key goes with it."""
    own.mkdir()
    (own / KEY_FILE).write_bytes((prepared / KEY_FILE).read_bytes())
    for base in prepared.glob("base-*"):
        (own / base.name).symlink_to(base.resolve(), target_is_directory=True)
    return own


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 with figures; 1 when a night failed, 2 for files that can't be read."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nights", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lessons", default=",".join(map(str, SIZES)), help="comma-separated (default: %(default)s)")
    parser.add_argument("--beside", default="idle,busy", help="other work on the machine: idle, busy or both")
    parser.add_argument("--until", choices=STAGES[1:], help="end the night behind this stage")
    parser.add_argument("--layers", type=int, help="of the base that read a lesson; 1: nearly all but the reading")
    parser.add_argument("--again", type=int, default=0, help="train again with the newest so many lessons")
    parser.add_argument("--data", type=Path, help="folder with real archives (default: invented mail)")
    parser.add_argument("--archive", default="lokay,sa", help="lokay, sa, git:PATH (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="where the prepared base is kept (default: temporary)")
    parser.add_argument("--keep", action="store_true", help="readings, too: nights then find what others have read")
    parser.add_argument("--threads", type=int, default=2, help="the trainer's (default: 2)")
    parser.add_argument("--nice", type=int, default=0, help="of trainer and other work (default: 0)")
    parser.add_argument("--out", type=Path, help="JSON file for all figures, written after each night")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        wanted = json.loads(options.inside[0])
        sys.stdout.write(json.dumps(inside(Path(options.inside[1]), wanted["until"], wanted["layers"])) + "\n")
        return 0
    if options.again and options.until:
        parser.error("the night after begins where a whole night ended: leave out --until or --again")
    try:
        return _tell(options)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _tell(options: argparse.Namespace) -> int:
    line = "{:<22} {:>7} {:>8} {:>8}  {}\n"
    sys.stdout.write(line.format("night", "lessons", "CPU s", "wall s", "CPU s by stage"))
    found: dict[str, Any] = {}
    last: dict[str, tuple[int, float]] = {}
    for form, size, spent in nights(options):
        whole = together(spent)
        parts = ", ".join(f"{stage} {spent[stage].cpu:.1f}" for stage in STAGES if stage in spent)
        sys.stdout.write(line.format(form, f"{size:,}", f"{whole.cpu:.1f}", f"{whole.wall:.1f}", parts))
        row: dict[str, Any] = {**asdict(whole), "load": os.getloadavg()[0]}
        row["stages"] = {stage: asdict(seconds) for stage, seconds in spent.items()}
        if form in last:
            row["exponent"] = round(exponent(last[form], (size, whole.cpu)), 2)
            sys.stdout.write(f"{'':<22} CPU s grow by lessons to the power of {row['exponent']:.2f}\n")
        sys.stdout.flush()
        last[form] = size, whole.cpu
        found.setdefault(form, {})[str(size)] = row
        if options.out:
            options.out.write_text(json.dumps(found, indent=1), "utf-8")
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
