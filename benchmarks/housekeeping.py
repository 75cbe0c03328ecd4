"""Is what is filed right, also in an office that keeps house? `make bench-housekeeping DATA=FOLDER OUT=FILE.jsonl`.

    an archive | ten cuts over its later part | plain, and with folders renamed, split, merged, nested and copied around
    each cut | learn all before, train once, judge the next 200  ->  one table; a line of JSON for each cut in OUT

A run that was stopped goes on where OUT ends. Without a language model (`--no-language`) a training takes seconds: a
look at thresholds, hints and folders, no figure for people.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.cut_table import by_change, called, compared, groups, pooled, table
from benchmarks.cuts import HOUSEKEEPING, PLAIN, Task, run
from benchmarks.dated_mail import LISTS, LOKAY
from daemon.mistakes import PostroomError


def tasks(options: argparse.Namespace) -> list[Task]:
    """Everything that the options ask for, in the order in which it is run."""
    return [
        Task(
            archive, mailbox, cut, options.cuts, options.seed, not options.no_language, options.short, options.answered
        )
        for archive in options.archive or (LOKAY, LISTS)
        for mailbox in ((options.only,) if options.only else (PLAIN, HOUSEKEEPING))
        for cut in ([number - 1 for number in options.cut] if options.cut else range(options.cuts))
    ]


def read_results(path: Path | None) -> list[dict[str, Any]]:
    """The lines of a file of results; a line that a stopped run left half-written is no result. Raises OSError."""
    if path is None or not path.is_file():
        return []
    rows = []
    for line in path.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def of_tasks(rows: Iterable[dict[str, Any]], wanted: Sequence[Task]) -> list[dict[str, Any]]:
    """Of these results those of the wanted tasks, the last of each."""
    keys = [asdict(task) for task in wanted]
    found = {json.dumps({key: row.get(key) for key in keys[0]}): row for row in rows} if keys else {}
    return [found[json.dumps(key)] for key in keys if json.dumps(key) in found]


def results(todo: Sequence[Task], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Each result as it comes."""
    if options.jobs == 1:
        for task in todo:
            yield run(task, options.data, options.cache, options.threads)
        return
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        running = [pool.submit(run, task, options.data, options.cache, options.threads) for task in todo]
        for done in as_completed(running):
            yield done.result()


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.housekeeping",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder with enron_lokay/ and spamassassin_folders.tar.gz")
    parser.add_argument("--archive", action="append", help="lokay, sa or git:PATH, a bare git history; may be repeated")
    parser.add_argument("--answered", action="store_true", help="a person says of every pair asked about: they differ")
    parser.add_argument("--short", type=int, metavar="N", help="only the subject and N characters of each body")
    parser.add_argument("--only", choices=(PLAIN, HOUSEKEEPING), help="only one kind of mailbox (default: both)")
    parser.add_argument("--cuts", type=int, default=10, help="over the later 60 %% of an archive (default: 10)")
    parser.add_argument("--cut", type=int, action="append", help="only this one, from 1; may be repeated")
    parser.add_argument("--seed", type=int, default=1, help="of what the office changes (default: 1)")
    parser.add_argument("--no-language", action="store_true", help="the linear model and its neighbours alone")
    parser.add_argument("--out", type=Path, help="JSONL file: a line a cut; what is there is not run again")
    parser.add_argument("--compare", type=Path, help="another such file, from before: print both")
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"), help="prepared base and readings")
    parser.add_argument("--jobs", type=int, default=1, help="cuts at the same time (default: 1)")
    parser.add_argument("--threads", type=int, default=1, help="of each training and model (default: 1)")
    options = parser.parse_args(arguments)
    if wrong := [cut for cut in options.cut or () if not 1 <= cut <= options.cuts]:
        parser.error(f"there is no cut {wrong[0]} of {options.cuts}.")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 with a table on stdout, and one JSON object on its last line; 2 for mail that can't be read."""
    options = parsed(arguments)
    wanted = tasks(options)
    try:
        found = of_tasks(read_results(options.out), wanted)
        known = {json.dumps({key: row[key] for key in asdict(wanted[0])}) for row in found}
        todo = [task for task in wanted if json.dumps(asdict(task)) not in known]
        for number, row in enumerate(results(todo, options), 1):
            found.append(row)
            if options.out is not None:
                _append(options.out, row)
            sys.stderr.write(
                f"{number} of {len(todo)}: {called(row)}, {row['mailbox']}, cut {row['cut'] + 1}: "
                f"{row['right']} of {row['filed']} right, {row['messages']} mails, {row['seconds']} s\n"
            )
    except (OSError, ValueError, PostroomError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.compare is not None:
        sys.stdout.writelines(f"{line}\n" for line in compared(read_results(options.compare), found))
    else:
        sys.stdout.writelines(f"{line}\n" for line in [*table(found), *by_change(found)])
    whole = {f"{archive}, {mailbox}": asdict(pooled(rows)) for (archive, mailbox), rows in groups(found).items()}
    sys.stdout.write(json.dumps(whole) + "\n")
    return 0


def _append(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = not path.is_file() or path.read_bytes()[-1:] in (b"", b"\n")
    with path.open("a", encoding="utf-8") as out:
        out.write(("" if whole else "\n") + json.dumps(row) + "\n")
        out.flush()
        os.fsync(out.fileno())


if __name__ == "__main__":
    sys.exit(main())
