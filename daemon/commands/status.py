"""status: how every mailbox is doing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from daemon.commands.common import (
    Context,
    console,
    json_option,
    local,
    mailbox_option,
    pass_context,
    print_json,
    table,
)
from daemon.commands.status_table import FEW, show_table
from daemon.mistakes import ExitCode, PostroomError, SettingsError
from daemon.model.model_folder import ModelMeta
from daemon.privacy.waiting import waiting_in
from daemon.report.concerns import concerns
from daemon.report.file_words import counted_in_words
from daemon.report.open_batches import ASK
from daemon.report.story import iso, mailbox_line, mailbox_status, service_status
from daemon.rules.decision import all_at_rest
from daemon.settings import Settings
from daemon.state.alarm_note import read_note
from daemon.state.lock import Holder, holder
from daemon.state.refused_reload import refused_reload
from daemon.state.room import no_room
from daemon.state.state_dir import met, open_database
from daemon.store import sharing
from daemon.store.database import Tx
from daemon.store.records import Mailbox
from daemon.training.in_use import ModelsInUse
from daemon.training.policy import policy_of
from daemon.training.training_dir import at_work

NOT_RUNNING = (
    "No service runs here: nothing is sorted and nothing is learnt. `systemctl start postroom` starts it, and "
    "`systemctl status postroom` says why it ended."
)
REFUSED = (
    "the service read them again at {} and could not use them, so it works by those before. Correct what follows, see "
    "`postroom check`, then `systemctl reload postroom`."
)
PARTLY_REFUSED = (
    "the service read them again at {}. Where an included file cannot be used, its mailboxes go on by what it said "
    "before. Correct what follows, see `postroom check`, then `systemctl reload postroom`."
)
LEFT_OUT = "an included file cannot be used, and its mailboxes are left out here. `postroom check` says the same."
STILL_THE_OLD = "A service that runs goes on by the settings that it read before, until a reload finds nothing of this."
UNTOLD = "at {} nobody could be told what is wrong: {}. `postroom alarm --test` tries again."
CONCERNS = (
    "trouble",
    "paused",
    "stopped",
    "another",
    "restored",
    "silence",
    "late",
    "training_trouble",
    "model_trouble",
    "old_mail",
)
"""What a person has to see to."""
LATE_STEPS = "`journalctl -u postroom` may say why; `systemctl restart postroom` helps where it hangs."


@click.command()
@click.option("--days", default=7, show_default=True, help="The period that decisions and corrections are counted for.")
@click.option("--all", "everyone", is_flag=True, help="A line for every mailbox, also for those that are fine.")
@mailbox_option
@json_option
@pass_context
def status(context: Context, days: int, everyone: bool, mailbox: str | None, as_json: bool) -> None:
    """How every mailbox is doing: the last look, what was filed, what people did about it.

    With many mailboxes it is a table of those that are not fine, the worst first; --mailbox tells one in full.

    Exit code 4 if no service runs, else 3 if a mailbox waits for a person, was not looked at for too long, has a model
    that cannot be used, is not learnt from any more or keeps what should be deleted, if the disk is full, if an alarm
    could not be told, or if the service refused the settings when it read them again.
    """
    try:
        settings, broken = Settings.load_rest(context.config)
    except SettingsError as error:
        raise SettingsError(error.place, [*error.problems, STILL_THE_OLD]) from None
    runs, disk = holder(settings.state_dir), no_room(settings.state_dir)
    refused = None if runs is None else refused_reload(settings.state_dir)
    untold = read_note(settings.state_dir).failed if settings.alarm.command else None
    in_full = mailbox is not None or not (everyone or len(settings.mailboxes) > FEW)
    try:
        found = _found(settings, days, mailbox, runs, in_full=in_full or as_json)
    except PostroomError as error:
        if disk is None:
            raise
        raise PostroomError(error.place, error.fact, f"Disk: {disk}") from error
    if as_json:
        told_refused = (
            None if refused is None else {"at": iso(refused.at), "why": refused.why, "partly": refused.partly}
        )
        told_untold = None if untold is None else {"at": iso(untold[0]), "why": untold[1]}
        about = {
            "disk": disk,
            "settings_refused": told_refused,
            "settings_broken": broken,
            "alarm_failed": told_untold,
        }
        print_json({"running": runs is not None, **about, "mailboxes": found})
    else:
        if runs is None:
            console.print(NOT_RUNNING, soft_wrap=True)
        if disk is not None:
            console.print(f"Disk: {disk}", soft_wrap=True)
        if untold is not None:
            console.print(f"Alarm: {UNTOLD.format(local(untold[0]), untold[1])}", soft_wrap=True)
        if refused is not None:
            words = PARTLY_REFUSED if refused.partly else REFUSED
            console.print(f"Settings: {words.format(local(refused.at))}\n{refused.why}", soft_wrap=True)
        if broken:
            told_already = [] if refused is None else refused.why.splitlines()
            lines = [line for one in broken if (line := f"  - {one}") not in told_already]
            console.print("\n".join([f"Settings: {LEFT_OUT}", *lines]), soft_wrap=True)
        if in_full:
            for told in found:
                _show_status(told, days)
        else:
            show_table(found, days, everyone=everyone)
    if runs is None:
        raise SystemExit(ExitCode.NOT_RUNNING)
    whole = disk is not None or refused is not None or untold is not None or broken
    if whole or any(told[what] for told in found for what in CONCERNS):
        raise SystemExit(ExitCode.NEEDS_PERSON)


def _found(
    settings: Settings, days: int, mailbox: str | None, runs: Holder | None, *, in_full: bool
) -> list[dict[str, Any]]:
    """What is shown of every mailbox; all that is known of it, or what its line in the table needs."""
    chosen = settings.mailboxes if mailbox is None else [settings.mailbox_named(mailbox)]
    found = []
    with closing(open_database(settings)) as database:
        models = ModelsInUse(database, settings.engine, settings.state_dir / "models")
        working = at_work(settings.state_dir)
        sums = len(chosen) <= FEW  # it takes a second per gigabyte; of many `postroom check` makes sure
        for named in chosen:
            now = datetime.now(UTC)
            box = met(database, named, now)
            usable, model_trouble = models.in_use(box.id, sums=sums)
            since = now - timedelta(days=days)
            meta = models.meta(box.id) if in_full else None
            with database.read() as tx:
                if in_full:
                    told = _in_full(tx, box, settings, since, working, meta, now)
                else:
                    told = mailbox_line(tx, box, since)
                told |= concerns(tx, box, now)
                told |= service_status(tx, box, settings, now, runs, working, usable)
                told["old_mail"] = waiting_in(tx, box.id)
            told["model_trouble"] = model_trouble
            with database.read() as tx:
                told["shares"] = sharing.lender_name(tx, box.id)
            if in_full:
                told["model_server"] = models.server_not_asked(box.id)
            found.append(told)
    return found


def _in_full(
    tx: Tx, box: Mailbox, settings: Settings, since: datetime, working: bool, meta: ModelMeta | None, now: datetime
) -> dict[str, Any]:
    sorting = settings.sorting_of(box.name)
    policy = policy_of(tx, box.id, sorting, meta, now)
    points, least = () if meta is None else meta.points, sorting.min_examples
    return mailbox_status(tx, box, since, lambda: working, points, least, all_at_rest(policy))


def _show_status(told: dict[str, Any], days: int) -> None:
    console.print(f"[bold]{told['name']}[/bold]  {told['mode']}" + _state(told), markup=True)
    for label, words in _concerns(told):
        console.print(f"  {label}: {words}", soft_wrap=True)
    polled = local(told["polled"]) if told["polled"] else "never (the service has not looked yet)"
    arrived = local(told["last_arrival"]) if told["last_arrival"] else "none yet"
    console.print(f"  Last look: {polled}   last new mail: {arrived}", soft_wrap=True)
    console.print(f"  {days} days: {told['sentence']}", soft_wrap=True)
    if files := counted_in_words(told["files"]):
        console.print(f"  {files}", soft_wrap=True)
    for rule in told["rules"]:
        if rule["overridden"]:
            console.print(
                f"  Rule: {rule['rule']} filed {rule['filed']}, and people put {rule['overridden']} of them elsewhere. "
                "If they are right, change it in the settings.",
                soft_wrap=True,
            )
    for waiting in told["bulk_moves"]:
        console.print(f"  Bulk move {waiting['words']} `{ASK}` shows more.", soft_wrap=True)
    if told["unreadable"]:
        console.print(f"  Unreadable: {told['unreadable']}", soft_wrap=True)
    if told["withheld"]:
        console.print(f"  Withheld: {told['withheld']}", soft_wrap=True)
    if told["turns"]:
        console.print(f"  Connections: {told['turns']}", soft_wrap=True)
    if told["twins"]:
        console.print(f"  Folders: {told['twins']}", soft_wrap=True)
    model = told["model"]
    refused = f", which cannot be used. {told['model_trouble']}" if told["model_trouble"] else ""
    version = model["version"] if model else "none yet: postroom learn --from-folders"
    shared = f", shared: categories, model and nights are those of {told['shares']}" if told["shares"] else ""
    console.print(f"  Model: {version}{shared}{refused}", soft_wrap=True)
    if told["model_server"]:
        console.print(f"  Model server: {told['model_server']}", soft_wrap=True)
    if told["rolled_back"]:
        console.print(f"  Rolled back {told['rolled_back']}", soft_wrap=True)
    if told["training"]:
        run = told["training"]
        console.print(
            f"  Last training: {local(run['started'])} {run['outcome']}. {run['verdict'] or ''}", soft_wrap=True
        )
    console.print(f"  Next training: {_next_training(told['next_training'])}", soft_wrap=True)
    rows = [
        (category["name"], _place(category), category["lessons"], _so_far(category), _remarks(category))
        for category in told["categories"]
    ]
    if rows:
        table("", ["category", "folder", "lessons", "so far", "remarks"], rows, frozenset({2}))
    else:
        console.print("  No categories known yet: postroom folders, or list them in the settings", soft_wrap=True)
    if new := [folder["name"] for folder in told["folders_new"]]:
        shown = ", ".join(new[:5]) + (f" and {len(new) - 5} more" if len(new) > 5 else "")
        console.print(f"  New folders: {shown}. What they are for: postroom folders", soft_wrap=True)


def _remarks(category: dict[str, Any]) -> str:
    return "; ".join(words for words in (category["trouble"], category["rests"]) if words)


def _so_far(category: dict[str, Any]) -> str:
    """In shadow: where people put what it would have filed; live: what they moved of what it filed."""
    if category["mode"] == "live":
        return f"live: {category['overridden']} of {category['filed']} moved"
    return f"shadow: {category['agreed']} of {category['agreed'] + category['overridden']} agreed"


def _place(category: dict[str, Any]) -> str:
    return f"tag {category['tag']}" if category["tag"] else str(category["folder"])


def _concerns(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a person has to see to, each with what it is called."""
    if told["stopped"]:
        yield "Stopped", told["stopped"]
    if told["paused"]:
        yield "Paused", told["paused"] + ("" if "postroom resume" in told["paused"] else " (`postroom resume` goes on)")
    if told["trouble"]:
        yield "Trouble", told["trouble"]
    if told["another"]:
        yield "Another", told["another"]
    if told["restored"]:
        yield "Restored", told["restored"]
    if told["silence"]:
        yield "Silence", told["silence"]
    if told["late"]:
        yield "Late", f"{told['late']} {LATE_STEPS}"
    if told["training_trouble"]:
        yield "Training", told["training_trouble"]["words"]
    if told["old_mail"]:
        yield "Old mail", told["old_mail"]


def _next_training(planned: dict[str, Any]) -> str:
    """When, and whether there is enough to learn by now."""
    when = "as soon as the service looks" if planned["due"] else local(planned["at"])
    fresh, wanted = planned["new_lessons"], planned["wanted"]
    if fresh >= wanted:
        return f"{when}; {fresh} lessons are new."
    return f"{when}, if {wanted} lessons are new by then; {fresh} are now."


def _state(told: dict[str, Any]) -> str:
    words = [word for word, on in (("STOPPED", told["stopped"]), ("PAUSED", told["paused"])) if on]
    return "".join(f"  [bold]{word}[/bold]" for word in words)
