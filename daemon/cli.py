"""The command `postroom`: finds the commands by name, prints every mistake of a person in one place.

0 fine   1 trouble   2 wrong usage or settings   3 a person must act   4 no service runs   75 try again later
128 + N  ended by signal N: 130 after Ctrl-C
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import FrameType

import click

from connectors.errors import ConnectorError, NeedsPerson, Unreachable
from connectors.printable import PrintableStream
from daemon.commands import MODULES, SECTIONS
from daemon.mistakes import ExitCode, PostroomError, disk_trouble
from daemon.model.engines.engine import EngineError, EngineUnavailable
from daemon.state.private import close_umask


class Commands(Mapping[str, click.Command]):
    """The commands by name. A command's module is loaded when somebody asks for the command."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in list(self):
            raise KeyError(name)
        stem = MODULES.get(name, name)
        command: click.Command = getattr(import_module(f"daemon.commands.{stem}"), stem)
        return command

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(SECTIONS.values())

    def __len__(self) -> int:
        return sum(map(len, SECTIONS.values()))


class Sections(click.Group):
    """A group whose help lists the commands by purpose, each with its whole first sentence."""

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list for each heading of `SECTIONS`."""
        width = max(map(len, self.commands))
        for title, members in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{width}}", sentence) for name, sentence in members.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command. The service's takes a second to load, and HUP has never ended it: it has not read its settings
        yet, so there is nothing to read again."""
        if cmd_name == "run":
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Whoever ends it by a signal gets the exit code that shells give: 130 after Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as ended:
            click.echo("Ended before it was done.", err=True)
            number = ended.number if isinstance(ended, Ended) else signal.SIGINT
            raise SystemExit(128 + number) from None


class Ended(KeyboardInterrupt):
    """Somebody ends the command by this signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _end(number: int, _frame: FrameType | None) -> None:
    raise Ended(number)


@click.group(
    cls=Sections,
    commands=Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
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
      postroom init                    settings for your mailbox: asked, tried, written
      postroom check                   does the mail server answer, are the folders there?
      postroom folders                 what is each folder for? Guessed, and easily put right
      postroom learn --from-folders    first lessons and first model
      postroom preview                 what would happen to the newest mail
      postroom run                     the service, in shadow: it moves nothing yet
      postroom status                  how often people did what it would have done
      postroom live                    let it move mail

    \b
    Exit codes: 0 fine, 1 trouble, 2 wrong usage or settings, 3 a person must act,
    4 no service runs (status), 75 try again later, 130 ended by Ctrl-C.
    """
    from daemon.commands.common import Context  # not for --help and --version

    _print_printable()  # also where a test runs a command without `main`
    context.obj = Context(config)
    if not gc.isenabled():  # `main` has put it off until the command is loaded
        gc.freeze()
        gc.enable()


def main() -> None:
    """Entry point. A person's mistake becomes a sentence and an exit code; a bug keeps its traceback."""
    close_umask()
    _print_printable()
    for ended in (signal.SIGTERM, signal.SIGHUP):
        # As after Ctrl-C: mail that a command laid down for a while goes with it. What `nohup` ignores stays ignored.
        if signal.getsignal(ended) == signal.SIG_DFL:
            signal.signal(ended, _end)
    gc.disable()  # modules make no garbage: looking for it took a quarter of `postroom status`, most of that at its end
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
    finally:
        gc.enable()


def _print_printable() -> None:
    """Whatever is printed from now on, by click, by a traceback or by us, steers no terminal."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, PrintableStream):  # None: whoever called us has closed it
            setattr(sys, name, PrintableStream(stream))


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
