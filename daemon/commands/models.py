"""models: what was trained, and how it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from daemon.commands.common import Context, console, json_option, local, mailbox_option, pass_context, print_json, table
from daemon.model.prediction import Point, TriedHint
from daemon.rules.hints import by_kind
from daemon.rules.thresholds import calibration_error, filed, thresholds
from daemon.store import sharing, training
from daemon.training.policy import twins_of

CURVE = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99)
HINT_HEADS = ("the mail has", "and came after it", "tried", "right", "files up to")
CURVE_HEADS = ("wanted precision", "filed", "precision", "right")


@click.command()
@click.option("--curve", metavar="VERSION", help="What one model would file at each wanted precision, and how rightly.")
@mailbox_option
@json_option
@pass_context
def models(context: Context, curve: str | None, mailbox: str | None, as_json: bool) -> None:
    """List the trained models, newest first, each with its exam in a sentence.

    With --curve, what a model would have filed of the lessons that it had not learnt from: the higher the wanted
    precision, the less is filed. Below it, what people had done with mail of the same thread or nearly the same text:
    each kind of such a hint files only where it has been right often enough. Folders that count as one by `postroom
    folders --twins` are one here, too.
    """
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        with desk.database.read() as tx:
            found = training.models(tx, desk.mailbox_id)
            lender = sharing.lender_name(tx, desk.mailbox_id)
        if curve is not None:
            points, hints = mailroom.registry.judged_by(desk.mailbox_id, curve)
            with desk.database.read() as tx:
                twins = twins_of(tx, desk.mailbox_id)
            [details] = [model.exam.get("details", {}) for model in found if model.version == curve]
            _show_curve(curve, twins.points(points), twins.tried(hints), details.get("calibration"), as_json)
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
    if lender is not None:
        console.print(f'{desk.settings.name} shares the models of "{lender}".', soft_wrap=True)
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


def _show_curve(
    version: str,
    points: Sequence[Point],
    hints: Sequence[TriedHint],
    calibration: Mapping[str, Any] | None,
    as_json: bool,
) -> None:
    rows = []
    for wanted in CURVE:
        took = filed(points, thresholds(points, wanted))
        right = sum(point.correct for point in took)
        rows.append({"wanted": wanted, "filed": len(took), "of": len(points), "right": right})
    error = calibration_error([point.probability for point in points], [point.correct for point in points])
    if as_json:
        told = {
            "version": version,
            "curve": rows,
            "calibration_error": round(error, 4),
            "calibration": calibration,
            "hints": [kind._asdict() for kind in by_kind(hints)],
        }
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
    stated = "How sure it says it is" if any(point.stated for point in points) else "Its probability"
    console.print(f"{stated} is off by {100 * error:.1f} points on average (expected calibration error).")
    if calibration is not None:
        console.print(_calibrated(calibration), soft_wrap=True)
    console.print()
    if not hints:
        words = "None of these lessons had a thread or near copies before it, so no mail is filed by those."
        console.print(words, soft_wrap=True)
        return
    kinds = [
        (
            kind.shape,
            kind.age,
            kind.tried,
            f"{kind.right / kind.tried:.1%}",
            "none" if not kind.files_up_to else f"{kind.files_up_to:.0%}",
        )
        for kind in by_kind(hints)
    ]
    table("Mail whose like people had filed before", HINT_HEADS, kinds, frozenset({2, 3, 4}))
    words = "It is filed where its like lies, if the precision wanted there is no higher than in the last column."
    console.print(words, soft_wrap=True)


def _calibrated(figures: Mapping[str, Any]) -> str:
    """What calibration did, in a sentence: on answers that it was not fitted on."""
    before, after = (100 * figures[key] for key in ("error_before", "error_after"))
    return (
        f"Calibrated by one temperature on {figures['answers']} held-out answers: on answers kept out of the fitting, "
        f"off by {before:.1f} points before and {after:.1f} after."
    )
