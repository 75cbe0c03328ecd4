"""Many mailboxes in one service: the real `postroom run` as a process, on a real Dovecot, with mail in each of them.

    python -m benchmarks.many [--mailboxes 50] [--minutes 10] [--poll 60] [--mails 2] [--seed 1]
    python -m benchmarks.many --quick          20 mailboxes, 1 minute, a poll of 5 s: the form that a test runs
    python -m benchmarks.many --mailboxes 200 --minutes 60                 the hour
    python -m benchmarks.many --mailboxes 1000 --mails 0 --there 2         idle, without models: polls and memory
    python -m benchmarks.many --mailboxes 200 --bad                        some servers misbehave, the others are judged

    N users with folders and mail | a linear model in use in each | start | first look at all | quiet rounds: CPU
    | mail comes at random moments | until all of it lies where it belongs | TERM | log and database counted

The linear model is fitted once, on invented mail, and put into every mailbox with that mailbox's own categories: fifty
trainings would measure the training. A language model beside it costs memory and time as docs/benchmarks.md says under
"One message". A mail counts as sorted when its file has left the inbox for the folder of its kind; none may be lost or
lie twice. The last line is one JSON object; the exit code is 1 if the service failed at anything. With `--bad` the
first mailbox is behind a line that lets it wait for every answer, a tenth behind one that hangs up, another tenth
behind one that takes one connection at a time: their trouble is expected and counted apart.

Dovecot takes an inotify instance for every IDLE, and Linux gives a user 128 (fs.inotify.max_user_instances): beyond
that it looks every 30 seconds by itself, which is what mail in the other mailboxes then waits for.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, Self

import psutil
from sqlalchemy import func, select

from benchmarks.bad_line import BadLine
from daemon.model import model_folder
from daemon.model.linear import LinearModel
from daemon.model.model_folder import CodeRow, ModelFolder, ModelMeta
from daemon.model.prediction import Point
from daemon.model.term_key import TermKey
from daemon.store import learning, mailboxes, tables, training
from daemon.store.database import Database
from daemon.store.records import Category
from tests.lessons import lessons_of, office_rows
from tests.servers.dovecot import Dovecot
from tests.servers.private import PASSWORD, Account
from trainer.candidates.tfidf import fit_linear
from trainer.recipe import Recipe

VERSION = "bench"
TAUGHT = 240
"""Mails that the model is fitted on; the first of them are every mailbox's lessons."""
TEXTS = 4000
"""Other mails of the same kinds, which come again and again."""
LESSONS = 40
ALREADY_THERE = 25
MARK, OLD = "X-Bench", "old"
LOOK_EVERY_S = 0.2
LATEST_S = 120.0
"""So long after the last mail it may take until all are sorted."""
MANY_CLIENTS = "default_process_limit = 3000\ndefault_client_limit = 12000\n"

