"""alarm: try whether people would be told."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from daemon.commands.common import Context, console, pass_context
from daemon.mistakes import PostroomError
from daemon.rules.alarms import Notice
from daemon.service.alarm_command import tell
from daemon.state.alarm_note import AlarmNote, read_note, write_note


@click.command()
@click.option("--test", "trial", is_flag=True, required=True, help="Run the command with a trial alarm, now.")
@pass_context
def alarm(context: Context, trial: bool) -> None:  # noqa: ARG001 - there is nothing else to ask for yet
    """Try whether somebody is told: run `[alarm] command` with a trial alarm, and show what it prints."""
    command, state_dir, now = context.settings.alarm.command, context.settings.state_dir, datetime.now(UTC)
    if not command:
        raise PostroomError("[alarm]", "there is no command, so nobody is told anything.", "Set `command` there.")
    why = tell(command, [Notice("trial", None, "", now)], now, shown=True)
    if why is not None:
        raise PostroomError("[alarm]", f"{why}.", f"Correct `command`, or run it by hand: {command[0]}")
    note = read_note(state_dir)
    if note.failed is not None:
        write_note(state_dir, AlarmNote(note.told))
    console.print("The command ended with 0: see whether the trial alarm has come.")
