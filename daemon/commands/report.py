"""report: one HTML page with pictures, for whoever asks how it is going."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from daemon.commands.common import Context, console, mailbox_option, pass_context
from daemon.mistakes import PostroomError
from daemon.model.prediction import Point
from daemon.report import twin_folders
from daemon.report.open_batches import open_batches, question
from daemon.report.page import page, weeks
from daemon.report.story import who_filed
from daemon.state.private import callers_umask
from daemon.store import decisions, learning, mailboxes, sharing, training
from daemon.training.policy import twins_of


@click.command()
@click.option("--html", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where to write the page.")
@click.option("--days", default=90, show_default=True, help="The period that it covers.")
@mailbox_option
@pass_context
def report(context: Context, html: Path, days: int, mailbox: str | None) -> None:
    """Write a page with pictures: mail a week, agreement, the risk-coverage curve, what is taken for what.

    It needs no network and holds no subject, address or text, so it may be sent around in the office.
    """
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        now = desk.clock()
        points: Sequence[Point] = desk.registry.points(desk.mailbox_id)
        with desk.database.read() as tx:
            since = now - timedelta(days=days)
            made = decisions.since(tx, desk.mailbox_id, since)
            said = learning.corrections(tx, desk.mailbox_id, since=since)
            names = mailboxes.category_names(tx, desk.mailbox_id)
            points = twins_of(tx, desk.mailbox_id).points(points)  # folders that count as one are one here
            current = training.current_model(tx, desk.mailbox_id)
            waiting = [f"Bulk move {question(found)}" for found in open_batches(tx, desk.mailbox_id)]
            if (lender := sharing.lender_name(tx, desk.mailbox_id)) is not None:
                waiting.insert(0, f"Shares categories and model of {lender}; what was filed is of this mailbox.")
            waiting += filter(None, [twin_folders.question(twin_folders.twin_rows(tx, desk.mailbox_id))])
    version = current.version if current else None
    wanted, filers = desk.sorting.precision, who_filed(made, said)
    text = page(desk.settings.name, now, weeks(made, said), points, names, wanted, version, waiting, filers)
    try:
        with callers_umask():
            html.write_text(text, "utf-8")
    except OSError as error:
        raise PostroomError(str(html), f"cannot be written ({error.strerror}).", "Name another file.") from error
    console.print(f"Written: {html}", soft_wrap=True)
