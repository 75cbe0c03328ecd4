"""The command `postroom`: collects the commands, prints every mistake of a person in one place.

0 fine   1 trouble   2 wrong usage or settings   3 a person must act   4 no service runs   75 try again later
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from connectors.errors import ConnectorError, NeedsPerson, Unreachable
from daemon.commands import (
    check,
    common,
    config,
    corrections,
    demo,
    folders,
    forget,
    learn,
    lessons,
    live,
    login,
    model,
    models,
    once,
    pause,
    preview,
    promote,
    rehearse,
    report,
    resume,
    rollback,
    run,
    shadow,
    status,
    train,
    undo,
    why,
)
from daemon.mistakes import ExitCode, PostroomError, disk_trouble
from daemon.model.engines.engine import EngineError, EngineUnavailable
from daemon.privacy.private import close_umask


class Sections(click.Group):
    """A group whose help lists the commands by purpose, each with its whole first sentence."""

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list for each heading of `SECTIONS`."""
        width = max(len(name) for name in self.commands)
        for title, members in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{command.name:{width}}", command.get_short_help_str(limit=200)) for command in members]
                )


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The settings. Without it: $POSTROOM_CONFIG, ./postroom.toml, /etc/postroom/config.toml.",
)
@click.version_option(package_name="postroom")
@click.pass_context
def postroom(context: click.Context, config: Path | None) -> None:
    """Postroom sorts a shared mailbox with a small language model of your own, and learns from the mail people move.

    \b
    A first hour:
      postroom demo                    see it work on sample mail, nothing to set up
      postroom check                   does the mail server answer, are the folders there?
      postroom folders                 what is each folder for? Guessed, and easily put right
      postroom learn --from-folders    first lessons and first model
      postroom preview                 what would happen to the newest mail
      postroom run                     the service, in shadow: it moves nothing yet
      postroom status                  how often people did what it would have done
      postroom live                    let it move mail

    \b
    Exit codes: 0 fine, 1 trouble, 2 wrong usage or settings, 3 a person must act,
    4 no service runs (status), 75 try again later.
    """
    context.obj = common.Context(config)


SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Getting started": (
        demo.demo,
        check.check,
        login.login,
        folders.folders,
        learn.learn,
        preview.preview,
        rehearse.rehearse,
        config.config,
    ),
    "Running": (
        run.run,
        once.once,
        live.live,
        shadow.shadow,
        pause.pause,
        resume.resume,
        undo.undo,
        forget.forget_command,
    ),
    "Asking": (status.status, why.why, report.report, corrections.corrections, lessons.lessons, models.models),
    "Models": (train.train, promote.promote, rollback.rollback, model.model),
}
"""Every command, in the order and under the headings of docs/commands.md."""

for title in SECTIONS:
    for command in SECTIONS[title]:
        postroom.add_command(command)


def main() -> None:
    """Entry point. A person's mistake becomes a sentence and an exit code; a bug keeps its traceback."""
    close_umask()
    for ended in (signal.SIGTERM, signal.SIGHUP):
        # As after Ctrl-C: mail that a command laid down for a while goes with it. What `nohup` ignores stays ignored.
        if signal.getsignal(ended) == signal.SIG_DFL:
            signal.signal(ended, signal.default_int_handler)
    try:
        postroom()
    except EXPECTED as error:
        click.echo(str(error), err=True)
        sys.exit(exit_code(error))
    except OSError as error:
        trouble = disk_trouble(error, Path())
        if trouble is None:
            raise
        click.echo(str(trouble), err=True)
        sys.exit(trouble.exit_code)


EXPECTED = (PostroomError, ConnectorError, EngineError)
"""What is worded for people by whoever found it."""


def exit_code(error: Exception) -> int:
    """What the shell gets for an expected error."""
    if isinstance(error, PostroomError):
        return error.exit_code
    if isinstance(error, NeedsPerson):
        return ExitCode.NEEDS_PERSON
    if isinstance(error, Unreachable | EngineUnavailable):
        return ExitCode.TRY_AGAIN
    return ExitCode.TROUBLE


if __name__ == "__main__":
    main()
