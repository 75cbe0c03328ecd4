"""mailbox reset: all that is known of one mailbox is forgotten, and it begins anew."""

from __future__ import annotations

import sys
from typing import Any

import click

from daemon.commands.common import Context, console, json_option, pass_context, print_json
from daemon.mistakes import AlreadyRunning, ExitCode, PostroomError
from daemon.privacy.mailbox_reset import Known, known_of, reset
from daemon.service import logs
from daemon.state.lock import holder

AFTERWARDS = (
    "The mail stays as it is. The next look meets the mailbox for the first time, in the mode that the settings name; "
    "`postroom learn --from-folders` teaches it anew. Backups hold it still, and so does what is in kept/ for 30 days."
)


@click.group("mailbox")
def whole_mailbox() -> None:
    """One mailbox as a whole: `reset` forgets it and begins anew."""


@whole_mailbox.command("reset")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_context
def reset_command(context: Context, name: str, yes: bool, as_json: bool) -> None:
    """Forget all that was learnt and seen of the mailbox NAME, and begin anew. No mail is touched.

    Says what goes, and asks. Not while a service runs here. A mailbox that the settings name no more can be forgotten
    in the same way.
    """
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    if (runs := holder(context.settings.state_dir)) is not None:
        raise AlreadyRunning(
            str(context.settings.state_dir),
            f"a service works here (process {runs.process}).",
            "Stop it first, for example by `systemctl stop postroom`.",
        )
    with context.mailroom() as mailroom:
        found = known_of(mailroom.database, name)
        if not yes:
            _ask(found)
        gone, troubles = reset(mailroom.database, mailroom.registry, context.settings, name)
    if as_json:
        print_json({"mailbox": name, **_counts(gone), "models": list(gone.models), "troubles": troubles})
    else:
        console.print(f"{name} is forgotten: {_in_words(gone)}.", soft_wrap=True)
        for trouble in troubles:
            console.print(f"  {trouble}", soft_wrap=True)
        console.print(AFTERWARDS, soft_wrap=True)
    if troubles:
        raise SystemExit(ExitCode.NEEDS_PERSON)


def _ask(found: Known) -> None:
    """Raises PostroomError where nobody can be asked, or says no."""
    words = f"{found.name}: {_in_words(found)} would be forgotten."
    if found.open_actions:
        moves = "1 message is" if found.open_actions == 1 else f"{found.open_actions} messages are"
        words += f" {moves} in the middle of a move, and may lie in two folders then: `postroom once` first ends that."
    if not sys.stdin.isatty():
        raise PostroomError(found.name, f"nothing was forgotten, as nobody can be asked. {words}", "Add --yes if so.")
    click.echo(words, err=True)
    if not click.confirm("Forget it?", err=True):
        raise PostroomError(found.name, "nothing was forgotten.")


def _counts(found: Known) -> dict[str, Any]:
    return {what: found.rows.get(what, 0) for what in ("lessons", "messages", "corrections", "decisions")}


def _in_words(found: Known) -> str:
    counted = [f"{count} {what if count != 1 else what[:-1]}" for what, count in _counts(found).items() if count]
    counted += [f"the model{'s' if len(found.models) > 1 else ''} {', '.join(found.models)}"] if found.models else []
    return ", ".join(counted) or "nothing but its name"
