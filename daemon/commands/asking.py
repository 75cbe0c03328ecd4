"""status, why, preview, config: questions that change nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
from rich.markup import escape

from daemon.commands.common import (
    Context,
    console,
    json_option,
    known,
    local,
    mailbox_option,
    pass_context,
    print_json,
    table,
)
from daemon.mistakes import ExitCode, PostroomError
from daemon.passes.decide import as_known, decisions_about
from daemon.passes.guard import concerns
from daemon.privacy.retention import waits
from daemon.report.story import mailbox_status, message_story, service_status
from daemon.service import logs
from daemon.service.lock import Holder, holder
from daemon.service.room import no_room
from daemon.store import messages
from daemon.training.hand_over import at_work

NOT_RUNNING = (
    "No service runs here: nothing is sorted and nothing is learnt. `systemctl start postroom` starts it, and "
    "`systemctl status postroom` says why it ended."
)
CONCERNS = ("trouble", "paused", "stopped", "silence", "late", "training_trouble", "model_trouble", "old_mail")
"""What a person has to see to."""
LATE_STEPS = "`journalctl -u postroom` may say why; `systemctl restart postroom` helps where it hangs."


@click.command()
@click.option("--days", default=7, show_default=True, help="The period that decisions and corrections are counted for.")
@mailbox_option
@json_option
@pass_context
def status(context: Context, days: int, mailbox: str | None, as_json: bool) -> None:
    """How every mailbox is doing: the last look, what was filed, what people did about it.

    Exit code 4 if no service runs, else 3 if a mailbox waits for a person, was not looked at for too long, has a model
    that cannot be used, is not learnt from any more or keeps what should be deleted, or if the disk is full.
    """
    settings = context.settings
    runs, disk = holder(settings.state_dir), no_room(settings.state_dir)
    try:
        found = _each_mailbox(context, days, mailbox, runs)
    except PostroomError as error:
        if disk is None:
            raise
        raise PostroomError(error.place, error.fact, f"Disk: {disk}") from error
    if as_json:
        print_json({"running": runs is not None, "disk": disk, "mailboxes": found})
    else:
        if runs is None:
            console.print(NOT_RUNNING, soft_wrap=True)
        if disk is not None:
            console.print(f"Disk: {disk}", soft_wrap=True)
        for each in found:
            _show_status(each, days)
    if runs is None:
        raise SystemExit(ExitCode.NOT_RUNNING)
    if disk is not None or any(each[what] for each in found for what in CONCERNS):
        raise SystemExit(ExitCode.NEEDS_PERSON)


def _each_mailbox(context: Context, days: int, mailbox: str | None, runs: Holder | None) -> list[dict[str, Any]]:
    """What is shown of every mailbox."""
    settings = context.settings
    with context.mailroom() as mailroom:
        found = []
        working = at_work(settings.state_dir)
        for desk in context.some(mailroom, mailbox):
            box = known(desk)
            points = desk.registry.points(desk.mailbox_id)
            usable, model_trouble = desk.registry.in_use(desk.mailbox_id, sums=True)
            since = desk.clock() - timedelta(days=days)
            with desk.database.read() as tx:
                told = mailbox_status(tx, box, since, lambda: working, points, desk.sorting.min_examples)
                told |= concerns(tx, box, desk.clock())
                told |= service_status(tx, box, settings, desk.clock(), runs, working, usable)
                told["old_mail"] = waits(tx, box.id)
            told["model_trouble"] = model_trouble
            found.append({**told, "model_server": desk.registry.server_not_asked(desk.mailbox_id)})
    return found


def _show_status(each: dict[str, Any], days: int) -> None:
    console.print(f"[bold]{each['name']}[/bold]  {each['mode']}" + _state(each), markup=True)
    if each["stopped"]:
        console.print(f"  Stopped: {each['stopped']}", soft_wrap=True)
    if each["paused"]:
        resumes = "" if "postroom resume" in each["paused"] else " (`postroom resume` goes on)"
        console.print(f"  Paused: {each['paused']}{resumes}", soft_wrap=True)
    if each["trouble"]:
        console.print(f"  Trouble: {each['trouble']}", soft_wrap=True)
    if each["silence"]:
        console.print(f"  Silence: {each['silence']}", soft_wrap=True)
    if each["late"]:
        console.print(f"  Late: {each['late']} {LATE_STEPS}", soft_wrap=True)
    if each["training_trouble"]:
        words = each["training_trouble"]["words"]
        console.print(f"  Training: {words}", soft_wrap=True)
    if each["old_mail"]:
        console.print(f"  Old mail: {each['old_mail']}", soft_wrap=True)
    polled = local(each["polled"]) if each["polled"] else "never (the service has not run yet)"
    arrived = local(each["last_arrival"]) if each["last_arrival"] else "none yet"
    console.print(f"  Last look: {polled}   last new mail: {arrived}", soft_wrap=True)
    console.print(f"  {days} days: {each['sentence']}", soft_wrap=True)
    model = each["model"]
    refused = f", which cannot be used. {each['model_trouble']}" if each["model_trouble"] else ""
    version = model["version"] if model else "none yet: postroom learn --from-folders"
    console.print(f"  Model: {version}{refused}", soft_wrap=True)
    if each["model_server"]:
        console.print(f"  Model server: {each['model_server']}", soft_wrap=True)
    if each["rolled_back"]:
        console.print(f"  Rolled back {each['rolled_back']}", soft_wrap=True)
    if each["training"]:
        run = each["training"]
        console.print(
            f"  Last training: {local(run['started'])} {run['outcome']}. {run['verdict'] or ''}", soft_wrap=True
        )
    console.print(f"  Next training: {_next_training(each['next_training'])}", soft_wrap=True)
    rows = [
        (category["name"], category["folder"], category["lessons"], category["trouble"])
        for category in each["categories"]
    ]
    if rows:
        table("", ["category", "folder", "lessons", "remarks"], rows, frozenset({2}))
    else:
        console.print("  No categories known yet: postroom folders", soft_wrap=True)
    if new := [folder["name"] for folder in each["folders_new"]]:
        shown = ", ".join(new[:5]) + (f" and {len(new) - 5} more" if len(new) > 5 else "")
        console.print(f"  New folders: {shown}. What they are for: postroom folders", soft_wrap=True)


def _next_training(planned: dict[str, Any]) -> str:
    """When, and whether there is enough to learn by now."""
    when = "as soon as the service looks" if planned["due"] else local(planned["at"])
    fresh, wanted = planned["new_lessons"], planned["wanted"]
    if fresh >= wanted:
        return f"{when}; {fresh} lessons are new."
    return f"{when}, if {wanted} lessons are new by then; {fresh} are now."


def _state(each: dict[str, Any]) -> str:
    words = [word for word, on in (("STOPPED", each["stopped"]), ("PAUSED", each["paused"])) if on]
    return "".join(f"  [bold]{word}[/bold]" for word in words)


@click.command()
@click.argument("message_id", metavar="MESSAGE-ID")
@json_option
@pass_context
def why(context: Context, message_id: str, as_json: bool) -> None:
    """Why a message is where it is: everything that Postroom thought, did and saw.

    MESSAGE-ID is the mail's Message-ID header (Thunderbird: View, Headers, All), with or without <>; for Request
    Tracker it is the ticket's number.
    """
    with context.mailroom() as mailroom:
        stories = []
        for desk in mailroom.desks():
            box = known(desk)
            with desk.database.read() as tx:
                for message in messages.named(tx, box.id, message_id):
                    stories.append(message_story(tx, box, message))
    if not stories:
        raise PostroomError(
            message_id,
            "Postroom has not seen a message with this Message-ID.",
            "It looks at the inbox and the category folders; older mail was left alone.",
        )
    if as_json:
        print_json(stories)
        return
    for story in stories:
        _show_story(story)


def _show_story(story: dict[str, Any]) -> None:
    head = f"[bold]{escape(story['message_id'])}[/bold] in {story['mailbox']}: {story['state']}"
    console.print(head, soft_wrap=True, markup=True)
    events: list[tuple[str, str]] = []
    events += [(place["seen"], f"seen in {place['folder']}" + _by(place["by"])) for place in story["places"]]
    events += [(each["at"], f"decided ({each['mode']}): {each['reason']}") for each in story["decisions"]]
    events += [(each["planned"], _acted(each)) for each in story["actions"]]
    events += [
        (each["at"], f"a person: {each['kind']}, {each['from']} -> {each['to']}" + _for_ever(each["kind"]))
        for each in story["corrections"]
    ]
    for lesson in story["lessons"]:
        void = f" (void since {local(lesson['voided'])})" if lesson["voided"] else ""
        events.append((lesson["at"], f"lesson {lesson['id']}: {lesson['category']}{void}"))
    # By the time itself: an hour of the clock comes twice in autumn.
    table("", ["when", "what"], [(local(at), what) for at, what in sorted(events, key=lambda event: event[0])])
    if story["state"] == "new" and not story["decisions"]:
        console.print("Not decided yet: it waits for `act_after`, or sorting is paused (`postroom status`).")


def _by(who: str | None) -> str:
    return f", put there by {who}" if who else ""


def _for_ever(kind: str) -> str:
    return "; Postroom does not touch it again" if kind == "rejection" else ""


def _acted(entry: dict[str, Any]) -> str:
    to = f" -> {entry['to']}" if entry["to"] else ""
    return f"action {entry['state']}: {entry['from']}{to} {entry['explanation'] or ''}".rstrip()


@click.command()
@click.option("--limit", default=20, show_default=True, help="How many of the inbox's newest messages.")
@mailbox_option
@json_option
@pass_context
def preview(context: Context, limit: int, mailbox: str | None, as_json: bool) -> None:
    """What would happen to the newest messages in the inbox. Nothing is moved and nothing is remembered."""
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        sightings = desk.connector.newest(desk.settings.inbox, limit)
        by_ref = {message.sighting.ref: message for message in desk.connector.fetch([each.ref for each in sightings])}
        found = [by_ref[each.ref] for each in sightings if each.ref in by_ref]
        decided = decisions_about(desk, as_known(desk, found[::-1]))  # in the order in which they came
    decisions = decided.made[::-1]
    names = {uid: category.name for uid, category in decided.policy.categories.items()}
    if as_json:
        print_json(
            [
                {
                    "message_id": message.sighting.identity.message_id,
                    "category": names.get(decision.category or ""),
                    "best": names.get(decision.best or ""),
                    "probability": decision.probability,
                    "runner_up": names.get(decision.runner_up or ""),
                    "reason": decision.reason,
                }
                for message, decision in zip(found, decisions, strict=True)
            ]
        )
        return
    rows = [
        (message.text.subject[:40], names.get(decision.category or "", "stays"), decision.reason)
        for message, decision in zip(found, decisions, strict=True)
    ]
    table(f"Inbox of {desk.settings.name}: what would happen", ["subject", "to", "why"], rows)


@click.command()
@json_option
@pass_context
def config(context: Context, as_json: bool) -> None:
    """The settings as they count now: file, environment and defaults together. Secrets are never among them."""
    effective = context.settings.effective()
    if as_json:
        print_json({"file": str(context.config), **effective})
        return
    console.print(f"# from {context.config}", highlight=False)
    _show_table(effective, "")


def _show_table(values: dict[str, Any], path: str) -> None:
    """TOML, as the file would say it."""
    for key, value in values.items():
        if not isinstance(value, dict | list) or (
            isinstance(value, list) and not any(isinstance(v, dict) for v in value)
        ):
            click.echo(f"{_key(key)} = {_toml(value)}")
    for key, value in values.items():
        name = f"{path}.{_key(key)}" if path else _key(key)
        if isinstance(value, dict) and value:
            click.echo(f"\n[{name}]")
            _show_table(value, name)
        elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
            for each in value:
                click.echo(f"\n[[{name}]]")
                _show_table(each, name)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _toml(key)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return str(value)
