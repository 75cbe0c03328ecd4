"""Many mailboxes in one service: the real `postroom run` as a process, on a real Dovecot, with mail in each of them.

    python -m benchmarks.many [--mailboxes 50] [--minutes 10] [--poll 60] [--mails 2] [--seed 1]
    python -m benchmarks.many --quick          20 mailboxes, 1 minute, a poll of 5 s, linear models: as a test runs it
    python -m benchmarks.many --mailboxes 200 --minutes 60                 the hour
    python -m benchmarks.many --mailboxes 1000 --mails 0 --there 2         idle, without models: polls and memory
    python -m benchmarks.many --mailboxes 200 --bad                        some servers misbehave, the others are judged
    python -m benchmarks.many --mailboxes 200 --admits 150                 the server takes fewer connections than that

    N users with folders and mail | a model in use in each | start | first look at all | quiet rounds: CPU
    | mail comes at random moments | until all of it lies where it belongs | TERM | log and database counted

The model is a language model's head on the shared reader, a linear model and neighbours, trained once on invented mail
and put into every mailbox (benchmarks/many_models.py); `--linear`: the linear model alone. A mail counts as sorted when
its file has left the inbox for the folder of its kind; none may be lost or lie twice. The last line is one JSON object;
the exit code is 1 if the service failed at anything. With `--bad` the first mailbox is behind a line that lets it wait
for every answer, a tenth behind one that hangs up, another tenth behind one that takes one connection at a time: their
trouble is expected and counted apart.

Dovecot takes an inotify instance for every IDLE, and Linux gives a user 128 (fs.inotify.max_user_instances): beyond
that it looks every 30 seconds by itself, which is what mail in the other mailboxes then waits for.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.bad_line import BadLine
from benchmarks.many_mail import Post, office_mail
from benchmarks.many_models import Model
from benchmarks.many_service import Daemon, Plan, trained_already
from daemon.store import mailboxes, tables
from daemon.store.database import Database
from tests.servers.dovecot import Dovecot

TAUGHT = 240
"""Mails that the model is taught."""
TEXTS = 1000
"""Other mails of the same kinds, which come again and again."""
LOOK_EVERY_S = 0.2
LATEST_S = 120.0
"""So long after the last mail it may take until all are sorted."""
MANY_CLIENTS = """
default_process_limit = 3000
default_client_limit = 12000
service imap {
  process_limit = 3000
}
"""
QUICK = Plan(mailboxes=20, minutes=1.0, poll=5, linear=True)


def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """The whole of it. `folder` is for the service's state and log."""
    with ExitStack() as opened:
        server = opened.enter_context(Dovecot(extra=MANY_CLIENTS))
        lines = {way: opened.enter_context(BadLine(way, server.port)).port for way in set(plan.behind.values())}
        if plan.admits:
            server.port = opened.enter_context(BadLine("refuses", server.port, plan.admits)).port
        daemon = Daemon(folder, plan, server, lines)
        mail = office_mail(TAUGHT + TEXTS)
        model = Model(folder / "model", daemon.state, mail[:TAUGHT], linear=plan.linear) if plan.mails else None
        kinds = sorted({row["category"] for row in mail})
        post = Post(server, kinds, mail[TAUGHT:], plan.there, plan.seed)
        database = Database.open(daemon.state / "postroom.sqlite")
        for name in plan.names:
            post.furnish(name)
            if model is not None:
                model.into(database, daemon.state / "models", name, datetime.now(UTC))
            trained_already(database, name, datetime.now(UTC))
        say(f"{plan.mailboxes} mailboxes are ready")
        started = time.monotonic()
        ends = started + 60 * plan.minutes
        with daemon:
            first_looks_s = _until_all_are_looked_at(database, daemon, plan, started)
            quiet = _quiet_rounds(daemon, plan, ends)
            idle, load_idle = daemon.weight(), os.getloadavg()
            leave_s = max(2.0 * plan.poll, 5.0)  # so that the last mails may be found by a poll, too
            well = [name for name in plan.names if name not in plan.behind]
            moments = post.moments(well, plan.mails, max(ends - time.monotonic() - leave_s, 1.0))
            _deliver(post, daemon, moments, ends)
            late = time.monotonic() + LATEST_S
            while len(post.seconds) < len(post.sent) and daemon.process.poll() is None and time.monotonic() < late:
                time.sleep(LOOK_EVERY_S)
                post.look()
            shown, table_s = daemon.status()
            _, json_s = daemon.status("--json")
            with_models, cpu, died = daemon.weight(), daemon.cpu_s(), daemon.process.poll()
            code = daemon.stop() if died is None else died
        states, told = _states(database), _troubles(database, plan)
        database.close()
        where = [folders for name in plan.names for folders in post.places(name).values()]
        said = daemon.said(but=plan.behind)
        took = sorted(post.seconds.values())
        return {
            "mailboxes": plan.mailboxes,
            "minutes": plan.minutes,
            "seed": plan.seed,
            "exit_code": code,
            "trainings": said["trained"],
            "errors": said["(errors)"],
            "bugs": said["bug"],
            "warnings": said["(warnings)"],
            "first_looks_s": first_looks_s,
            "mails": len(post.sent),
            "sorted": len(took),
            "left": states["left"],
            "lost": len(post.sent) - len(where),
            "doubled": sum(len(folders) > 1 for folders in where),
            "median_s": round(statistics.median(took), 1) if took else None,
            "latest_s": round(took[-1], 1) if took else None,
            **asdict(quiet),
            "expected_trouble": said["(expected)"],
            "told_in_status": told,
            "named_in_table": sum(name in shown for name in plan.behind),
            "status_cpu_s": {"table": table_s, "json": json_s},
            "model_mb": None if model is None else model.megabytes,
            "load": {"idle": load_idle[0], "end": os.getloadavg()[0]},
            "cpu_s": round(cpu, 1),
            "idle": idle,
            "with_models": with_models,
            "said": daemon.explain(),
        }


