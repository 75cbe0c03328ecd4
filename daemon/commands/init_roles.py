"""What each folder of a new mailbox is for: guessed, shown, and put right by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from connectors.base import Folder
from connectors.setting_values import FolderRole
from daemon.commands.asker import Asker
from daemon.commands.common import notices, table_on
from daemon.mistakes import PostroomError, WrongName
from daemon.rules.roles import guess_roles
from daemon.store.records import Guess

ROLES: tuple[str, ...] = get_args(FolderRole)
HOW = f"Is that right? Enter accepts all; to change one, type its number and what it is for ({', '.join(ROLES)})"


def said_roles(pairs: Sequence[str]) -> dict[str, str]:
    """FOLDER=ROLE, as the flag has it. Raises PostroomError."""
    said = {}
    for pair in pairs:
        folder, _, role = pair.rpartition("=")
        if not folder or role not in ROLES:
            raise PostroomError("--role", f'"{pair}" is not FOLDER=ROLE.', f"A role is one of: {', '.join(ROLES)}.")
        said[folder] = role
    return said


def refuse_unknown(said: Mapping[str, str], listed: Sequence[Folder]) -> None:
    """A misspelt "never" would let Postroom look into the folder that was meant. Raises WrongName."""
    names = {folder.name for folder in listed}
    for folder in said:
        if folder not in names:
            raise WrongName("--role", f'there is no folder "{folder}".', f"There are: {', '.join(sorted(names))}.")


def agree_on_roles(
    asker: Asker, inbox: str, listed: Sequence[Folder], said: Mapping[str, str], *, accepted: bool
) -> tuple[dict[str, str], dict[str, Guess]]:
    """What was said of folders, and what all are for then. `accepted`: nobody is asked. Raises click.Abort."""
    said = dict(said)
    while True:
        guesses = guess_roles(listed, inbox, said)  # type: ignore[arg-type]
        if not asker.terminal:
            return said, guesses
        _show(listed, guesses)
        if accepted:
            return said, guesses
        answer = asker.text("--role", None, HOW, default="")
        if not answer:
            return said, guesses
        number, _, role = answer.partition(" ")
        index = int(number) - 1 if number.isascii() and number.isdigit() else -1
        if not 0 <= index < len(listed) or role.strip() not in ROLES:
            notices.print(f"Type a number from 1 to {len(listed)} and a role, for example: 2 {ROLES[0]}")
        elif listed[index].name == inbox:
            notices.print("That is the inbox itself. Another one is named by --inbox.")
        else:
            said[listed[index].name] = role.strip()


def _show(listed: Sequence[Folder], guesses: Mapping[str, Guess]) -> None:
    rows: list[Sequence[Any]] = [
        (number, folder.name, guesses[folder.name].role, folder.messages, guesses[folder.name].why)
        for number, folder in enumerate(listed, 1)
    ]
    table_on(notices, "\nIts folders, and what each is for", ["", "folder", "role", "messages", "why"], rows, {0, 3})
