"""Once a minute: what is wrong, who is to be told of it (`daemon.rules.alarms`), and the command that does.

A command that fails is asked again after ten minutes; `status` says so. Nothing that it does holds up anything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import get_args

import structlog
from apscheduler.schedulers.base import BaseScheduler

from daemon.passes.desk import Desk
from daemon.rules.alarms import Key, Kind, Noted, not_told, to_tell
from daemon.service.alarm_command import tell
from daemon.service.logs import told_only
from daemon.service.rounds import Round
from daemon.service.triggers import every_minute, put_forward
from daemon.settings import Settings
from daemon.settings.credentials import Credentials
from daemon.signin.choose import tokens_for
from daemon.signin.token_report import credential_end
from daemon.state.alarm_note import AlarmNote, read_note, write_note
from daemon.state.refused_reload import refused_reload
from daemon.state.room import no_room
from daemon.store import mailboxes
from daemon.store.database import StoreError

log = structlog.get_logger()

ALARMS = "alarms"
"""The job, and its executor of one thread."""
AFTER_FAILURE = timedelta(minutes=10)


class Alarms:
    """Tells people what is wrong. Without a command it does nothing."""

    def __init__(
        self,
        scheduler: BaseScheduler,
        desks: Sequence[Desk],
        settings: Settings,
        rounds: Mapping[str, Round],
        clock: Callable[[], datetime],
        interrupted: Callable[[], bool],
    ) -> None:
        self._scheduler = scheduler
        self._desks = desks
        self._settings = settings
        self._rounds = rounds
        self._clock = clock
        self._interrupted = interrupted
        kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
        kept = read_note(settings.state_dir).told.items()
        self._noted = {(kinds[kind], box): Noted(*times) for (kind, box), times in kept if kind in kinds}
        self._again = 0.0
        """When a command that failed is asked again, in seconds of the monotonic clock."""

    def plan(self) -> None:
        """Put the job on the scheduler, where there is a command."""
        if self._settings.alarm.command:
            every_minute(self._scheduler, ALARMS, self.look)

    def catch_up(self) -> None:
        """Look now where a clock that was ahead holds that up."""
        put_forward(self._scheduler, ALARMS)

    def look(self) -> None:
        """See what is wrong, and tell what is to be told."""
        if not self._interrupted():
            with told_only():
                self._look(self._clock())

    def _look(self, now: datetime) -> None:
        wrong, unknown = self._wrong()
        notices, after = to_tell(wrong, self._noted, unknown, now)
        failed = read_note(self._settings.state_dir).failed
        if notices and time.monotonic() < self._again:
            after = not_told(self._noted, after)
        elif notices:
            why = tell(self._settings.alarm.command, notices, now, interrupted=self._interrupted)
            if why is None:
                failed = None
                log.info("alarm-told", count=len(notices))
            else:
                failed, after = (now, why), not_told(self._noted, after)
                self._again = time.monotonic() + AFTER_FAILURE.total_seconds()
                log.warning("alarm-failed", problem=f"Nobody was told of {len(notices)} alarms: {why}.")
        if after != self._noted or failed != read_note(self._settings.state_dir).failed:
            self._noted = after
            told: dict[tuple[str, str], tuple[datetime, datetime | None]] = {
                key: (found.since, found.told) for key, found in after.items()
            }
            write_note(self._settings.state_dir, AlarmNote(told, failed))

    def _wrong(self) -> tuple[set[Key], set[str]]:
        """What is wrong, and of which mailboxes nobody knows."""
        desks = list(self._desks)  # a reload may add and remove some meanwhile
        rounds = {desk.settings.name: self._rounds.get(desk.settings.name) for desk in desks}
        found, unknown = set[Key](), {name for name, round_ in rounds.items() if round_ is None or not _known(round_)}
        if no_room(self._settings.state_dir) is not None:
            found.add(("disk", ""))
        if refused_reload(self._settings.state_dir) is not None:
            found.add(("settings", ""))
        for desk in desks:
            round_ = rounds[desk.settings.name]
            if round_ is None:
                continue
            try:
                found |= {(kind, desk.settings.name) for kind in self._wrong_in(desk, round_)}
            except StoreError:
                found.add(("database", ""))
                unknown.add(desk.settings.name)
        return found, unknown

    def _wrong_in(self, desk: Desk, round_: Round) -> set[Kind]:
        with desk.database.read() as tx:
            mailbox = mailboxes.get(tx, desk.mailbox_id)
        seen: Mapping[Kind, bool] = {
            "needs-person": round_.needs_person is not None,
            "trouble": round_.needs_person is None and (mailbox.trouble is not None or round_.hangs),
            "stopped": mailbox.stopped is not None,
            "paused": mailbox.paused is not None,
            "silence": round_.silent,
            "training": round_.training is not None,
            "model": round_.model is not None,
            "secret": self._ends_soon(desk),
        }
        return {kind for kind, is_so in seen.items() if is_so}

    def _ends_soon(self, desk: Desk) -> bool:
        wanted = desk.settings.signs_in()
        if wanted is None or wanted.by != "microsoft":
            return False
        credentials = Credentials(self._settings.state_dir)
        tokens = tokens_for(wanted, credentials.state_dir, credentials.read)
        return tokens is not None and not all(fine for fine, _ in credential_end(wanted, tokens, self._clock()))


def _known(round_: Round) -> bool:
    """Have it and its nights been looked at since the service began?"""
    return round_.minded and (round_.looked or bool(round_.failures) or round_.needs_person is not None)
