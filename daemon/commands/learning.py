"""learn, train, models, promote, rollback, corrections: what Postroom knows, and from whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.commands.common import (
    Context,
    console,
    counting_bar,
    json_option,
    local,
    mailbox_option,
    notices,
    pass_context,
    print_json,
    table,
    training_bar,
)
from daemon.mistakes import ExitCode, PostroomError
from daemon.model.prediction import Point
from daemon.passes.desk import Desk
from daemon.passes.first_lessons import FolderLessons, learn_from_csv, learn_from_folders
from daemon.passes.folder_list import list_folders
from daemon.privacy.retention import hold, hold_others
from daemon.report.teaching import overview
from daemon.rules.thresholds import calibration_error, filed, thresholds
from daemon.service import logs
from daemon.service.mailroom import Mailroom
from daemon.store import learning, mailboxes, training
from daemon.training.hand_over import TrainingOutcome
from daemon.training.hand_over import compare_labels as compare_tonight
from daemon.training.hand_over import train as train_tonight

CURVE = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99)
CURVE_HEADS = ("wanted precision", "filed", "precision", "right")


@click.command()
@click.option("--from-folders", is_flag=True, help="Learn from the mail that already lies in the category folders.")
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
    out. Nothing in the mailbox is changed, not even what is unread.

    From a file: a column `category` or `label` (a category's name or folder), and `text`, or `subject`, `body`, `from`,
    `to`. A file that ends in .jsonl holds one JSON object a line with the same keys.

    \b
    postroom learn --from-folders
    postroom learn --from-csv examples.csv
    """
    if from_folders == (from_csv is not None):
        raise click.UsageError("Say either --from-folders or --from-csv FILE.")
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        if from_csv is not None:
            list_folders(desk)
            learnt: Any = learn_from_csv(desk, from_csv)
            rows = [(name, "", count, count) for name, count in sorted(learnt.items())]
        else:
            found = _learn_folders(context, desk, as_json)
            learnt = {each.category: each.learnt for each in found}
            rows = [(each.category, each.folder, each.found, each.learnt) for each in found]
        if not as_json:
            table("Lessons", ["category", "folder", "messages", "new lessons"], rows, frozenset({2, 3}))
        outcome = None if no_train else _train(context, mailroom, desk, as_json)
        troubles = _troubles(desk)
    if as_json:
        print_json({"learnt": learnt, "training": None if outcome is None else _as_json(outcome)})
    elif outcome is not None:
        _show(outcome, troubles)
    if outcome is not None and outcome.outcome == "failed":
        raise SystemExit(ExitCode.TROUBLE)


def _learn_folders(context: Context, desk: Desk, as_json: bool) -> list[FolderLessons]:
    training = context.settings.training
    with counting_bar(as_json, "reading") as show:
        found = learn_from_folders(desk, per_folder=training.max_per_folder, max_age=training.max_age, show=show)
    if not found:
        raise PostroomError(
            desk.settings.name,
            "there is no category folder to learn from.",
            "Make folders for what you sort, or name them with [[mailbox.category]].",
        )
    return found


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
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        if compare_labels:
            _compare(context, mailroom, desk, as_json)
            return
        outcome = _train(context, mailroom, desk, as_json, sure=delete_old)
        troubles = _troubles(desk)
    if as_json:
        print_json(_as_json(outcome))
    else:
        _show(outcome, troubles)
    if outcome.outcome == "failed":
        raise SystemExit(ExitCode.TROUBLE)


def _train(context: Context, mailroom: Mailroom, desk: Desk, quiet: bool, *, sure: bool = False) -> TrainingOutcome:
    held = hold(mailroom.database, desk.mailbox_id, context.settings, desk.clock(), sure=sure)
    if sure:  # of the clock, which is the same for those that the settings name no more
        ours = {each.mailbox_id for each in mailroom.desks()}
        hold_others(mailroom.database, ours, context.settings, desk.clock(), sure=True)
    if held.waits is not None and not quiet:
        notices.print(held.waits, soft_wrap=True)
    with training_bar(quiet) as show:
        return train_tonight(
            mailroom.database, mailroom.registry, context.settings, desk.mailbox_id, desk.clock, progress=show
        )


def _compare(context: Context, mailroom: Mailroom, desk: Desk, quiet: bool) -> None:
    with training_bar(quiet) as show:
        found = compare_tonight(mailroom.database, mailroom.registry, context.settings, desk.mailbox_id, progress=show)
    if quiet:
        print_json(found["comparison"])
    else:
        click.echo(found["verdict"], nl=False)


def _as_json(outcome: TrainingOutcome) -> dict[str, Any]:
    return {
        "outcome": outcome.outcome,
        "verdict": outcome.verdict,
        "version": outcome.version,
        "exam": outcome.exam,
        "report": list(outcome.report),
    }


def _troubles(desk: Desk) -> list[tuple[str, str]]:
    """(category, why it can't be learnt well), by the model that is in use now."""
    points = desk.registry.points(desk.mailbox_id)
    with desk.database.read() as tx:
        found = overview(tx, desk.mailbox_id, points, desk.sorting.min_examples)
    return [(each.name, each.trouble) for each in found if each.trouble is not None]


def _show(outcome: TrainingOutcome, troubles: list[tuple[str, str]]) -> None:
    if troubles:
        table("Folders that cannot be learnt well", ["category", "why"], troubles)
    for line in outcome.report:
        console.print(f"  - {line}", soft_wrap=True)
    words = {"promoted": "is in use now", "kept": "was trained but not put into use"}
    if outcome.version is not None:
        console.print(f"Model {outcome.version} {words.get(outcome.outcome, outcome.outcome)}.")
    (notices if outcome.outcome == "failed" else console).print(outcome.verdict, soft_wrap=True)