def is_fine(found: dict[str, Any], *, refused: bool = False) -> bool:
    """Nothing failed, and every mail was decided on and lies in one place. `refused`: the server refuses connections,
    which is told."""
    failed = found["exit_code"] or found["errors"] or found["lost"] or found["doubled"]
    failed = failed or (found["warnings"] and not refused)
    return not failed and found["first_looks_s"] is not None and found["sorted"] + found["left"] == found["mails"]


def _until_all_are_looked_at(database: Database, daemon: Daemon, plan: Plan, started: float) -> float | None:
    """How long the first looks took; None if they were never all done."""
    while time.monotonic() < started + 60 * plan.minutes / 2 and daemon.process.poll() is None:
        with database.read() as tx:
            everyone = mailboxes.everyone(tx)
        looked = [box for box in everyone if box.cursor is not None and box.name not in plan.behind]
        if len(looked) >= plan.mailboxes - len(plan.behind):
            return round(time.monotonic() - started, 1)
        time.sleep(LOOK_EVERY_S)
    return None


@dataclass(frozen=True)
class Quiet:
    """What one round of polls costs in which nothing has changed."""

    cpu_s_a_quiet_round: float
    cpu_ms_a_quiet_poll: float
    kb_written_a_quiet_round: float
    looks_a_quiet_round: float


def _quiet_rounds(daemon: Daemon, plan: Plan, ends: float) -> Quiet:
    rounds = max(1, min(3, math.floor((ends - time.monotonic()) / 3 / plan.poll)))
    time.sleep(plan.poll)  # what a first look and its listening leave to be done
    before, written, looks = daemon.cpu_s(), daemon.written(), daemon.looks()
    time.sleep(rounds * plan.poll)
    cpu, kilobytes = daemon.cpu_s() - before, (daemon.written() - written) / 1000
    return Quiet(
        cpu_s_a_quiet_round=round(cpu / rounds, 3),
        cpu_ms_a_quiet_poll=round(1000 * cpu / rounds / plan.mailboxes, 2),
        kb_written_a_quiet_round=round(kilobytes / rounds, 1),
        looks_a_quiet_round=round((daemon.looks() - looks) / rounds, 1),
    )


def _deliver(post: Post, daemon: Daemon, moments: list[tuple[float, str]], ends: float) -> None:
    began = time.monotonic()
    while time.monotonic() < ends and daemon.process.poll() is None:
        while moments and moments[0][0] <= time.monotonic() - began:
            post.deliver(moments.pop(0)[1])
        post.look()
        time.sleep(LOOK_EVERY_S)


def _troubles(database: Database, plan: Plan) -> int:
    """Of how many mailboxes behind a bad line `postroom status` says what is wrong, or that they take turns."""
    with database.read() as tx:
        told = [box for box in mailboxes.everyone(tx) if box.name in plan.behind or plan.admits]
    return sum(box.trouble is not None or box.turns is not None for box in told)


def _states(database: Database) -> Counter[str]:
    """How many messages are in each state."""
    with database.read() as tx:
        rows = tx.execute(select(tables.messages.c.state, func.count()).group_by(tables.messages.c.state))
        return Counter({str(state): int(number) for state, number in rows})


def say(words: str) -> None:
    """A line for people."""
    print(words, flush=True)  # noqa: T201


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 mailboxes, one minute")
    for name, value in asdict(Plan()).items():
        if isinstance(value, bool):
            parser.add_argument(f"--{name}", action="store_true", default=None)
        else:
            parser.add_argument(f"--{name}", type=type(value), default=None)
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    chosen = parser.parse_args()
    given = {name: value for name, value in vars(chosen).items() if name in asdict(Plan()) and value is not None}
    plan = replace(QUICK if chosen.quick else Plan(), **given)
    with tempfile.TemporaryDirectory(prefix="postroom-many-") as folder:
        found = measure(plan, Path(folder))
    for line in found.pop("said"):
        say(line)
    for name, value in found.items():
        say(f"{name:22} {value}")
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    say(json.dumps(found))
    return 0 if is_fine(found, refused=plan.admits > 0) else 1


if __name__ == "__main__":
    sys.exit(main())
