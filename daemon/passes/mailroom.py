"""What one process holds open: the database, the models, and a desk for every mailbox in the settings.

They are opened in this order and closed in reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from connectors.base import Connector
from connectors.connector_kinds import connector_of
from connectors.errors import LoginRefused
from connectors.mailbox_settings import Access, MailboxSettings
from daemon.mistakes import CredentialMissing
from daemon.passes.desk import Desk, utc_now
from daemon.passes.file_reading import AttachedFiles
from daemon.settings import Settings
from daemon.settings.credentials import Credentials
from daemon.signin.choose import tokens_for
from daemon.state.lock import turn
from daemon.state.state_dir import met, open_database
from daemon.state.watermark import Watermark
from daemon.store.database import Database
from daemon.training.registry import Registry

log = structlog.get_logger()


@dataclass
class Mailroom:
    """Open resources of one process. Desks are made on demand; nothing connects before it is used."""

    settings: Settings
    database: Database
    registry: Registry
    clock: Callable[[], datetime] = utc_now
    stop: Callable[[], bool] = lambda: False
    files: AttachedFiles = field(default_factory=AttachedFiles)
    _desks: dict[str, Desk] = field(default_factory=dict)

    def desk(self, name: str) -> Desk:
        """The desk of one mailbox. Raises PostroomError if there is no such mailbox."""
        if name not in self._desks:
            self._desks[name] = self._open(self.settings.mailbox_named(name))
        return self._desks[name]

    def desks(self) -> list[Desk]:
        """The desks of all mailboxes, in the order of the settings."""
        return [self.desk(mailbox.name) for mailbox in self.settings.mailboxes]

    def forget(self, desk: Desk) -> None:
        """The mailbox is to be opened anew, or not at all any more. Somebody has left its server."""
        self._desks.pop(desk.settings.name, None)

    def _open(self, mailbox: MailboxSettings) -> Desk:
        if mailbox.share:
            met(self.database, self.settings.mailbox_named(mailbox.share), self.clock())
        known = met(self.database, mailbox, self.clock())
        return Desk(
            settings=self.settings.working(mailbox),
            sorting=self.settings.sorting_of(mailbox.name),
            database=self.database,
            connector=connector_for(mailbox, Credentials(self.settings.state_dir)),
            registry=self.registry,
            mailbox_id=known.id,
            clock=self.clock,
            stop=self.stop,
            turn=partial(turn, self.settings.state_dir / "turns" / mailbox.name),
            watermark=Watermark(self.settings.state_dir / "seen" / mailbox.name),
            files=self.files,
        )

    def leave_all(self) -> None:
        """Leave every server. Never raises."""
        for desk in list(self._desks.values()):
            leave(desk)

    def break_off(self) -> None:
        """From another thread: end what is being done with the servers, for good. Never raises."""
        for desk in list(self._desks.values()):  # who is broken off may be forgotten at once
            with _bugs_told(desk):
                desk.connector.break_off()

    def close(self) -> None:
        """Leave every server, end the reading of files, unload every model, close the database. Never raises."""
        self.leave_all()
        self._desks.clear()
        self.files.close()
        self.registry.close()
        self.database.close()


@contextmanager
def open_mailroom(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    stop: Callable[[], bool] = lambda: False,
    database_file: Path | None = None,
) -> Iterator[Mailroom]:
    """Open the database (`database_file`: another one than usual) and all that hangs on it.

    Raises PostroomError.
    """
    database = open_database(settings, database_file)
    registry = Registry(database, settings.engine, settings.state_dir / "models", Credentials(settings.state_dir))
    mailroom = Mailroom(settings, database, registry, clock, stop, AttachedFiles(picture_languages(settings)))
    try:
        yield mailroom
    finally:
        mailroom.close()


def picture_languages(settings: Settings) -> tuple[str, ...]:
    """In which languages letters in pictures are recognised; () where no mailbox asks for it."""
    pictures = any(settings.sorting_of(mailbox.name).attachments == "ocr" for mailbox in settings.mailboxes)
    return settings.sorting.ocr_languages if pictures else ()


def leave(desk: Desk) -> None:
    """Leave the desk's server. Never raises, though another package's connector may not keep that promise."""
    with _bugs_told(desk):
        desk.connector.close()


@contextmanager
def _bugs_told(desk: Desk) -> Iterator[None]:
    try:
        yield
    except (Exception, SystemExit):
        log.exception("bug", mailbox=desk.settings.name)


def connector_for(mailbox: MailboxSettings, credentials: Credentials) -> Connector:
    """The connector that the settings ask for; it reads its secret at every login and keeps none."""
    tokens = tokens_for(mailbox.signs_in(), credentials.state_dir, credentials.read)
    secret = tokens.token if tokens is not None else partial(credentials.read, mailbox.credential)
    renewed = _told(mailbox.name, tokens.renew) if tokens is not None else None
    return connector_of(mailbox, Access(_told(mailbox.name, secret), renewed))


def _told(name: str, secret: Callable[[], str]) -> Callable[[], str]:
    """Read the secret; a missing one is LoginRefused, for a connector raises the errors of its own tree only."""

    def ask() -> str:
        try:
            return secret()
        except CredentialMissing as error:
            raise LoginRefused(name, f"{error.place} {error.fact}", error.next_step) from None

    return ask