@click.command()
@click.option("--curve", metavar="VERSION", help="What one model would file at each wanted precision, and how rightly.")
@mailbox_option
@json_option
@pass_context
def models(context: Context, curve: str | None, mailbox: str | None, as_json: bool) -> None:
    """List the trained models, newest first, each with its exam in a sentence.

    With --curve, what a model would have filed of the lessons that it had not learnt from: the higher the wanted
    precision, the less is filed.
    """
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.read() as tx:
            found = training.models(tx, desk.mailbox_id)
        if curve is not None:
            points = mailroom.registry.points_of(desk.mailbox_id, curve)
            [details] = [each.exam.get("details", {}) for each in found if each.version == curve]
            _show_curve(curve, points, details.get("calibration"), as_json)
            return
    if as_json:
        print_json(
            [
                {
                    "version": model.version,
                    "state": model.state,
                    "created": model.created.isoformat(timespec="seconds"),
                    "verdict": model.verdict,
                    "withdrawn": model.withdrawn_because,
                    "exam": model.exam,
                }
                for model in found
            ]
        )
        return
    if not found:
        console.print("No model yet. Begin with `postroom learn --from-folders`.")
        return
    rows = [
        (
            model.version,
            "withdrawn" if model.withdrawn else model.state,
            local(model.created),
            model.verdict if model.withdrawn is None else f"Rolled back by itself: {model.withdrawn_because}.",
        )
        for model in found
    ]
    table("Models", ["version", "state", "trained", "verdict"], rows)


def _show_curve(version: str, points: Sequence[Point], calibration: Mapping[str, Any] | None, as_json: bool) -> None:
    rows = []
    for wanted in CURVE:
        took = filed(points, thresholds(points, wanted))
        right = sum(point.correct for point in took)
        rows.append({"wanted": wanted, "filed": len(took), "of": len(points), "right": right})
    error = calibration_error(points)
    if as_json:
        told = {"version": version, "curve": rows, "calibration_error": round(error, 4), "calibration": calibration}
        print_json(told)
        return
    shown = [
        (
            f"{row['wanted']:.0%}",
            f"{row['filed'] / max(len(points), 1):.0%}",
            f"{row['right'] / row['filed']:.1%}" if row["filed"] else "-",
            f"{row['right']} of {row['filed']}",
        )
        for row in rows
    ]
    table(f"Model {version}, on {len(points)} lessons it had not learnt from", CURVE_HEADS, shown, frozenset(range(4)))
    console.print(f"Its probabilities are off by {100 * error:.1f} points on average (expected calibration error).")
    if calibration is not None:
        console.print(_calibrated(calibration), soft_wrap=True)


def _calibrated(figures: Mapping[str, Any]) -> str:
    """What calibration did, in a sentence: on answers that it was not fitted on."""
    ways = {"isotonic": "an isotonic curve", "temperature": "one temperature"}
    before, after = (100 * figures[key] for key in ("error_before", "error_after"))
    sentence = f"Calibrated by {ways[figures['method']]} on {figures['answers']} held-out answers: "
    sentence += f"on answers kept out of the fitting, off by {before:.1f} points before and {after:.1f} after"
    if figures["method"] == "isotonic":
        sentence += f" ({100 * figures['error_by_temperature']:.1f} by a temperature alone)"
    return f"{sentence}."


@click.command()
@click.argument("version")
@mailbox_option
@pass_context
def promote(context: Context, version: str, mailbox: str | None) -> None:
    """Put another model into use. The one in use becomes the one that `rollback` returns to."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        mailroom.registry.promote(desk.mailbox_id, version, desk.clock())
    console.print(f"Model {version} is in use now.")


@click.command()
@mailbox_option
@pass_context
def rollback(context: Context, mailbox: str | None) -> None:
    """Go back to the model that was in use before."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        model = mailroom.registry.rollback(desk.mailbox_id, desk.clock())
    console.print(f"Model {model.version} is in use again.")


@click.command()
@click.option("--void", type=int, metavar="ID", help="Take one back: it teaches nothing any more.")
@click.option("--limit", default=50, show_default=True, help="How many to show, newest first.")
@mailbox_option
@json_option
@pass_context
def corrections(context: Context, void: int | None, limit: int, mailbox: str | None, as_json: bool) -> None:
    """List what people moved, newest first: the ledger that Postroom learns from."""
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        if void is not None:
            with desk.database.begin() as tx:
                if not learning.void_correction(tx, desk.mailbox_id, void, desk.clock()):
                    raise PostroomError(str(void), "there is no such correction, or it is void.", "List them first.")
        with desk.database.read() as tx:
            found = learning.corrections(tx, desk.mailbox_id)[-limit:][::-1]
            names = {category.uid: category.name for category in mailboxes.categories(tx, desk.mailbox_id)}
    if as_json:
        print_json(
            [
                {
                    "id": each.id,
                    "at": each.at.isoformat(timespec="seconds"),
                    "kind": each.kind,
                    "from": each.from_folder,
                    "to": each.to_folder,
                    "category": names.get(each.to_category or ""),
                    "who": each.who,
                    "voided": each.voided is not None,
                }
                for each in found
            ]
        )
        return
    if not found:
        console.print("No corrections yet: nobody has moved what Postroom decided about.")
        return
    rows = [
        (
            each.id,
            local(each.at),
            each.kind + (" (void)" if each.voided else ""),
            each.from_folder,
            each.to_folder,
            each.who,
        )
        for each in found
    ]
    table("Corrections", ["id", "when", "what", "from", "to", "who"], rows, frozenset({0}))
