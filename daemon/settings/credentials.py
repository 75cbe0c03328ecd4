"""Secrets by name, from wherever the machine delivers them. Postroom keeps none in its settings, logs or database.

    $CREDENTIALS_DIRECTORY/NAME        systemd, LoadCredential=NAME:/path/to/file; only this service can read it
    $CREDENTIALS_DIRECTORY/postroom_NAME        the same, LoadCredential=postroom:/path/to/folder (systemd.exec(5))
    $POSTROOM_CREDENTIALS_DIR/NAME     a folder that a container or a test hands over
    STATE_DIR/credentials/NAME         a file of our own: mode 0600 or it is refused
    $POSTROOM_CREDENTIAL_NAME          only with POSTROOM_ALLOW_ENV_CREDENTIALS=1: children inherit the environment

The first place that has the name counts.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon.mistakes import CredentialMissing

LONGEST = 64 * 1024
"""Bytes. A token of Microsoft 365 has some 4 kB; whoever names a larger file named the wrong one."""

UNIT_FOLDER = "/etc/postroom/credentials"
"""What the unit (systemd/postroom.service) hands over; systemd does not tell where a secret came from."""


@dataclass(frozen=True)
class Credentials:
    """Reads secrets; keeps none. A new password counts at the next `read`."""

    state_dir: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def read(self, name: str) -> str:
        """The secret, without the one newline that editors add. Raises CredentialMissing, which names the places."""
        looked: list[str] = []
        for path, is_ours in self._paths(name):
            looked.append(str(path))
            try:
                if is_ours:
                    refuse_open_file(path, path.stat().st_mode)
                with path.open("rb") as file:
                    return clean(file.read(LONGEST + 1), path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise CredentialMissing(
                    str(path), f"cannot be read ({error.strerror}).", "Give the service's user the right to read it."
                ) from None
        variable = "POSTROOM_CREDENTIAL_" + name.upper().replace("-", "_").replace(".", "_")
        if self.environ.get("POSTROOM_ALLOW_ENV_CREDENTIALS") == "1":
            looked.append(f"${variable}")
            if self.environ.get(variable):
                return self.environ[variable]
        raise CredentialMissing(
            f'credential "{name}"',
            f"not found; looked at {', '.join(looked)}.",
            self._like(name) + self._remedy(name, looked[-1]),
        )

    def _like(self, name: str) -> str:
        """A question, if a secret of nearly the same name is there."""
        names: set[str] = set()
        for path, _ in self._paths(name):
            with contextlib.suppress(OSError):
                names.update(file.name.removeprefix("postroom_") for file in path.parent.iterdir() if file.is_file())
        near = difflib.get_close_matches(name, sorted(names), n=1)
        return f'There is "{near[0]}": did you mean that? ' if near else ""

    def _remedy(self, name: str, last: str) -> str:
        """Where the secret belongs on a machine that delivers secrets in this way."""
        if last.startswith("$"):
            return f"Put the secret alone into {last}."
        if self.environ.get("CREDENTIALS_DIRECTORY"):
            return (
                f"As root, write the secret alone into {UNIT_FOLDER}/{name}, the folder that the unit names in "
                "LoadCredential=; a running service then wants `systemctl restart postroom`."
            )
        if handed := self.environ.get("POSTROOM_CREDENTIALS_DIR"):
            return f"Write the secret alone into {Path(handed, name)}."
        return f"Write the secret alone into {self.state_dir / 'credentials' / name}, then chmod 600 it."

    def _paths(self, name: str) -> Iterator[tuple[Path, bool]]:
        if from_systemd := self.environ.get("CREDENTIALS_DIRECTORY"):
            yield Path(from_systemd, name), False
            yield Path(from_systemd, f"postroom_{name}"), False
        if handed := self.environ.get("POSTROOM_CREDENTIALS_DIR"):
            yield Path(handed, name), False
        yield self.state_dir / "credentials" / name, True


def refuse_open_file(path: Path, mode: int) -> None:
    """Raises CredentialMissing if others than the owner may do anything with a file of this mode."""
    if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise CredentialMissing(
            str(path), f"may be read by other users (mode {stat.S_IMODE(mode):04o}).", f"Run: chmod 600 {path}"
        )


def clean(content: bytes, path: Path) -> str:
    """The secret in a file: without the one newline that editors add. Raises CredentialMissing."""
    if len(content) > LONGEST:
        raise CredentialMissing(str(path), "is too long to be a secret.", "Write the secret alone into it.")
    try:
        secret = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise CredentialMissing(str(path), "is not UTF-8 text.", "Write the secret alone into it.") from None
    if not secret:
        raise CredentialMissing(str(path), "is empty.", "Write the secret into it.")
    return secret
