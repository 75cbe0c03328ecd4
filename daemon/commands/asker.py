"""Questions to a person, each of which a flag answers, too.

Where nobody can be asked, all missing flags are told at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from daemon.commands.common import notices
from daemon.mistakes import ExitCode, PostroomError
from daemon.settings.credentials import LONGEST, clean

Check = Callable[[str], str | None]
"""What is wrong with an answer, in a sentence; None: nothing."""


class FlagsMissing(PostroomError):
    """Nobody is there to be asked."""

    exit_code = ExitCode.MISTAKE


class Asker:
    """`terminal`: somebody is there. Else an answer without flag and default is noted, and `refuse_missing` says it."""

    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal
        self.missing: list[str] = []

    def text(
        self, flag: str, given: str | None, question: str, default: str | None = None, check: Check | None = None
    ) -> str:
        """What the flag says, else what the person does, else the default. Raises PostroomError for a wrong flag."""
        if given is not None:
            if check is not None and (wrong := check(given)) is not None:
                raise FlagsMissing(flag, wrong)
            return given
        if not self.terminal:
            if default is None:
                self.missing.append(flag)
            return default or ""
        while True:
            said = str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()
            wrong = check(said) if check is not None else None
            if wrong is None:
                return said
            notices.print(wrong, soft_wrap=True)

    def choice(self, flag: str, given: str | None, question: str, names: Sequence[str], default: str | None) -> str:
        """One of the names."""
        listed = ", ".join(names)
        return self.text(
            flag, given, question, default, lambda said: None if said in names else f"Say one of: {listed}."
        )

    def secret(self, flag: str, file: str | None, question: str, *, needed: bool = True) -> str:
        """From the file that the flag names ("-": standard input), else typed without being shown.

        Raises PostroomError, CredentialMissing.
        """
        if file is not None:
            return _from_file(flag, file)
        if not self.terminal:
            if needed:
                self.missing.append(flag)
            return ""
        return str(
            click.prompt(question, default=None if needed else "", show_default=False, hide_input=True, err=True)
        )

    def confirm(self, question: str) -> None:
        """Go on only by a yes, which Enter is. Raises click.Abort for a no."""
        click.confirm(question, default=True, abort=True, err=True)

    def refuse_missing(self, command: str) -> None:
        """Raises FlagsMissing, with all of them."""
        if self.missing:
            raise FlagsMissing(
                command,
                "this is no terminal, so nobody can be asked.",
                f"Say it by flags; these are missing: {', '.join(dict.fromkeys(self.missing))}. "
                f"`postroom {command} --help` explains each.",
            )


def _from_file(flag: str, file: str) -> str:
    try:
        if file == "-":
            return clean(sys.stdin.buffer.read(LONGEST + 1), Path("standard input"))
        with Path(file).open("rb") as opened:
            return clean(opened.read(LONGEST + 1), Path(file))
    except OSError as error:
        raise PostroomError(flag, f"{file} cannot be read ({error.strerror}).", "Correct the path.") from None
