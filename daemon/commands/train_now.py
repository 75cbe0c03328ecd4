"""What `learn`, `train` and `forget` share: a training at once, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.commands.common import Context, console, notices, table
from daemon.commands.progress import training_bar
from daemon.passes.desk import Desk
from daemon.passes.mailroom import Mailroom
from daemon.privacy.retention import hold, hold_others
from daemon.report.teaching import overview
from daemon.state.lock import taken
from daemon.store import sharing
from daemon.training.hand_over import TrainingOutcome, train
from daemon.training.places import TrainingBusy
from daemon.training.training_dir import in_state_dir


@contextmanager
def alone_by_hand(state_dir: Path) -> Iterator[None]:
    """While the block runs no other `learn` or `train` of a person begins: what one reads, the other would train on
    before it is all there. Raises TrainingBusy."""
    place = in_state_dir(state_dir)
    with (place / "by-hand").open("w") as lock:
        if not taken(lock.fileno()):
            fact = "`postroom learn` or `postroom train` works here already."
            raise TrainingBusy(str(place), fact, "Wait for its end; `learn` trains by itself.")
        yield


def train_now(context: Context, mailroom: Mailroom, desk: Desk, quiet: bool) -> TrainingOutcome:
    """Train the next model that this mailbox works by, with a progress bar unless `quiet`."""
    with mailroom.database.read() as tx:
        teacher, lender = sharing.teacher_of(tx, desk.mailbox_id), sharing.lender_name(tx, desk.mailbox_id)
    if lender is not None and not quiet:
        words = f'{desk.settings.name} shares the model of "{lender}": that is trained, for all that share it.'
        notices.print(words, soft_wrap=True)
    with training_bar(quiet) as show:
        return train(mailroom.database, mailroom.registry, context.settings, teacher, desk.clock, progress=show)


def hold_and_train(
    context: Context, mailroom: Mailroom, desk: Desk, quiet: bool, *, sure: bool = False
) -> TrainingOutcome:
    """`train_now`, once what is too old was deleted; `sure` of the clock, whatever it leapt."""
    held = hold(mailroom.database, desk.mailbox_id, context.settings, desk.clock(), sure=sure)
    if sure:  # of the clock, which is the same for those that the settings name no more
        ours = {other.mailbox_id for other in mailroom.desks()}
        hold_others(mailroom.database, ours, context.settings, desk.clock(), sure=True)
    if held.waits is not None and not quiet:
        notices.print(held.waits, soft_wrap=True)
    return train_now(context, mailroom, desk, quiet)


def outcome_as_json(outcome: TrainingOutcome) -> dict[str, Any]:
    """What `--json` tells of a training."""
    return {
        "outcome": outcome.outcome,
        "verdict": outcome.verdict,
        "version": outcome.version,
        "exam": outcome.exam,
        "report": list(outcome.report),
    }


def troubles_of(desk: Desk) -> list[tuple[str, str]]:
    """(category, why it can't be learnt well), by the model that is in use now."""
    points = desk.registry.points(desk.mailbox_id)
    with desk.database.read() as tx:
        found = overview(tx, desk.mailbox_id, points, desk.sorting.min_examples)
    return [(category.name, category.trouble) for category in found if category.trouble is not None]


def show_outcome(outcome: TrainingOutcome, troubles: list[tuple[str, str]]) -> None:
    """What people are told of a training."""
    if troubles:
        table("Folders that are not learnt as they stand", ["category", "why"], troubles)
    told = {f"{category}: {why}" for category, why in troubles}
    for line in [line for line in outcome.report if line not in told]:
        console.print(f"  - {line}", soft_wrap=True)
    words = {"promoted": "is in use now", "kept": "was trained but not put into use"}
    if outcome.version is not None:
        console.print(f"Model {outcome.version} {words.get(outcome.outcome, outcome.outcome)}.")
    (notices if outcome.outcome == "failed" else console).print(outcome.verdict, soft_wrap=True)
