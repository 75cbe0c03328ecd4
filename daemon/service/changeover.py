"""Other settings while the service works: mailboxes come, go and are opened anew, and the others notice nothing.

    unchanged and well: it stays | else it leaves: message in hand, farewell | gone, or opened by what counts

A mailbox leaves when its look has ended, however long a server lets that look wait; nobody waits for it, neither its
neighbours nor the next reload. What concerns all mailboxes (every section but [log]) is not changed in here: by that
everything is opened.
"""

from __future__ import annotations

from concurrent import futures

import structlog

from daemon.passes.desk import Desk
from daemon.passes.lent import keep_share
from daemon.passes.mailroom import Mailroom, leave, picture_languages
from daemon.service.logs import told_only
from daemon.service.timetable import Timetable
from daemon.settings import Settings
from daemon.state.open_files import make_room
from daemon.training.never_senders import void_never_senders

log = structlog.get_logger()

OF_SOME = {"mailboxes", "include", "log"}
"""The settings that do not concern all mailboxes, or not until the next line is written."""
FAREWELLS = 4
"""Threads for farewells, to which a server may take its time."""


def in_place(before: Settings, fresh: Settings) -> bool:
    """Are these settings that the service can go over to while it works?"""
    same = all(getattr(before, key) == getattr(fresh, key) for key in Settings.model_fields if key not in OF_SOME)
    return same and picture_languages(before) == picture_languages(fresh)


def take_up(mailroom: Mailroom, desk: Desk) -> None:
    """Before anybody works at a desk: the settings may name senders, or share, as they did not before. Raises
    StoreError."""
    void_never_senders(mailroom.database, desk.mailbox_id, desk.sorting, mailroom.clock())
    keep_share(desk)


class Changeover:
    """Takes other settings for the mailboxes that the timetable serves. For the service's own thread."""

    def __init__(self, mailroom: Mailroom, timetable: Timetable) -> None:
        self._mailroom = mailroom
        self._timetable = timetable
        self._farewells: dict[str, futures.Future[None]] = {}
        """By name, of mailboxes whose last look has ended."""
        self._pool = futures.ThreadPoolExecutor(FAREWELLS, thread_name_prefix="farewell")

    @property
    def going(self) -> bool:
        """Is somebody leaving? Whom the database does not let be opened is tried again now and then."""
        return any(desk.leaving for desk in self._timetable.desks)

    def take(self, fresh: Settings) -> None:
        """Go over to these settings, which are `in_place`. Who waits for a person, or is in trouble, is opened anew:
        somebody has perhaps put it right."""
        make_room(len(fresh.mailboxes))
        self._mailroom.settings = self._timetable.nights.settings = fresh
        self._mailroom.registry.forget_refusals()
        wanted = {mailbox.name: fresh.working(mailbox) for mailbox in fresh.mailboxes}
        for desk in self._timetable.desks:
            same = wanted.get(desk.settings.name) == desk.settings
            desk.leaving = desk.leaving or not (same and self._timetable.rounds[desk.settings.name].well)
        self.go_on()
        self._timetable.nights.ask_again()

    def go_on(self) -> None:
        """Whatever can be done by now. Never waits for a server."""
        for desk in [desk for desk in self._timetable.desks if desk.leaving]:
            name = desk.settings.name
            if name not in self._farewells and self._timetable.looks.has_left(desk):
                self._farewells[name] = self._pool.submit(leave, desk)
        self._forget_gone()
        opened = [desk for desk in map(self._opened, self._new()) if desk is not None]
        if opened:
            self._timetable.add(opened)
            self._timetable.nights.ask_again()

    def end(self) -> None:
        """Wait for the farewells. Who still works is the timetable's again. The service must be interrupted."""
        self._pool.shutdown()
        self._forget_gone()

    def _forget_gone(self) -> None:
        for desk in list(self._timetable.desks):
            farewell = self._farewells.get(desk.settings.name)
            if desk.leaving and farewell is not None and farewell.done():
                del self._farewells[desk.settings.name]
                self._timetable.remove(desk)
                self._mailroom.forget(desk)
                log.info("mailbox-closed", mailbox=desk.settings.name)

    def _new(self) -> list[str]:
        """Mailboxes of the settings that nobody serves."""
        served = {desk.settings.name for desk in self._timetable.desks}
        return [mailbox.name for mailbox in self._mailroom.settings.mailboxes if mailbox.name not in served]

    def _opened(self, name: str) -> Desk | None:
        """The desk of a mailbox; None where the database does not let it be opened, which is logged: a moment later,
        then."""
        mailroom = self._mailroom
        with told_only():
            desk = mailroom.desk(name)
            take_up(mailroom, desk)
            log.info("mailbox-opened", mailbox=name)
            return desk
        return None
