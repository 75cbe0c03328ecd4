"""Random faults for as long as you like:  python -m tests.soak --runs 2000 --seed 1

A run is one message, moved under one or several random faults on one of three real servers, with restarts that fail
too, until the journal is closed. The same seed gives the same faults. Standard output is one JSON object; the exit code
is 1 if anything was lost, doubled, changed or left unexplained.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click

from connectors.base import Recovered, Sighting
from connectors.errors import ConnectorError
from daemon.commands.progress import counting_bar
from tests.faults import (
    KILLS,
    MOMENTS,
    SETTLE_SECONDS,
    Fault,
    FaultyLine,
    Workers,
    restart,
    run,
)
from tests.imap_fixtures import ImapWorld
from tests.long_run import Tally, daemon_log
from tests.servers.courier import Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail

SUBJECT = "Invoice 7"
MOVE_COMMANDS = 20
RESTART_COMMANDS = 26
"""As many as the longest path has: COPY, STORE and EXPUNGE on Courier."""
MOST_FAULTS = 4
FRESH_AFTER = 100
"""Runs after which a user gets a new mailbox, so that folders stay small."""


@dataclass
class SoakTally(Tally):
    """The figures, and how the runs ended."""

    outcomes: Counter[str] = field(default_factory=Counter)


def furnish(world: ImapWorld) -> dict[tuple[str, str], int]:
    """The mail of one mailbox; what of it must be there after every run, and how often."""
    hands = world.hands
    hands.put(make_mail("Somebody's mail", message_id="<twin@example.org>"), flags="\\Deleted")
    hands.put(make_mail(SUBJECT, message_id="<twin@example.org>"), flags="\\Seen \\Flagged $work")
    hands.put(make_mail("Reply", message_id="<twin@example.org>"))
    hands.put(make_mail("Marked", message_id=None), folder=world.first, flags="\\Deleted")
    return Counter((lying.subject, lying.content) for lying in world.contents())


def one_run(rng: random.Random, world: ImapWorld, workers: Workers, tally: SoakTally) -> tuple[Sighting, Recovered]:
    """Move the message under faults, restart under faults, until a restart gets through."""
    folder, uid = world.hands.find(SUBJECT)
    (seen,) = [s for s in world.connector.newest(folder, 50) if s.ref.uid == int(uid)]
    target = rng.choice([name for name in (world.inbox, world.first, world.second) if name != folder])
    kill = rng.random() < 0.4
    fault = Fault(rng.randint(1, MOVE_COMMANDS), rng.choice(KILLS if kill else MOMENTS), kill)
    port = world.server.port
    journal = run(workers, port, world.user, seen, target, fault)
    tally.faults += 1
    settle = SETTLE_SECONDS if fault.moment == "race" else 0.0
    for _ in range(rng.randint(0, MOST_FAULTS)):
        moment = rng.choice(MOMENTS)
        with FaultyLine(port, Fault(rng.randint(1, RESTART_COMMANDS), moment)) as line:
            try:
                return seen, restart(line.port, world.user, seen, target, journal, settle, timeout=0.4)
            except ConnectorError:
                tally.faults += 1
                settle = SETTLE_SECONDS if moment == "race" else settle
    return seen, restart(port, world.user, seen, target, journal, settle)


def judge(world: ImapWorld, before: dict[tuple[str, str], int], recovered: Recovered, tally: SoakTally) -> bool:
    """Compare what lies there with what must, and with what the restart said."""
    found = world.hands.look()
    after = Counter((lying.subject, lying.content) for _, _, lying in found)
    subjects_before, subjects_after = Counter[str](), Counter[str]()
    for (subject, _), times in before.items():
        subjects_before[subject] += times
    for (subject, _), times in after.items():
        subjects_after[subject] += times
    lost = sum((subjects_before - subjects_after).values())
    duplicated = sum((subjects_after - subjects_before).values())
    changed = sum((Counter(before) - after).values()) - lost
    places = [(folder, int(uid)) for folder, uid, lying in found if lying.subject == SUBJECT]
    known = recovered.ref is not None and (recovered.ref.folder, recovered.ref.uid) in places
    unexplained = recovered.outcome == "explained" or not known
    tally.add(lost=lost, duplicated=duplicated, flags_changed=max(changed, 0), unexplained=unexplained)
    tally.outcomes[recovered.outcome] += 1
    return not (lost or duplicated or changed > 0 or unexplained)


def soak(runs: int, seed: int, show: Callable[[str, int, int], None] | None = None) -> SoakTally:
    """All runs, `show` told of each. A mailbox is left at its first bad run: one bad message is counted once."""
    rng = random.Random(seed)
    tally = SoakTally()
    with ExitStack() as stack:
        servers: list[Dovecot | Cyrus | Courier] = [Dovecot(), Cyrus(), Courier()]
        for server in servers:
            stack.enter_context(server)
        workers = stack.enter_context(Workers())
        worlds: dict[str, tuple[ImapWorld, dict[tuple[str, str], int], int]] = {}
        for number in range(runs):
            server = rng.choice(servers)
            world, before, used = worlds.get(server.name, (None, {}, 0))
            if world is None or used >= FRESH_AFTER:
                if world is not None:
                    world.close()
                world = ImapWorld(server, f"soak{number}")
                before, used = furnish(world), 0
            worlds[server.name] = (world, before, used + 1)
            seen, recovered = one_run(rng, world, workers, tally)
            tally.runs += 1
            if show:
                show("on three servers", tally.runs, runs)
            if not judge(world, before, recovered, tally):
                click.echo(f"run {number} on {server.name}: {seen.ref.key} {recovered}", err=True)
                world.close()
                del worlds[server.name]
        for world, _, _ in worlds.values():
            world.close()
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path("build/soak.log"), help="what the daemon says goes there")
    arguments = parser.parse_args()
    started = time.monotonic()
    with daemon_log(arguments.log), counting_bar(False, "faults") as show:
        tally = soak(arguments.runs, arguments.seed, show)
    click.echo(f"{dict(tally.outcomes)} in {time.monotonic() - started:.0f} s", err=True)
    tally.tell()
    return 0 if tally.clean else 1


if __name__ == "__main__":
    sys.exit(main())
