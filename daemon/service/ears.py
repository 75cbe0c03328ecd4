"""Listening for the servers' hints: one thread for all mailboxes, however many there are.

    connector.listen: a file | one selector waits for all of them | connector.heard: news? | told once, then unheard

Nobody waits for a server in here: what has come is read, and whoever is told speaks with the server in a thread of its
own. A listening ends when something was told, or when somebody is about to speak with the server (`forget`).
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable

import structlog
from structlog.contextvars import bound_contextvars

from connectors.errors import ConnectorError
from daemon.passes.desk import Desk

log = structlog.get_logger()


class Ears:
    """Listens for many mailboxes. `news`, called from any thread, hears of a desk whether its connection is `broken`;
    it must not wait for anything."""

    def __init__(self, news: Callable[[Desk, bool], None]) -> None:
        self._news = news
        self._lock = threading.RLock()
        self._listening: dict[str, int] = {}
        self._selector = selectors.DefaultSelector()
        self._thread: threading.Thread | None = None
        self._ended = False

    def listen(self, desk: Desk) -> bool:
        """Begin to listen for one mailbox; False: its server cannot call. Asks the server, so only whose turn it is
        may call this. Raises what the connector raises."""
        file = desk.connector.listen()
        if file is None:
            return False
        with self._lock:
            if self._ended:
                return False
            self._begin()
            if file in self._selector.get_map():  # of a connection that was closed unasked
                self._selector.unregister(file)
            self._selector.register(file, selectors.EVENT_READ, desk)
            self._listening[desk.settings.name] = file
            self._hear(desk)  # what came with the answer is read already, and no selector shows it
        return True

    def forget(self, desk: Desk) -> bool:
        """Listen for this mailbox no longer, from now on. Was it listened for, and nothing told?"""
        with self._lock:
            file = self._listening.pop(desk.settings.name, None)
            if file is not None and file in self._selector.get_map():
                self._selector.unregister(file)
            return file is not None

    def end(self) -> None:
        """Listen for nobody any more. The connections stay as they are."""
        with self._lock:
            self._ended = True
            self._listening.clear()
            thread = self._thread
        if thread is not None:
            self._waker.send(b"x")
            thread.join()
            self._waker.close()
            self._woken.close()
        self._selector.close()

    def _begin(self) -> None:
        if self._thread is None:
            self._woken, self._waker = socket.socketpair()
            self._selector.register(self._woken, selectors.EVENT_READ)
            self._thread = threading.Thread(target=self._run, name="ears", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            ready = self._selector.select()
            with self._lock:
                if self._ended:
                    return
                for key, _ in ready:
                    if key.data is not None and self._listening.get(key.data.settings.name) == key.fd:
                        self._hear(key.data)

    def _hear(self, desk: Desk) -> None:
        """Tell what came, if it is anything. Never raises."""
        with bound_contextvars(mailbox=desk.settings.name):
            try:
                broken, news = False, desk.connector.heard()
            except ConnectorError:
                broken = news = True
            except (Exception, SystemExit):  # another package's connector may do anything
                log.exception("bug")
                broken = news = True
        if news:
            self.forget(desk)
            self._news(desk, broken)
