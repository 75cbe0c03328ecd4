"""learn: first lessons and the first model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from daemon.commands.common import Context, console, json_option, mailbox_option, pass_context, print_json, table
from daemon.commands.progress import counting_bar
from daemon.commands.train_now import alone_by_hand, hold_and_train, outcome_as_json, show_outcome, troubles_of
from daemon.mistakes import ExitCode, PostroomError
from daemon.passes.desk import Desk
from daemon.passes.first_lessons import FileLessons, FolderLessons, learn_from_csv, learn_from_folders
from daemon.passes.folder_list import list_folders
from daemon.passes.lent import keep_share
from daemon.report.twin_folders import question, twin_rows
from daemon.service import logs


@click.command()
@click.option("--from-folders", is_flag=True, help="Learn from the mail in the category folders, or tagged so.")
@click.option("--from-csv", type=click.Path(path_type=Path), metavar="FILE", help="Learn from a CSV or JSONL file.")
@click.option("--no-train", is_flag=True, help="Only collect lessons; train later with `postroom train`.")
@mailbox_option
@json_option
@pass_context
def learn(
    context: Context, from_folders: bool, from_csv: Path | None, no_train: bool, mailbox: str | None, as_json: bool
) -> None:
    """Collect the first lessons and train the first model.

    From folders: the newest messages of every category folder, as people keep them. What Postroom moved itself is left
    out: it carries the keyword `$Postroom`, or the database knows it. Where mail is tagged (`act_by`), the newest
    messages that carry a category's tag, in the inbox, the archive and every other folder that is not "never". Nothing
    in the mailbox is changed, not even what is unread.

    From a file: as `postroom try` reads it. The column `label` holds a category's name or folder. Categories that are
    new are made and learnt, and what it takes to sort by them (a folder, a line in the settings) is said.

    \b
    postroom learn --from-folders
    postroom learn --from-csv examples.csv
    """
    if from_folders == (from_csv is not None):
        raise click.UsageError("Say either --from-folders or --from-csv FILE.")
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    with context.mailroom() as mailroom, alone_by_hand(context.settings.state_dir):
        desk = context.one(mailroom, mailbox)
        keep_share(desk)
        learnt: dict[str, int] = {}
        told: dict[str, Any] = {}
        if from_csv is not None:
            list_folders(desk)
            taught = learn_from_csv(desk, from_csv)
            learnt = dict(taught.learnt)
            rows = [(name, "new" if name in taught.made else "", count) for name, count in sorted(learnt.items())]
            told = {"made": list(taught.made), "missing": list(taught.missing), "notes": list(taught.notes)}
            if not as_json:
                table("Lessons", ["category", "", "new lessons"], rows, frozenset({2}))
                _show_missing(taught)
        else:
            found = _learn_folders(context, desk, as_json)
            for place in found:  # a category may have a folder and a tag
                learnt[place.category] = learnt.get(place.category, 0) + place.learnt
            if not as_json:
                _show_found(found)
        outcome = None if no_train else hold_and_train(context, mailroom, desk, as_json)
        troubles = troubles_of(desk)
        with desk.database.read() as tx:
            twins = question(twin_rows(tx, desk.mailbox_id))
    if as_json:
        trained = None if outcome is None else outcome_as_json(outcome)
        print_json({"learnt": learnt, **told, "training": trained, "twins": twins})
    else:
        if outcome is not None:
            show_outcome(outcome, troubles)
        if twins is not None:
            console.print(f"Folders: {twins}", soft_wrap=True)
    if outcome is not None and outcome.outcome == "failed":
        raise SystemExit(ExitCode.TROUBLE)


def _show_found(found: Sequence[FolderLessons]) -> None:
    rows = [(place.category, place.folder, place.found, place.learnt) for place in found]
    table("Lessons", ["category", "from", "messages", "new lessons"], rows, frozenset({2, 3}))
    if left_out := sum(place.left_out for place in found):
        console.print(f"Messages left out, because a Postroom filed or tagged them: {left_out}.")


def _show_missing(taught: FileLessons) -> None:
    for note in taught.notes:
        console.print(note, soft_wrap=True)
    if taught.missing:
        console.print("\nLearnt, and not sorted by yet. What is missing:")
        for what in taught.missing:
            console.print(f"  - {what}", soft_wrap=True)


def _learn_folders(context: Context, desk: Desk, as_json: bool) -> list[FolderLessons]:
    training = context.settings.training
    with counting_bar(as_json, "reading") as show:
        found = learn_from_folders(desk, per_folder=training.max_per_folder, max_age=training.max_age, show=show)
    if not found and desk.settings.share:
        fact = f'has the categories of "{desk.settings.share}", and there are none yet.'
        raise PostroomError(
            desk.settings.name, fact, f"`postroom learn --from-folders --mailbox {desk.settings.share}`"
        )
    if not found:
        raise PostroomError(
            desk.settings.name,
            "there is no category to learn from.",
            "Make folders for what you sort, or name them with [[mailbox.category]].",
        )
    return found
