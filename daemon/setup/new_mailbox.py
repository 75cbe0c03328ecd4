"""Where a new mailbox's settings and secret belong, and writing them: all of it or nothing.

No file that is there is changed. The first mailbox makes the settings file; another one gets a file that it includes.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.mistakes import PostroomError
from daemon.settings import PLACES, Settings
from daemon.settings.credentials import UNIT_FOLDER
from daemon.setup.put_new import make_folder, put_new
from daemon.setup.settings_file import INCLUDE, first_file, more_file
from daemon.store.records import Guess

ONE_LINE = 'Write this line at its top, then run the command again: include = "{}"'


@dataclass(frozen=True)
class NewMailbox:
    """What was answered: one [[mailbox]], its secret ("" where a person signs in), and what each folder is for."""

    box: Mapping[str, Any]
    secret: str = field(default="", repr=False)
    guesses: Mapping[str, Guess] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What commands call it."""
        return str(self.box["name"])


@dataclass(frozen=True)
class Place:
    """The settings file, the folder of secrets, the state directory. `settings`: what is there already."""

    config: Path
    credentials: Path
    state_dir: Path
    settings: Settings | None = None

    def file_for(self, name: str) -> Path:
        """Which file the mailbox of this name is written into. Raises PostroomError: the settings include none."""
        if self.settings is None:
            return self.config
        pattern = self.settings.include
        folder, file = Path(pattern).parent, f"{name}.toml"
        if not pattern:
            fact = "has mailboxes, is never changed by a command, and includes no further files."
            raise PostroomError(str(self.config), fact, ONE_LINE.format(INCLUDE))
        if glob.has_magic(str(folder)) or not fnmatch.fnmatchcase(file, Path(pattern).name):
            fact = f'includes "{pattern}", which would not find a file {file}.'
            raise PostroomError(str(self.config), fact, "Choose another name, or write the mailbox by hand.")
        return self.config.parent / folder / file

    def secret_for(self, credential: str) -> Path:
        """The file that holds the secret of this name."""
        return self.credentials / credential

    def has_secret(self, credential: str, secret: str) -> bool:
        """Is it there already? Raises PostroomError where another secret has the name."""
        path = self.secret_for(credential)
        try:
            if path.read_text(encoding="utf-8").removesuffix("\n") == secret:
                return True
        except FileNotFoundError:
            return False
        except (OSError, UnicodeDecodeError):
            pass
        fact = "holds another secret, and stays as it is."
        raise PostroomError(
            str(path), fact, "Say another name by --credential, or remove the file if nothing needs it."
        )


def find_place(given: Path | None, state_dir: Path | None, environ: Mapping[str, str] = os.environ) -> Place:
    """Where it all belongs; refused before anything is asked. Raises PostroomError, SettingsError."""
    named = given or (Path(environ["POSTROOM_CONFIG"]) if environ.get("POSTROOM_CONFIG") else None)
    config = (named or next((path for path in PLACES if path.is_file()), PLACES[-1])).absolute()
    settings = Settings.load(config) if config.exists() else None
    if settings is not None and state_dir is not None and state_dir != settings.state_dir:
        raise PostroomError("--state-dir", f"{config} says {settings.state_dir} already.", "Leave --state-dir out.")
    if settings is not None:
        state_dir = settings.state_dir
    elif state_dir is None:
        state_dir = Path("/var/lib/postroom") if os.geteuid() == 0 else Path.home() / ".local/state/postroom"
    place = Place(config, _credentials(config, state_dir, environ), state_dir, settings)
    _refuse_closed(place.file_for("a-mailbox"), place.credentials)
    return place


def write(new: NewMailbox, place: Place) -> Path:
    """The secret first, so that no settings are ever there without it; then the settings. Raises PostroomError."""
    file, credential = place.file_for(new.name), str(new.box.get("credential", ""))
    make_folder(file.parent, 0o755)
    put = None
    if new.secret:
        if place.credentials.parent == place.state_dir:
            make_folder(place.state_dir, 0o700)
        make_folder(place.credentials, 0o700)
        if not place.has_secret(credential, new.secret):
            put = place.secret_for(credential)
            put_new(put, new.secret.encode(), 0o600)
    path = place.secret_for(credential) if new.secret else None
    try:
        if place.settings is None:
            make_folder(file.parent / Path(INCLUDE).parent, 0o755)
            text = first_file(new.box, place.state_dir, path, new.guesses)
        else:
            text = more_file(new.box, place.config, path, new.guesses)
        put_new(file, text.encode(), 0o644)
    except BaseException:
        if put is not None:
            with suppress(OSError):
                put.unlink()
        raise
    return file


def _credentials(config: Path, state_dir: Path, environ: Mapping[str, str]) -> Path:
    """Where the service will look for secrets: the unit's folder, a container's, or the state directory's own."""
    if os.geteuid() == 0 and config == PLACES[-1]:
        return Path(UNIT_FOLDER)
    handed = environ.get("POSTROOM_CREDENTIALS_DIR")
    return Path(handed) if handed else state_dir / "credentials"


def _refuse_closed(*paths: Path) -> None:
    for path in paths:
        above = next(parent for parent in path.parents if parent.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise PostroomError(
                str(path.parent),
                "may not be written by this user.",
                "Run it as root, or name places of your own: `postroom --config FILE init --state-dir DIR`.",
            )
