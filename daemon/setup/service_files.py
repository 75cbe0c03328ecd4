"""Postroom as a system service: what is put on the machine, and taken away again. Every step may be repeated.

The unit and the script that become /usr/local/bin/postroom are those of systemd/ (`files` is a link to it), with the
place of this very environment in them; the man page and the completions are made from the commands, so they cannot be
out of date.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from daemon.mistakes import PostroomError, disk_trouble
from daemon.setup.man_page import man_page
from daemon.setup.put_new import make_folder

USER = "postroom"
VENV = "/opt/postroom/venv"
"""What stands in the files that ship; another place is written instead where Postroom lies there."""
UNIT = Path("/etc/systemd/system/postroom.service")
DROP_INS = UNIT.with_name(f"{UNIT.name}.d")
SCRIPT = Path("/usr/local/bin/postroom")
MAN = Path("/usr/local/share/man/man1/postroom.1")
COMPLETIONS = {
    "bash": Path("/etc/bash_completion.d/postroom"),
    "zsh": Path("/usr/local/share/zsh/site-functions/_postroom"),
    "fish": Path("/etc/fish/completions/postroom.fish"),
}
SETTINGS, STATE = Path("/etc/postroom"), Path("/var/lib/postroom")
HIDDEN = ("/root", "/home", "/run/user", "/tmp", "/var/tmp")
"""Where the unit lets the service see nothing (ProtectHome, PrivateTmp)."""


@dataclass(frozen=True)
class Step:
    """One thing to be done. `done`: is it so already? Both raise PostroomError and OSError."""

    what: str
    done: Callable[[], bool]
    do: Callable[[], object]


def installing(cli: click.Command) -> list[Step]:
    """All that makes a service of this environment. Raises PostroomError where it cannot become one."""
    prefix = _this_environment()
    contents = {path: content for path, (content, _) in _files(cli, prefix).items()}
    for path, content in contents.items():
        _refuse_strangers(path, content, prefix)
    unit_is_new = not _is(UNIT, contents[UNIT], 0o644)
    return [
        Step(f"the system user {USER}", _has_user, _make_user),
        _folder(SETTINGS, 0o755),
        _folder(SETTINGS / "credentials", 0o700),
        *(_file(path, content, mode) for path, (content, mode) in _files(cli, prefix).items()),
        Step("systemd reads its units again", lambda: not unit_is_new, lambda: _run("systemctl", "daemon-reload")),
    ]


def removing(*, data: bool) -> list[Step]:
    """The reverse. `data`: also settings, secrets, lessons, models, the user; never mail."""
    had_unit = UNIT.exists()
    steps = []
    if had_unit:
        steps.append(Step("the service is stopped and no longer started", lambda: False, _stop))
    steps += [_gone(path) for path in (UNIT, SCRIPT, MAN, *COMPLETIONS.values())]
    if data:
        steps += [_gone(path) for path in (DROP_INS, SETTINGS, STATE)]
        steps.append(Step(f"no user {USER}", lambda: not _has_user(), lambda: _run("userdel", USER)))
    steps.append(
        Step("systemd reads its units again", lambda: not had_unit, lambda: _run("systemctl", "daemon-reload"))
    )
    return steps


def refuse_others_than_root(command: str) -> None:
    """Raises PostroomError. Also where there is no systemd."""
    if os.geteuid() != 0:
        raise PostroomError(command, "only root may do this.", f"As root: postroom {command}")
    if shutil.which("systemctl") is None:
        raise PostroomError(
            command,
            "there is no systemd here (no `systemctl`).",
            "Have what starts services here run `postroom --config FILE run` as a user of its own.",
        )


def can_start(config: Path) -> bool:
    """Is this the machine's own service that `config` is for, and may we start it?"""
    return config == SETTINGS / "config.toml" and UNIT.exists() and os.geteuid() == 0


def start() -> None:
    """Now and at every boot; one that runs begins anew, as a new secret is handed over only then.

    Returns when it is ready. Raises PostroomError.
    """
    _run("systemctl", "enable", UNIT.name)
    _run("systemctl", "restart", UNIT.name)