SETTINGS = """\
state_dir = "{state}"
[sorting]
poll = "{poll}s"
act_after = "0s"
min_examples = 2
max_moves_per_minute = 1000
[engine]
threads = 1
[training]
window = "{window}"
[log]
format = "json"
{mailboxes}"""
MAILBOX = """
[[mailbox]]
name = "{name}"
mode = "live"
host = "127.0.0.1"
port = {port}
tls = "{tls}"
{ca_file}user = "{name}"
credential = "all"
"""


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    mailboxes: int = 50
    minutes: float = 10.0
    poll: int = 60
    mails: int = 2
    seed: int = 1
    there: int = ALREADY_THERE
    """Mails in each folder before the service starts."""
    tls: bool = False
    bad: bool = False
    """Do some servers misbehave?"""

    @property
    def behind(self) -> dict[str, str]:
        """Which mailboxes are behind a line that misbehaves, and how."""
        if not self.bad:
            return {}
        tenth = max(1, self.mailboxes // 10)
        ways = ["slow", *["hangs up"] * tenth, *["refuses"] * tenth]
        return dict(zip(self.names, ways, strict=False))

    @property
    def names(self) -> list[str]:
        return [f"box{number:04}" for number in range(self.mailboxes)]


QUICK = Plan(mailboxes=20, minutes=1.0, poll=5)


class Model:
    """A linear model of the invented office's four kinds of mail, fitted once."""

    def __init__(self, key: TermKey) -> None:
        lessons = lessons_of(office_rows(TAUGHT))
        labels, self.kinds = lessons.labels, lessons.categories
        linear = fit_linear(lessons, key, Recipe())
        self._key = key
        self._model, self._texts = linear.model, [(example.category, example.text) for example in lessons.examples]
        self._answers = [
            (int(label), int(row.argmax()), float(math.exp(row.max())))
            for label, row in zip(labels, linear.answers, strict=True)
            if not math.isnan(float(row[0]))
        ]

    def into(self, database: Database, models: Path, name: str, now: datetime) -> None:
        """The mailbox with its categories, its lessons and this model in use."""
        with database.begin() as tx:
            box = mailboxes.ensure(tx, name, "imap", "live", now).id
            uids = [mailboxes.add_category(tx, box, Category("", kind, kind), now).uid for kind in self.kinds]
            codes = [f"Q{chr(ord('A') + number)}" for number in range(len(uids))]
            mailboxes.extend_codebook(tx, box, zip(codes, uids, strict=True))
            for kind, text in self._texts[:LESSONS]:
                learning.teach(tx, box, uids[self.kinds.index(kind)], text, now, source="folder")
            training.add_model(tx, box, VERSION, f"{name}/{VERSION}", now, state="kept", verdict="", exam={})
            training.promote(tx, box, VERSION, now)
        folder = models / name / VERSION
        own = self._model
        LinearModel(uids, own._vocabularies, own._coefficients, own._intercepts, own._scale, self._key).save(
            ModelFolder(folder).linear
        )
        meta = ModelMeta(
            version=VERSION,
            created=now,
            kind="linear",
            codebook=tuple(CodeRow(code=code, category=uid) for code, uid in zip(codes, uids, strict=True)),
            categories=tuple(uids),
            blend_weight=0.0,
            term_key=self._key.check,
            points=tuple(
                Point(uids[truth], uids[best], probability, truth == best) for truth, best, probability in self._answers
            ),
        )
        model_folder.save(folder, meta)


@dataclass
class Delivered:
    """One mail that was put into an inbox."""

    box: str
    kind: str
    at: float
    """On the monotonic clock, in seconds."""


class Post:
    """The users' mail as files of the server: delivers into it and sees where mail lies."""

    def __init__(self, server: Dovecot, kinds: Sequence[str], plan: Plan) -> None:
        self._server, self._kinds, self._there = server, kinds, plan.there
        self._account = Account.ordinary()
        self._rows = cycle(office_rows(TAUGHT + TEXTS)[TAUGHT:])
        self._serial = count(1)
        self._random = random.Random(plan.seed)
        self.sent: dict[str, Delivered] = {}
        self.seconds: dict[str, float] = {}
        """How long each mail took that lies in a folder."""

    def furnish(self, box: str) -> None:
        """A new user's folders, with mail in them."""
        for folder in ("", *self._kinds):
            for part in ("cur", "new", "tmp"):
                (self._home(box, folder) / part).mkdir(parents=True)
            for row in islice(self._rows, self._there):
                self._write(box, folder, f"{OLD}{next(self._serial)}", row)
        self._account.own(self._server.root / "mail" / box)

    def moments(self, boxes: Sequence[str], mails: int, seconds: float) -> list[tuple[float, str]]:
        """When each mailbox gets its mails within so many seconds, in order."""
        return sorted((self._random.uniform(0, seconds), box) for box in boxes for _ in range(mails))

    def deliver(self, box: str) -> None:
        """A new mail in the inbox, as a mail server's delivery agent puts it there."""
        row, name = next(self._rows), f"new{next(self._serial)}"
        self._write(box, "", name, row)
        self.sent[name] = Delivered(box, row["category"], time.monotonic())

    def look(self) -> None:
        """Note which mails have come to lie in a folder since."""
        open_ = {mail.box for name, mail in self.sent.items() if name not in self.seconds}
        for box in open_:
            for name, folders in self.places(box).items():
                if "" not in folders and name not in self.seconds:
                    self.seconds[name] = time.monotonic() - self.sent[name].at

    def places(self, box: str) -> dict[str, list[str]]:
        """Where each mail that was delivered lies: its folders, "" for the inbox."""
        found: dict[str, list[str]] = {}
        for folder in ("", *self._kinds):
            for part in ("cur", "new"):
                for path in (self._home(box, folder) / part).iterdir():
                    # Dovecot gives a moved mail another name; what it says inside stays.
                    if not path.name.startswith(OLD) and (name := _marked(path)) in self.sent:
                        found.setdefault(name, []).append(folder)
        return found

    def _home(self, box: str, folder: str) -> Path:
        maildir = self._server.maildir(box)
        return maildir / f".{folder}" if folder else maildir

    def _write(self, box: str, folder: str, name: str, row: dict[str, Any]) -> None:
        mail, text = EmailMessage(), row["text"]
        mail[MARK] = name
        mail["From"], mail["To"], mail["Subject"] = text["sender"], f"{box}@example.com", text["subject"]
        mail["Date"] = datetime.now(UTC)
        mail["Message-ID"] = f"<{name}@bench.example.com>"
        mail.set_content(text["body"])
        half = self._home(box, folder) / "tmp" / name
        half.write_bytes(mail.as_bytes())
        if self._account.drop:
            os.chown(half, self._account.uid, self._account.gid)
        half.rename(half.parents[1] / "new" / name)


def _marked(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline().decode("ascii").strip().removeprefix(f"{MARK}: ")
    except OSError:  # moved on while we looked
        return ""


class Daemon:
    """`postroom run` as a process of its own, weighed from outside."""

    def __init__(self, folder: Path, plan: Plan, server: Dovecot, lines: Mapping[str, int]) -> None:
        self.state, self._config, self._log = folder / "state", folder / "config.toml", folder / "service.log"
        port, tls, ca_file = server.port, "none", ""
        if plan.tls:
            port, tls, ca_file = server.tls_port, "implicit", f'ca_file = "{server.certificate}"\n'
        boxes = "".join(
            MAILBOX.format(name=name, port=lines[plan.behind[name]], tls="none", ca_file="")
            if name in plan.behind
            else MAILBOX.format(name=name, port=port, tls=tls, ca_file=ca_file)
            for name in plan.names
        )
        # No night begins while we measure.
        hour = (datetime.now().astimezone().hour + 12) % 24
        window = f"{hour:02}:00-{hour:02}:01"
        self._config.write_text(SETTINGS.format(state=self.state, poll=plan.poll, window=window, mailboxes=boxes))
        (self.state / "credentials").mkdir(parents=True, mode=0o700)
        secret = self.state / "credentials" / "all"
        secret.touch(mode=0o600)
        secret.write_text(PASSWORD)

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self.process = psutil.Popen(
                [sys.executable, "-P", "-m", "daemon.cli", "--config", str(self._config), "run"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "POSTROOM_STRICT_LOGS": "1", "OMP_NUM_THREADS": "1"},
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def cpu_s(self) -> float:
        """Processor seconds so far; 0 for a process that has ended."""
        if self.process.poll() is not None:
            return 0.0
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def weight(self) -> dict[str, float]:
        """What it holds now; nothing for a process that has ended."""
        if self.process.poll() is not None:
            return {}
        rows = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        [pss] = [int(row.split()[1]) for row in rows if row.startswith("Pss:")]
        return {
            "pss_mb": round(pss * 1024 / 1e6, 1),
            "threads": self.process.num_threads(),
            "open_files": self.process.num_fds(),
        }

    def written(self) -> int:
        """Bytes that it had written to the disk so far; 0 for a process that has ended."""
        if self.process.poll() is not None:
            return 0
        rows = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return sum(int(row.split()[1]) for row in rows if row.startswith("write_bytes:"))

    def stop(self) -> int:
        """End it politely; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return int(self.process.wait(60))

    def said(self, but: Collection[str] = ()) -> Counter[str]:
        """Log lines by event; what is no JSON, a traceback, as "unstructured". `but`: not of these mailboxes."""
        found: Counter[str] = Counter()
        for line in self._log.read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "unstructured", "level": "error"}
            if event.get("mailbox") in but:
                found["(expected)"] += 1
                continue
            found[event["event"]] += 1
            found["(errors)"] += event.get("level") in ("error", "critical")
            found["(warnings)"] += event.get("level") == "warning"
        return found

    def explain(self, most: int = 5) -> list[str]:
        """Some log lines about what went wrong, for whoever has to find out."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [line for line in lines if '"level": "info"' not in line and '"level": "debug"' not in line][:most]


def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """The whole of it. `folder` is for the service's state and log."""
    with ExitStack() as opened:
        server = opened.enter_context(Dovecot(extra=MANY_CLIENTS))
        lines = {way: opened.enter_context(BadLine(way, server.port)).port for way in set(plan.behind.values())}
        daemon = Daemon(folder, plan, server, lines)
        model = Model(TermKey.of(daemon.state))
        post = Post(server, model.kinds, plan)
        database = Database.open(daemon.state / "postroom.sqlite")
        for name in plan.names:
            post.furnish(name)
            if plan.mails:
                model.into(database, daemon.state / "models", name, datetime.now(UTC))
        say(f"{plan.mailboxes} mailboxes are ready")
        started = time.monotonic()
        ends = started + 60 * plan.minutes
        with daemon:
            first_looks_s = _until_all_are_looked_at(database, daemon, plan, started)
            quiet, written = _quiet_rounds(daemon, plan, ends)
            idle = daemon.weight()
            leave_s = max(2.0 * plan.poll, 5.0)  # so that the last mails may be found by a poll, too
            well = [name for name in plan.names if name not in plan.behind]
            moments = post.moments(well, plan.mails, max(ends - time.monotonic() - leave_s, 1.0))
            _deliver(post, daemon, moments, ends)
            late = time.monotonic() + LATEST_S
            while len(post.seconds) < len(post.sent) and daemon.process.poll() is None and time.monotonic() < late:
                time.sleep(LOOK_EVERY_S)
                post.look()
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
            "cpu_s_a_quiet_round": quiet,
            "cpu_ms_a_quiet_poll": round(1000 * quiet / plan.mailboxes, 2),
            "kb_written_a_quiet_round": round(written / 1000, 1),
            "expected_trouble": said["(expected)"],
            "told_in_status": told,
            "cpu_s": round(cpu, 1),
            "idle": idle,
            "with_models": with_models,
            "said": daemon.explain(),
        }


def is_fine(found: dict[str, Any]) -> bool:
    """Nothing failed, and every mail was decided on and lies in one place."""
    failed = found["exit_code"] or found["errors"] or found["warnings"] or found["lost"] or found["doubled"]
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


def _quiet_rounds(daemon: Daemon, plan: Plan, ends: float) -> tuple[float, float]:
    """Processor seconds of one round of polls in which nothing has changed, and bytes that it had written."""
    rounds = max(1, min(3, math.floor((ends - time.monotonic()) / 3 / plan.poll)))
    time.sleep(plan.poll)  # what a first look and its listening leave to be done
    before, written = daemon.cpu_s(), daemon.written()
    time.sleep(rounds * plan.poll)
    return round((daemon.cpu_s() - before) / rounds, 3), (daemon.written() - written) / rounds


def _deliver(post: Post, daemon: Daemon, moments: list[tuple[float, str]], ends: float) -> None:
    began = time.monotonic()
    while time.monotonic() < ends and daemon.process.poll() is None:
        while moments and moments[0][0] <= time.monotonic() - began:
            post.deliver(moments.pop(0)[1])
        post.look()
        time.sleep(LOOK_EVERY_S)


def _troubles(database: Database, plan: Plan) -> int:
    """Of how many mailboxes behind a bad line `postroom status` says what is wrong."""
    with database.read() as tx:
        return sum(box.trouble is not None for box in mailboxes.everyone(tx) if box.name in plan.behind)


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
    return 0 if is_fine(found) else 1


if __name__ == "__main__":
    sys.exit(main())
