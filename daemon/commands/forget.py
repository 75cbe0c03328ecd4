"""forget: what was learnt from a person's mail goes, and every model that may have learnt from it."""

from __future__ import annotations

from typing import Any

import click

from daemon.commands.common import (
    Context,
    console,
    json_option,
    mailbox_option,
    nothing_found,
    pass_context,
    print_json,
)
from daemon.commands.train_now import train_now
from daemon.mistakes import ExitCode
from daemon.passes.desk import Desk
from daemon.passes.mailroom import Mailroom
from daemon.privacy import forgetting
from daemon.privacy.forgetting import Forgotten, Memory, look_for, memories, refuse_own
from daemon.privacy.person import Person
from daemon.service import logs
from daemon.store import sharing
from daemon.training.hand_over import TrainingOutcome
from daemon.training.places import TrainingBusy

OUTSIDE = (
    "The mail itself is in the mailbox. Delete it there, or list the address in never_senders: else the next person "
    "who moves it, or `postroom learn --from-folders`, teaches it again.",
    "Copies and backups of the state directory hold what it held. Delete them, too.",
    "Mail that taught nothing has left an id and a checksum, which name nobody; they go after identity_keep.",
    "A name without the address, in other people's mail, is not found: look with `postroom lessons --category NAME`.",
)
"""What is not in Postroom's hands."""

UNPROVED = (
    " No lesson holds the address now; but lessons that these learnt from have gone since (moved again, taken back, "
    "too old), and nobody can tell any more whose they were."
)


@click.command()
@click.argument("person", metavar="ADDRESS|@DOMAIN")
@click.option("--dry-run", is_flag=True, help="Change nothing: say what would go.")
@click.option("--no-train", is_flag=True, help="Train no new model, if the one in use goes: none serves until then.")
@mailbox_option
@json_option
@pass_context
def forget(context: Context, person: str, dry_run: bool, no_train: bool, mailbox: str | None, as_json: bool) -> None:
    """Forget a person: every lesson whose mail holds the address, and every model that may have learnt from one.

    Lessons go with their text, the identity of their messages and whatever points at these; models go with their
    files, also from an Ollama server. If the model in use is one of them, a new one is trained at once. It may run
    beside the service, and be cut short: called again it goes on. The mail in the mailbox is not touched.

    \b
    postroom forget ann@example.org --dry-run
    postroom forget @example.org
    """
    somebody = Person(person)
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    with context.mailroom() as mailroom:
        known = memories(mailroom, mailbox)
        for memory in known:  # before anything is deleted in another mailbox
            refuse_own(memory, somebody)
        done = []
        for memory in known:
            found = look_for(memory, somebody) if dry_run else None
            gone = Forgotten(found) if found else forgetting.forget(memory, context.settings, somebody)
            done.append((memory, gone))
        told, trained = [], dict[int, TrainingOutcome]()
        for memory, gone in done:  # all has gone before anything is trained: mailboxes may share a model
            outcome = None
            lacks = gone.found.in_use is not None or gone.found.none_serves
            if lacks and not dry_run and not no_train and memory.desk is not None:
                with mailroom.database.read() as tx:
                    teacher = sharing.teacher_of(tx, memory.mailbox_id)
                if teacher not in trained:
                    trained[teacher] = _train(context, mailroom, memory.desk, as_json)
                outcome = trained[teacher]
            told.append(_as_json(memory, gone, outcome))
    if as_json:
        print_json({"dry_run": dry_run, "mailboxes": told, "outside": OUTSIDE})
    else:
        for shown in told:
            _show(shown, dry_run)
        if not any(shown["lessons"] or shown["messages"] for shown in told):
            console.print(nothing_found(somebody), soft_wrap=True)
        console.print("Not in Postroom's hands:")
        for line in OUTSIDE:
            console.print(f"  - {line}", soft_wrap=True)
    if any((shown["training"] or {}).get("outcome") == "failed" for shown in told):
        raise SystemExit(ExitCode.TROUBLE)
    if any(shown["troubles"] for shown in told):
        raise SystemExit(ExitCode.NEEDS_PERSON)


def _train(context: Context, mailroom: Mailroom, desk: Desk, quiet: bool) -> TrainingOutcome:
    try:
        return train_now(context, mailroom, desk, quiet)
    except TrainingBusy:
        return TrainingOutcome("busy", "A training that has just begun works without what was forgotten.")


def _as_json(memory: Memory, gone: Forgotten, outcome: TrainingOutcome | None) -> dict[str, Any]:
    found = gone.found
    return {
        "mailbox": memory.name,
        "in_settings": memory.desk is not None,
        "lessons": len(found.lessons),
        "messages": len(found.messages) - gone.unfinished,
        "unfinished": gone.unfinished,
        "models": [model.version for model in found.models],
        "in_use": found.in_use,
        "none_serves": found.none_serves,
        "training": None if outcome is None else {"outcome": outcome.outcome, "verdict": outcome.verdict},
        "troubles": list(gone.troubles),
    }


def _show(told: dict[str, Any], dry_run: bool) -> None:
    would = "would be" if dry_run else "were"
    lessons, messages = told["lessons"], told["messages"]
    what = f"{lessons} lesson{'' if lessons == 1 else 's'}"
    what += f" and the identit{'y' if messages == 1 else 'ies'} of {messages} message{'' if messages == 1 else 's'}"
    former = "" if told["in_settings"] else ", which the settings name no more"
    console.print(f"{told['mailbox']}{former}: {what} {would} deleted.", soft_wrap=True)
    if told["unfinished"]:
        console.print(
            f"  {told['unfinished']} messages are in the middle of a move and keep their identity until that has "
            "ended: run the same command again after the next look.",
            soft_wrap=True,
        )
    if told["models"]:
        why = "" if told["lessons"] else UNPROVED
        console.print(
            f"  Models that may have learnt from such mail {would} removed: {', '.join(told['models'])}.{why}",
            soft_wrap=True,
        )
    if (told["in_use"] or told["none_serves"]) and told["in_settings"]:
        console.print(f"  {_next(told, dry_run)}", soft_wrap=True)
    for trouble in told["troubles"]:
        console.print(f"  {trouble}", soft_wrap=True)


def _next(told: dict[str, Any], dry_run: bool) -> str:
    if dry_run and not told["in_use"]:
        return "No model is in use: a new one would be trained at once."
    if dry_run:
        return f"{told['in_use']} is in use: a new one would be trained at once."
    if told["training"] is None:
        return "No model is in use until the next training: mail stays in the inbox. `postroom train` makes one now."
    return str(told["training"]["verdict"])
