"""The state directory, opened: its database and the mailboxes in it, without any connector or model."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from connectors.mailbox_settings import MailboxSettings
from daemon.mistakes import ExitCode, PostroomError
from daemon.settings import Settings
from daemon.state.private import enclose
from daemon.state.scratch import sweep_scratch
from daemon.store import mailboxes
from daemon.store.database import Database
from daemon.store.records import Mailbox

RESTORING = "restoring"
"""A file that is there while a backup's files take the places of those that lay there (daemon.keeping.bring_back)."""


class HalfRestored(PostroomError):
    """A restore was cut short between two files: what lies here is half of each."""

    exit_code = ExitCode.NEEDS_PERSON


def refuse_half_restored(state_dir: Path) -> None:
    """Raises HalfRestored: the database and the models may not belong together."""
    if (state_dir / RESTORING).exists():
        raise HalfRestored(
            str(state_dir),
            "a restore was cut short among its last steps, so some files here are old and some are new.",
            "Run `postroom restore FILE` again; what lay here before is in kept/.",
        )


def database_path(settings: Settings) -> Path:
    """Where the database lies."""
    return settings.state_dir / "postroom.sqlite"


def open_database(settings: Settings, file: Path | None = None) -> Database:
    """The database (`file`: another one than usual), brought up to date.

    Whatever came before us, the state directory is private, and what killed commands left there is gone, before
    anything is opened. Raises PostroomError.
    """
    enclose(settings.state_dir)
    refuse_half_restored(settings.state_dir)
    sweep_scratch(settings.state_dir)
    return Database.open(file or database_path(settings))


def met(database: Database, mailbox: MailboxSettings, now: datetime) -> Mailbox:
    """The mailbox as the database has it; one that is new in the settings is met now. Raises StoreError."""
    with database.read() as tx:
        known = mailboxes.find(tx, mailbox.name)
    if known is None:
        with database.begin() as tx:
            known = mailboxes.ensure(tx, mailbox.name, mailbox.kind, mailbox.mode, now)
    return known
