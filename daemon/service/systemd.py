"""Telling systemd how we are: one datagram a message, sd_notify(3). Without systemd nothing happens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from connectors.printable import printable


class Notifier:
    """Speaks to $NOTIFY_SOCKET. Never raises: a service that cannot say how it is still works."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def ready(self) -> None:
        """The service does its work from now on: `systemctl start` returns. Also ends a reload."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`. No subject, no address."""
        self._send("STATUS=" + printable(" ".join(text.split())))

    def watchdog(self) -> None:
        """A sign of life. Send it only when work is really being done."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """The settings are read again; `ready` follows. Type=notify-reload wants the monotonic clock with it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The message in hand is finished, then the service ends."""
        self._send("STOPPING=1")

    def watchdog_interval(self) -> float | None:
        """Seconds between two signs of life: half of what systemd grants. None: no watchdog is set for this process."""
        pid = self._environ.get("WATCHDOG_PID", str(os.getpid()))
        granted = self._environ.get("WATCHDOG_USEC", "")
        if pid != str(os.getpid()) or not granted.isdigit() or int(granted) == 0:
            return None
        return int(granted) / 1_000_000 / 2

    def _send(self, message: str) -> None:
        path = self._environ.get("NOTIFY_SOCKET", "")
        if path[:1] not in ("/", "@"):
            return
        # "@" stands for the zero byte that begins a name in the abstract namespace, unix(7).
        address = "\0" + path[1:] if path.startswith("@") else path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1)  # a full queue must not stop the mail
                channel.sendto(message.encode(), address)
        except OSError:
            return
