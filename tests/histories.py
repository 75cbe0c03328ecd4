"""Random histories for as long as you like:  make histories COUNT=3000 STEPS=50 SEED=1, ON=dovecot COUNT=40 STEPS=20,
or ON=tags COUNT=500

The machines of tests.daemon.passes: test_history (a mailbox in memory), test_history_imap (a real Dovecot) and
test_history_tags (in memory, tagged). Standard output is one JSON object; a history that broke a promise is shown on
standard error, in memory after it was made short.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from daemon.commands.progress import counting_bar
from tests.daemon.passes.people import Lost, Undone, WronglyTaught
from tests.daemon.passes.test_history import History
from tests.daemon.passes.test_history_imap import ImapHistory
from tests.daemon.passes.test_history_tags import TagHistory
from tests.long_run import daemon_log
from tests.servers.dovecot import Dovecot

KINDS = {Lost: "lost", Undone: "undone", WronglyTaught: "wrongly_taught"}
"""The promises that are counted apart; a failure of another kind is only a failure."""


def run(
    machine: type[RuleBasedStateMachine], count: int, steps: int, number: int, show: Callable[[str, int, int], None]
) -> int:
    """Live `count` histories of at most `steps` steps. Returns how many; raises what the first bad one did."""
    lived = 0

    class Counted(machine):  # type: ignore[valid-type,misc]
        """Tells how far it is."""

        def teardown(self) -> None:
            nonlocal lived
            super().teardown()
            lived += 1
            show(machine.__name__, min(lived, count), count)

    # Shortening a bad history takes hundreds of runs, which a real server makes too slow.
    phases = (Phase.generate, Phase.shrink) if machine is not ImapHistory else (Phase.generate,)
    run_state_machine_as_test(
        seed(number)(Counted),
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            deadline=None,
            phases=phases,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return lived


def main() -> int:
    parser = argparse.ArgumentParser(description="Random histories of a mailbox.")
    parser.add_argument("--on", choices=("memory", "dovecot", "tags"), default="memory")
    parser.add_argument("--count", type=int, default=3000, help="how many histories (default: 3000)")
    parser.add_argument("--steps", type=int, default=50, help="steps in each at most (default: 50)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path("build/histories.log"), help="what the daemon says goes there")
    arguments = parser.parse_args()
    began, lived = time.monotonic(), 0
    bad: Counter[str] = Counter()
    with daemon_log(arguments.log), counting_bar(False, "histories") as show:
        assert show
        try:
            if arguments.on != "dovecot":
                machine = History if arguments.on == "memory" else TagHistory
                lived = run(machine, arguments.count, arguments.steps, arguments.seed, show)
            else:
                with Dovecot() as ImapHistory.server:
                    lived = run(ImapHistory, arguments.count, arguments.steps, arguments.seed, show)
        except Exception as error:
            bad.update({"failures", KINDS.get(type(error), "failures")})
            click.echo(traceback.format_exc(), err=True)
    seconds = round(time.monotonic() - began)
    figures = {"on": arguments.on, "histories": lived, "steps": arguments.steps}
    figures |= {kind: bad[kind] for kind in (*KINDS.values(), "failures")}
    click.echo(json.dumps({**figures, "seed": arguments.seed, "seconds": seconds}))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
