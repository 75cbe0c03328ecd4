"""rehearse: how would Postroom have done on this mail? A back-test by date that moves nothing."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import click

from daemon.commands.common import (
    Context,
    console,
    json_option,
    notices,
    pass_context,
    print_json,
    table,
)
from daemon.commands.progress import counting_bar
from daemon.passes.file_reading import AttachedFiles
from daemon.rehearsal.archives import FilesRead, from_eml_tree, from_mailbox, from_manifest
from daemon.rehearsal.back_test import Filings, LabelledMail, RehearsalOptions, RehearsalReport
from daemon.rehearsal.back_test import rehearse as go_through
from daemon.rehearsal.replay import RehearsedOffice, by_words
from daemon.service import logs
from daemon.settings import PLACES, Settings
from daemon.state.private import enclose
from daemon.state.scratch import sweep_scratch
from daemon.store.records import FILERS
from daemon.training import extra

PER_FOLDER = 5000


@click.command()
@click.option("--eml-tree", type=click.Path(path_type=Path), metavar="DIR", help="Mail as files: DIR/FOLDER/name.eml.")
@click.option("--manifest", type=click.Path(path_type=Path), metavar="FILE", help="One JSON object a line.")
@click.option("--mailbox", metavar="NAME", help="A mailbox of the settings: its own folders, only read.")
@click.option(
    "--warmup",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.6,
    show_default=True,
    help="The share, by date, that is learnt before the first question.",
)
@click.option(
    "--retrain-every",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    metavar="N",
    help="Train after N messages.",
)
@click.option("--limit", type=click.IntRange(2), metavar="N", help="Only the newest N messages.")
@json_option
@pass_context
def rehearse(
    context: Context,
    eml_tree: Path | None,
    manifest: Path | None,
    mailbox: str | None,
    warmup: float,
    retrain_every: int,
    limit: int | None,
    as_json: bool,
) -> None:
    """How would Postroom have done on this mail? Moves nothing.

    Learns from the older part, then meets the rest in order of date, as it would have come in: it files or leaves each
    message, hears where people put it, and trains again from time to time. Beside it, a plain model of words is trained
    at the same times on the same mail: what the language model has to beat.

    A manifest holds one JSON object a line with folder, date (ISO 8601), from, to, subject and body. Files and
    manifests need no settings; with settings, those of [engine], [training] and [sorting] count.

    \b
    postroom rehearse --mailbox office
    postroom rehearse --eml-tree exported-mail --retrain-every 100
    """
    if [eml_tree, manifest, mailbox].count(None) != 2:
        raise click.UsageError("Say one of --eml-tree DIR, --manifest FILE and --mailbox NAME.")
    nothing_set = mailbox is None and _no_settings()
    settings = Settings() if nothing_set else context.settings
    extra.require_for(settings)
    logs.configure(settings.log.model_copy(update={"level": "error"}))
    mails = _read(context, settings, eml_tree, manifest, mailbox, as_json)
    options = RehearsalOptions(warmup, retrain_every, limit)
    box = next((known for known in settings.mailboxes if known.name == mailbox), None)
    categories = () if box is None else settings.working(box).categories
    hides = frozenset(category.folder for category in categories if category.hides)
    folders = {category.name: category.folder for category in categories}
    rules = [
        rule.model_copy(update={"category": folders.get(rule.category, rule.category)})
        for rule in (() if box is None else box.rules)
    ]
    if mailbox is not None:  # what is rehearsed is sorted as that mailbox is
        settings = settings.model_copy(update={"sorting": settings.sorting_of(mailbox)})
    place = None
    if not nothing_set:
        place = settings.state_dir
        enclose(place)
        sweep_scratch(place)
    with RehearsedOffice(settings, hides, place, rules) as office, counting_bar(as_json, "rehearsing") as progress:
        report = go_through(mails, options, office, by_words, settings.sorting.precision, progress)
    if as_json:
        print_json(report.as_json())
    else:
        show(report)


def _no_settings() -> bool:
    """Neither named nor lying where settings lie: then the defaults count."""
    named = click.get_current_context().find_root().params.get("config") or os.environ.get("POSTROOM_CONFIG")
    return not named and not any(place.is_file() for place in PLACES)


def _read(
    context: Context, settings: Settings, eml_tree: Path | None, manifest: Path | None, mailbox: str | None, quiet: bool
) -> list[LabelledMail]:
    if manifest is not None:
        return from_manifest(manifest)
    if eml_tree is not None:
        how, languages = settings.sorting.attachments, settings.sorting.ocr_languages
        with closing(AttachedFiles(languages if how == "ocr" else ())) as files:
            mails, undated = from_eml_tree(eml_tree, None if how == "names" else FilesRead(how, files))
        if undated and not quiet:
            notices.print(f"{undated} files without a date were left out.")
        return mails
    with context.mailroom() as mailroom:
        if (lender := settings.mailbox_named(mailbox or "").share) and not quiet:
            words = f'{mailbox} shares the model of "{lender}"; this rehearsal learns from its own mail alone.'
            notices.print(words, soft_wrap=True)
        return from_mailbox(context.one(mailroom, mailbox), PER_FOLDER)


def show(report: RehearsalReport) -> None:
    """Print the report for people."""
    rows = [
        (
            str(batch.first),
            batch.messages,
            batch.lessons,
            _percent(batch.accuracy),
            _percent(batch.baseline_accuracy),
            _percent(batch.filed_share),
            _percent(batch.filed_precision),
            batch.training,
        )
        for batch in report.batches
    ]
    columns = ["mail from", "messages", "lessons", "right", "words only", "filed", "of these right", "training"]
    table("Rehearsal", columns, rows, frozenset({1, 2, 3, 4, 5, 6}))
    who = [
        (
            str(batch.first),
            *(_of(batch.who_filed[source]) for source in FILERS),
            batch.left_as_newer,
        )
        for batch in report.batches
    ]
    who.append(("all", *(_of(report.who_filed[source]) for source in FILERS), report.left_as_newer))
    table(
        "Who filed, and how much of it rightly",
        ["mail from", *FILERS.values(), "left: newer folder"],
        who,
        frozenset(range(1, 6)),
    )
    filed, precision = _percent(report.filed_share), _percent(report.filed_precision)
    if report.filed_precision is not None:
        low, high = report.filed_interval
        precision += f" (95 % interval: {100 * low:.1f} to {100 * high:.1f} %)"
    console.print(
        f"Of {report.messages} messages Postroom would have filed {filed}, {precision} of these where people put them "
        f"(wanted: {_percent(report.wanted_precision)}). Its best guess was right for {_percent(report.accuracy)}; "
        f"a model of words alone was right for {_percent(report.baseline_accuracy)}. "
        f"{_percent(report.unseen_folder_share)} belonged into folders that were still empty. Nothing was moved.",
        soft_wrap=True,
    )


def _of(filings: Filings) -> str:
    return f"{filings.right} of {filings.filed}" if filings.filed else "-"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
