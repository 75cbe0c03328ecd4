"""People's mistakes in the daemon, and the exit codes that scripts can rely on.

    PostroomError            a place, a fact, a next step: printed as one block, without a traceback
      SettingsError          the config file, with every mistake at once
      WrongName              a mailbox or category that is not there
      CredentialMissing      a secret that nobody delivered, or that everybody could read
      AlreadyRunning         another daemon works on this state directory
      DiskTrouble            a disk that is full or may not be written

What a mail server does to us is in `connectors.errors`. Everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
from enum import IntEnum
from pathlib import Path

from connectors.printable import printable


class ExitCode(IntEnum):
    """What `postroom` returns to the shell.

    TRY_AGAIN is EX_TEMPFAIL of sysexits.h: the same command may work later without anybody's help.
    """

    OK = 0
    TROUBLE = 1
    MISTAKE = 2
    """Wrong usage or wrong settings. click uses the same number for a wrong command line."""
    NEEDS_PERSON = 3
    """A refused login, a paused mailbox, a missing secret: nothing gets better by trying again."""
    NOT_RUNNING = 4
    """`status`: no service works on this state directory, so what it tells is old."""
    TRY_AGAIN = 75


class PostroomError(Exception):
    """Something a person can put right. `str()` names the place, the fact and the next step."""

    exit_code = ExitCode.TROUBLE

    def __init__(self, place: str, fact: str, next_step: str = "") -> None:
        self.place, self.fact, self.next_step = printable(place), printable(fact), printable(next_step)
        super().__init__(self.place, self.fact, self.next_step)

    def __str__(self) -> str:
        return f"{self.place}: {self.fact} {self.next_step}".strip()


class SettingsError(PostroomError):
    """The settings cannot be used. `problems` holds every mistake, each with its own place and next step."""

    exit_code = ExitCode.MISTAKE

    def __init__(self, place: str, problems: list[str]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(place, count)

    def __str__(self) -> str:
        return "\n".join([f"{self.place}: {self.fact}", *(f"  - {problem}" for problem in self.problems)])


class WrongName(PostroomError):
    """A mailbox or a category that is not there, or none is named where there are several."""

    exit_code = ExitCode.MISTAKE


class CredentialMissing(PostroomError):
    """A named secret is not there, is empty, or lies open for others to read."""

    exit_code = ExitCode.NEEDS_PERSON


class AlreadyRunning(PostroomError):
    """Another process works on this state directory. Two would sort the same mail twice."""

    exit_code = ExitCode.TRY_AGAIN


class DiskTrouble(PostroomError):
    """A disk that is full or may not be written."""


DISK_STEPS = {
    errno.ENOSPC: "Make room there.",
    errno.EDQUOT: "Make room there, or raise the quota.",
    errno.EROFS: "Mount it for writing.",
    errno.EACCES: "Correct its owner and rights.",
}


def disk_trouble(error: BaseException, place: Path) -> DiskTrouble | None:
    """What a person should hear of `error` if a disk was at fault, else None. `place`: for errors that name no file.

    Libraries that write tensors have exceptions of their own for a full disk: it is their cause, or in their words.
    """
    seen: BaseException | None = error
    while seen is not None:
        for code, next_step in DISK_STEPS.items():
            fact = os.strerror(code)
            if isinstance(seen, OSError) and seen.errno == code:
                return DiskTrouble(str(seen.filename2 or seen.filename or place), f"{fact}.", next_step)
            if not isinstance(seen, OSError) and fact in str(seen):
                return DiskTrouble(str(place), f"{fact}.", next_step)
        seen = seen.__cause__ or seen.__context__
    return None
