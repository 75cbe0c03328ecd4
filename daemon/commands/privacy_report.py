"""privacy-report: what this installation holds of people's mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from daemon.commands.common import Context, console, json_option, local_day, pass_context, print_json, table
from daemon.privacy.holdings import OfMailbox, PrivacyReport
from daemon.privacy.holdings import privacy_report as made
from daemon.report.story import iso


@click.command("privacy-report")
@json_option
@pass_context
def privacy_report(context: Context, as_json: bool) -> None:
    """What this installation holds of people's mail, since when and for how long: for the record of processing.

    Counts and dates alone, no subject, address or text; docs/privacy.md explains every row. When a person asks:
    `postroom lessons --from ADDRESS` and `postroom forget ADDRESS`.
    """
    with context.database() as database:
        report = made(database, context.settings)
    if as_json:
        print_json(_as_json(report))
        return
    console.print(f"What Postroom holds of people's mail in {report.state_dir}.", soft_wrap=True)
    console.print(f"The text of every message is read by {report.sees}.", soft_wrap=True)
    for box in report.mailboxes:
        _show(box)
    places = [
        (place.where, place.what, f"{place.files:,}", f"{place.bytes / 1e6:,.1f}", _day(place.changed))
        for place in report.places
    ]
    console.print()
    table("Where it lies", ["place", "what", "files", "MB", "changed"], places, frozenset({2, 3}))


def _show(box: OfMailbox) -> None:
    named = "" if box.listed else ": no longer in the settings; `postroom mailbox reset` forgets it"
    rows = [(row.what, row.holds, f"{row.count:,}", _day(row.oldest), row.kept) for row in box.rows]
    console.print()
    columns = ["what", "readable in it", "number", "oldest", "kept for"]
    table(f"Mailbox {box.name}{named}", columns, rows, frozenset({2}))
    models = ", ".join(
        f"{model.version} ({model.state}, from {_number(model.lessons)} lessons)" for model in box.models
    )
    console.print(f"Models: {models or 'none yet'}", soft_wrap=True)


def _day(moment: datetime | None) -> str:
    return "-" if moment is None else local_day(moment)


def _number(count: int | None) -> str:
    return "an unknown number of" if count is None else f"{count:,}"


def _as_json(report: PrivacyReport) -> dict[str, Any]:
    return {
        "state_dir": str(report.state_dir),
        "read_by": report.sees,
        "mailboxes": [
            {
                "name": box.name,
                "listed": box.listed,
                "held": [
                    {
                        "what": row.what,
                        "readable": row.holds,
                        "count": row.count,
                        "oldest": iso(row.oldest),
                        "kept": row.kept,
                    }
                    for row in box.rows
                ],
                "models": [
                    {
                        "version": model.version,
                        "state": model.state,
                        "made": iso(model.made),
                        "lessons": model.lessons,
                    }
                    for model in box.models
                ],
            }
            for box in report.mailboxes
        ],
        "places": [
            {
                "where": place.where,
                "what": place.what,
                "files": place.files,
                "bytes": place.bytes,
                "changed": iso(place.changed),
            }
            for place in report.places
        ],
    }
