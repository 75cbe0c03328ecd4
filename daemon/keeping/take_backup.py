"""Make a backup, also while the service runs.

SQLite's own copy of the database, at one moment | every page of it read | models in use, whole
| their readers, the key, the settings | one file, read back, then given its name
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from daemon.keeping.backup_file import (
    DATABASE,
    BackupError,
    Manifest,
    refuse_existing,
    write_backup,
)
from daemon.mistakes import disk_trouble
from daemon.model import model_folder
from daemon.model.base_file import sha256_of
from daemon.model.engines.engine import EngineError
from daemon.model.model_folder import MODEL_FILE, FileSum
from daemon.model.reader_files import READER_FILE, cache_of, reader_folder, whole_reader
from daemon.model.term_key import KEY_FILE
from daemon.settings import Settings, read_toml
from daemon.settings.include import parts_of
from daemon.state.private import SECRETS
from daemon.state.scratch import scratch_folder
from daemon.store.database import StoreError, copy_database
from daemon.store.examine import examine_database, models_in_use, names_and_revision


@dataclass(frozen=True)
class TakenBackup:
    """A backup that was made. `left_out`: models that were to be in it and are not whole, each in a sentence."""

    path: Path
    manifest: Manifest
    left_out: tuple[str, ...] = ()


def take_backup(
    settings: Settings, config: Path, target: Path, now: datetime, *, models: bool = True, secrets: bool = False
) -> TakenBackup:
    """Write all that Postroom remembers into one new file. Raises BackupError, StoreError: then there is none."""
    state_dir, target = settings.state_dir, target.absolute()
    _refuse_place(target, state_dir)
    refuse_existing(target)
    try:
        with scratch_folder(state_dir, "backup") as scratch:
            copy = scratch / DATABASE
            names, revision = _copied(state_dir / DATABASE, copy)
            sources, left_out = {DATABASE: copy}, list[str]()
            if (state_dir / KEY_FILE).exists():
                sources[KEY_FILE] = state_dir / KEY_FILE
            sources |= _settings(config)
            if secrets:
                sources |= _below(state_dir, state_dir / SECRETS)
            if models:
                for folder in models_in_use(copy):
                    try:
                        sources |= _model(state_dir, folder)
                    except EngineError as error:
                        left_out.append(str(error))
            manifest = Manifest(
                postroom=version("postroom"),
                made=now,
                revision=revision,
                mailboxes=tuple(names),
                models=models,
                secrets=secrets,
                files={name: _sum(path) for name, path in sources.items()},
            )
            write_backup(target, manifest, sources)
    except OSError as error:
        trouble = disk_trouble(error, state_dir)
        raise trouble or BackupError(str(error.filename or target), f"cannot be read ({error.strerror}).") from error
    return TakenBackup(target, manifest, tuple(left_out))


def _refuse_place(target: Path, state_dir: Path) -> None:
    with suppress(OSError):
        if state_dir.resolve() in target.resolve().parents:
            raise BackupError(
                str(target), "lies in the state directory, and would be lost with it.", "Name another folder."
            )


def _copied(database: Path, copy: Path) -> tuple[Sequence[str], str]:
    """Copy the database, and make sure that all of it can be read: the mailboxes in it, and its revision."""
    if not database.exists():
        raise BackupError(str(database), "there is no database yet, so there is nothing to back up.")
    try:
        copy_database(database, copy, alone=True)
        examine_database(copy)
        names, revision = names_and_revision(copy)
    except StoreError as error:
        raise StoreError(str(database), error.fact, error.next_step) from error
    if revision is None:
        raise BackupError(str(database), "there is nothing in the database yet, so there is nothing to back up.")
    return names, revision


def _settings(config: Path) -> dict[str, Path]:
    """The settings file and those that it includes, by their names in a backup."""
    included, _ = parts_of(config, read_toml(config).get("include"), read_toml)
    found = {"settings/config.toml": config}
    for part in included:
        steps = [step for step in Path(part.shown).parts if step not in ("/", "..")]
        found["/".join(("settings", *steps))] = config.parent / part.shown
    return found


def _model(state_dir: Path, folder: str) -> dict[str, Path]:
    """The files of a model, and of the reader that it needs, all of them whole. Raises EngineError."""
    home = state_dir / "models" / folder
    meta = model_folder.load(home)
    found = {f"models/{folder}/{name}": home / name for name in (*meta.files, MODEL_FILE)}
    if meta.reader:
        place = reader_folder(cache_of(state_dir), meta.reader)
        info = whole_reader(place)
        found |= {
            path.relative_to(state_dir).as_posix(): path
            for path in (place / name for name in (*info.files, READER_FILE))
        }
    return found


def _sum(path: Path) -> FileSum:
    return FileSum(size=path.stat().st_size, sha256=sha256_of(path))


def _below(state_dir: Path, folder: Path) -> dict[str, Path]:
    return {path.relative_to(state_dir).as_posix(): path for path in _regular(folder)}


def _regular(folder: Path) -> Iterator[Path]:
    """Links lead elsewhere, and what lies there is not ours to copy."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path
