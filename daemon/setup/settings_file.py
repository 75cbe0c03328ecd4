"""The settings that `postroom init` writes: what was answered, each with a word on it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from connectors.printable import printable
from daemon.settings.toml_lines import key, value
from daemon.store.records import Guess

INCLUDE = "mailboxes.d/*.toml"
FIRST = """\
# Postroom's settings, as `postroom init` wrote them. What is not here has its default: `postroom config` shows all that
# counts, and config.example.toml explains every setting. Secrets are never in this file. After a change:
# `postroom check`, then `systemctl reload postroom`.
"""
MORE = """\
# One more mailbox of Postroom's, as `postroom init` wrote it. {} includes this file.
"""
COMMENTS = {
    "name": "Commands and logs call the mailbox so. It must not change later.",
    "mode": "Decide, count how often people then do the same, move nothing. `postroom live` ends that.",
    "host": "The server, by the name that is on its certificate.",
    "url": "The address of Request Tracker, without /REST/2.0.",
    "inbox": "The folder or queue whose new mail is sorted.",
    "user": "The account's login name.",
    "fingerprint": "Exactly this certificate is trusted, and no CA.",
    "ca_file": "The CA that signed the server's certificate.",
    "credential": "The name of the secret. It lies in {}.",
    "sign_in": "Tokens that renew themselves.",
    "person": "Who signs in for this shared mailbox.",
}
ROLES = """
# What each folder is for: "category" (mail is sorted into it), "neutral" (teaches nothing), "review" or "never". The
# lines with "#" are guessed and hold without being written; to change one, remove the "#" and write another role.
[mailbox.roles]"""


def first_file(box: Mapping[str, Any], state_dir: Path, secret: Path | None, guesses: Mapping[str, Guess]) -> str:
    """The settings file with its first mailbox. `secret`: where that lies; `guesses`: what each folder is for."""
    head = [
        FIRST,
        "# Database, models, training: the text of mail lies there, closed to everybody else.",
        f"state_dir = {value(str(state_dir))}",
        "# More mailboxes: a file for each, which `postroom init` writes, too.",
        f"include = {value(INCLUDE)}",
        "",
    ]
    return "\n".join([*head, *_mailbox(box, secret, guesses), ""])


def more_file(box: Mapping[str, Any], config: Path, secret: Path | None, guesses: Mapping[str, Guess]) -> str:
    """A file with one more mailbox, which `config` includes."""
    return "\n".join([MORE.format(config), *_mailbox(box, secret, guesses), ""])


def _mailbox(box: Mapping[str, Any], secret: Path | None, guesses: Mapping[str, Guess]) -> Iterator[str]:
    yield "[[mailbox]]"
    for name, given in box.items():
        if name == "roles":
            continue
        if name in COMMENTS:
            yield f"# {COMMENTS[name].format(secret)}"
        yield f"{key(name)} = {value(given)}"
    said = box.get("roles", {})
    if said or guesses:
        yield ROLES
        for folder, guess in guesses.items():
            if guess.role == "inbox":
                continue
            line = f"{key(folder)} = {value(said.get(folder, guess.role))}"
            yield line if folder in said else f"#{printable(line)}"
