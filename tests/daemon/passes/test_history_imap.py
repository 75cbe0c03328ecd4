"""The random histories of `tests.daemon.passes.test_history`, few and short, on a real Dovecot."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from connectors.base import Changes, MailText, Message, MessageRef, Watch
from connectors.errors import ConnectorError
from connectors.imap.mailbox import ImapConnector
from tests.daemon.passes.test_history import FOLDERS, History
from tests.imap_fixtures import ImapWorld
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail, ok, quoted

pytestmark = pytest.mark.imap

_users, _epochs = count(1), count(900_000_001)


class ImapBox(ImapConnector):
    """A connector with the hands of people, as `MemoryConnector` has them."""

    object_ids = False

    def __init__(self, server: Dovecot) -> None:
        self.server, self.world = server, ImapWorld(server, f"history{next(_users)}")
        super().__init__(self.world.account(), settle=0.0)
        self.hands = self.world.hands
        self.hands.remove(self.world.first)
        for folder in FOLDERS[1:]:
            if folder not in self.hands.folders():
                self.hands.create(folder)

    def deliver(
        self, mail: MailText, folder: str, *, message_id: str | None, date: str | None, arrived: datetime
    ) -> None:
        raw = make_mail(mail.subject, mail.body, message_id)
        if date is None:
            date = arrived.strftime("%a, %d %b %Y %H:%M:%S +0000")
        raw = raw.replace(b"Mon, 02 Mar 2026 10:30:00 +0100", date.encode())
        self.hands.put(raw, folder, arrived=arrived)

    def changes(self, cursor: str | None, watch: Watch) -> Changes:
        """Without SAVEDATE: the server's clock runs, that of a history jumps."""
        found = super().changes(cursor, watch)
        return replace(found, arrived=tuple(replace(seen, saved=None) for seen in found.arrived))

    def move_by_person(self, ref: MessageRef, folder: str) -> None:
        self.hands.move_from(ref.folder, str(ref.uid), folder)

    def copy_by_person(self, ref: MessageRef, folder: str) -> None:
        self._in(ref, "COPY", quoted(folder))

    def flag_by_person(self, ref: MessageRef, flag: str) -> None:
        self._in(ref, "STORE", "+FLAGS.SILENT", f"({flag})")

    def delete_by_person(self, ref: MessageRef) -> None:
        self._in(ref, "STORE", "+FLAGS.SILENT", "(\\Deleted)")
        self._in(ref, "EXPUNGE")

    def _in(self, ref: MessageRef, command: str, *words: str) -> None:
        ok(self.hands.imap.select(quoted(ref.folder)))
        ok(self.hands.imap.uid(command, str(ref.uid), *words))
        self.hands.leave()

    def rename_folder(self, old: str, new: str) -> None:
        self.hands.rename(old, new)

    def restart_uids(self, folder: str) -> None:
        self.server.doveadm("mailbox", "update", "-u", self.world.user, "--uid-validity", str(next(_epochs)), folder)

    def fail_next(self, error: ConnectorError, when: str) -> None:
        """The line breaks now; the next command finds out."""
        if self._current is not None:
            with contextlib.suppress(OSError):  # it is broken already
                self._current.client.socket().shutdown(socket.SHUT_RDWR)

    def everything(self) -> Sequence[Message]:
        with self.world.another() as other:
            return [
                message
                for folder in other.folders()
                for message in other.fetch([seen.ref for seen in other.newest(folder.name, 100)])
            ]


class ImapHistory(History):
    """The same rules."""

    server: ClassVar[Dovecot]

    def make_box(self, object_ids: Any) -> Any:
        self.tags, self.box_tells_saved = True, False
        return ImapBox(self.server)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if hasattr(self, "box"):
                self.box.close()
                self.box.world.close()


def test_histories_on_a_real_server(dovecot: Dovecot) -> None:
    ImapHistory.server = dovecot
    run_state_machine_as_test(
        ImapHistory,
        settings=settings(
            max_examples=3,
            stateful_step_count=15,
            deadline=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
