"""train: a model now instead of tonight."""

from __future__ import annotations

import click

from daemon.commands.common import Context, json_option, mailbox_option, own_model, pass_context, print_json
from daemon.commands.progress import training_bar
from daemon.commands.train_now import alone_by_hand, hold_and_train, outcome_as_json, show_outcome, troubles_of
from daemon.mistakes import ExitCode
from daemon.passes.desk import Desk
from daemon.passes.mailroom import Mailroom
from daemon.service import logs
from daemon.training.hand_over import compare_labels as compare_tonight


@click.command()
@click.option(
    "--compare-labels",
    is_flag=True,
    help="Instead, tune on codes and on category names and say which is righter here. Takes long; changes nothing.",
)
@click.option(
    "--delete-old", is_flag=True, help="Delete what is too old first, also if a leap of the clock delays that."
)
@mailbox_option
@json_option
@pass_context
def train(context: Context, compare_labels: bool, delete_old: bool, mailbox: str | None, as_json: bool) -> None:
    """Train now instead of tonight: learn, take the exam, promote the new model only if it is no worse.

    A running service takes the new model into use by itself.
    """
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    with context.mailroom() as mailroom, alone_by_hand(context.settings.state_dir):
        desk = context.one(mailroom, mailbox)
        if compare_labels:
            own_model(desk, "train --compare-labels")
            _compare(context, mailroom, desk, as_json)
            return
        outcome = hold_and_train(context, mailroom, desk, as_json, sure=delete_old)
        troubles = troubles_of(desk)
    if as_json:
        print_json(outcome_as_json(outcome))
    else:
        show_outcome(outcome, troubles)
    if outcome.outcome == "failed":
        raise SystemExit(ExitCode.TROUBLE)


def _compare(context: Context, mailroom: Mailroom, desk: Desk, quiet: bool) -> None:
    with training_bar(quiet) as show:
        found = compare_tonight(mailroom.database, mailroom.registry, context.settings, desk.mailbox_id, progress=show)
    if quiet:
        print_json(found.comparison)
    else:
        click.echo(found.verdict, nl=False)