def shipped(name: str, prefix: Path = Path(VENV)) -> str:
    """A file of ours, with the place of the environment in it."""
    return (files("daemon.setup") / "files" / name).read_text(encoding="utf-8").replace(VENV, str(prefix))


def completion(cli: click.Command, shell: str) -> str:
    """What a shell reads to complete `postroom`."""
    made = get_completion_class(shell)
    assert made is not None, shell
    return made(cli, {}, "postroom", "_POSTROOM_COMPLETE").source()


def _files(cli: click.Command, prefix: Path) -> Mapping[Path, tuple[bytes, int]]:
    found = {
        UNIT: (shipped("postroom.service", prefix).encode(), 0o644),
        SCRIPT: (shipped("postroom.sh", prefix).encode(), 0o755),
        MAN: (man_page(cli).encode(), 0o644),
    }
    for shell in _shells():
        found[COMPLETIONS[shell]] = (completion(cli, shell).encode(), 0o644)
    return found


def _shells() -> Iterator[str]:
    """Which are there; bash is read by nobody where it is not."""
    yield from (shell for shell in COMPLETIONS if shutil.which(shell) is not None)


def _this_environment() -> Path:
    """Where this Postroom lies. Raises PostroomError where the service could not run it."""
    prefix = Path(sys.prefix)
    for place in (prefix, prefix.resolve(), Path(sys.executable).resolve(), Path(sys.base_prefix).resolve()):
        if hidden := next((top for top in HIDDEN if place.is_relative_to(top)), None):
            fact = f"the service could not run this Postroom: it, or its Python, lies under {hidden}."
            step = f"Install it elsewhere with the system's Python: /usr/bin/python3 -m venv {VENV}"
            raise PostroomError(str(place), fact, step)
    if not (prefix / "bin" / "postroom").is_file():
        raise PostroomError(str(prefix), "has no bin/postroom.", f"Install Postroom there, for example into {VENV}.")
    return prefix


def _refuse_strangers(path: Path, content: bytes, prefix: Path) -> None:
    """Something of that name which is not ours stays. Raises PostroomError."""
    if not path.exists() or path.resolve() == (prefix / "bin" / "postroom").resolve():  # pipx makes such a link
        return
    if not path.is_file() or b"ostroom" not in path.read_bytes()[: max(len(content), 65536)]:
        raise PostroomError(str(path), "is there and not Postroom's; nothing was changed.", "Move it away.")


def _folder(path: Path, mode: int) -> Step:
    return Step(f"the folder {path}, mode {mode:o}", path.is_dir, lambda: make_folder(path, mode))


def _file(path: Path, content: bytes, mode: int) -> Step:
    return Step(f"the file {path}", lambda: _is(path, content, mode), lambda: _put(path, content, mode))


def _is(path: Path, content: bytes, mode: int) -> bool:
    try:
        return not path.is_symlink() and path.read_bytes() == content and path.stat().st_mode & 0o777 == mode
    except OSError:
        return False


def _put(path: Path, content: bytes, mode: int) -> None:
    """Instead of an older one, at once and whole."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.chmod(mode)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise disk_trouble(error, path) or PostroomError(str(path), f"cannot be written ({error.strerror}).") from error


def _gone(path: Path) -> Step:
    def remove() -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    return Step(f"no {path}", lambda: not os.path.lexists(path), remove)


def _has_user() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def _make_user() -> None:
    _run("useradd", "--system", "--home-dir", str(STATE), "--shell", "/usr/sbin/nologin", USER)


def _stop() -> None:
    _run("systemctl", "disable", "--now", UNIT.name)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=360)
    except FileNotFoundError:
        raise PostroomError(command[0], "is not installed.", "Install it, then run the command again.") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip() or f"exit code {error.returncode}"
        raise PostroomError(" ".join(command), f"failed: {said}", "Then run the command again.") from None
    except subprocess.TimeoutExpired:
        raise PostroomError(" ".join(command), "does not end.", "Look at `systemctl list-jobs`.") from None
