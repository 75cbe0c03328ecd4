"""All that one mailbox's pass works with, in one value: settings, database, connector, models, clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.base import Connector
from connectors.mailbox_settings import MailboxSettings
from connectors.setting_values import Attachments
from daemon.model.memory import LessonMemory
from daemon.passes.file_reading import AttachedFiles, TimeForFiles
from daemon.settings import SortingSettings
from daemon.state.watermark import Watermark
from daemon.store.database import Database
from daemon.training.registry import Registry


def utc_now() -> datetime:
    """This moment, aware."""
    return datetime.now(UTC)


@dataclass
class Desk:
    """One mailbox at work. `stop` is asked between messages; `clock` is the only source of time."""

    settings: MailboxSettings
    sorting: SortingSettings
    database: Database
    connector: Connector
    registry: Registry
    mailbox_id: int
    clock: Callable[[], datetime] = utc_now
    stop: Callable[[], bool] = lambda: False
    leaving: bool = False
    """The mailbox left the settings, or is to be opened anew: nobody begins anything here any more."""
    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    """Held while something is done to the mailbox, so that a command beside the service waits, and the other way."""
    watermark: Watermark | None = None
    """Where it is written down, beside the database, how far this mailbox has been seen."""
    memory: LessonMemory = field(default_factory=LessonMemory)
    files: AttachedFiles = field(default_factory=AttachedFiles)
    """What reads attached files; all mailboxes of a process share it."""
    time_for_files: TimeForFiles = field(default_factory=TimeForFiles)
    """What is left of it in this look."""
    folders_listed: datetime | None = None
    looked: datetime | None = None
    """When the last look that succeeded began. The database hears of quiet ones now and then only."""
    restored: bool = False
    """Was the database found to be a restored backup, and has the mailbox not been looked through since?"""
    seen_until: datetime | None = None
    """The same of the last one that left nothing out for another: all that had arrived by then has been seen."""
    tells_tags: bool = True
    """Does the server tell which tags changed?"""
    tags_read: datetime | None = None
    """When the tags of all that lies in the inbox were last read."""
    confirmed: datetime | None = None
    """When we last looked for mail that people had read where we put it."""
    believed: datetime | None = None
    """When we last asked whether a bulk move may be believed."""
    all_read: datetime | None = None
    """When no lesson was left whose files were to be read."""
    read_in_vain: set[int] = field(default_factory=set)
    """Lessons whose files were not to be had in the present round."""

    @property
    def attachments(self) -> Attachments:
        """How the files of this mailbox's mail are known."""
        return self.sorting.attachments
