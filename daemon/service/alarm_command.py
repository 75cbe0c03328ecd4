"""Run the command that tells people: bounded in time, with nothing of ours but what it is to tell."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from daemon.rules.alarms import Notice

PATIENCE_S = 30.0
HANDED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""Of the environment. The rest may name secrets, or be one."""


def tell(
    command: Sequence[str],
    notices: Sequence[Notice],
    now: datetime,
    *,
    interrupted: Callable[[], bool] = lambda: False,
    shown: bool = False,
) -> str | None:
    """Run it once for all of these. Why they were not told, in words; None: the command ended with 0.

    Its last argument is the text, its standard input the same as JSON. `shown`: what it prints is not dropped.
    """
    text = "\n".join(notice.text for notice in notices)
    output = None if shown else subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            [*command, text],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={name: os.environ[name] for name in HANDED_ON if name in os.environ},
            cwd="/",
            start_new_session=True,  # so that all it started ends with it
        )
    except (OSError, ValueError) as error:
        return f"the command cannot be started ({getattr(error, 'strerror', None) or 'it is no command'})"
    ends = time.monotonic() + PATIENCE_S
    given: bytes | None = _document(notices, text, now)
    try:
        while True:
            try:
                process.communicate(given, timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                given = None  # what is left of it goes on by itself
                if interrupted():
                    return "Postroom ended meanwhile"
                if time.monotonic() > ends:
                    return f"the command did not end within {PATIENCE_S:.0f} s and was killed"
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
    return None if process.returncode == 0 else f"the command ended with exit code {process.returncode}"


def _document(notices: Sequence[Notice], text: str, now: datetime) -> bytes:
    return json.dumps(
        {
            "at": now.isoformat(),
            "host": socket.gethostname(),
            "text": text,
            "notices": [
                {
                    "event": notice.event,
                    "kind": notice.kind,
                    "mailbox": notice.mailbox or None,
                    "since": notice.since.isoformat(),
                    "text": notice.text,
                }
                for notice in notices
            ],
        }
    ).encode()
