"""Where a browser comes back to after a sign-in: a port of this machine, or the address that a person copies from it.

listen on 127.0.0.1 | a request with ?code=... or ?error=...   -> the whole address
read the terminal   | a line with an address                   -> the same, from a browser on another machine
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from typing import TextIO

LONGEST_REQUEST = 16 * 1024
PAGE = "<!doctype html><title>Postroom</title><p>Postroom has what it needs. You may close this window."


def listen() -> socket.socket:
    """A port of this machine that nobody else can reach."""
    return socket.create_server(("127.0.0.1", 0))


def wait_for_address(listener: socket.socket, typed: TextIO | None, seconds: float) -> str | None:
    """The address that the browser was sent to; None if nobody came within `seconds`."""
    port = listener.getsockname()[1]
    end = time.monotonic() + seconds
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        if typed is not None:
            with contextlib.suppress(OSError, ValueError):  # a file is always readable and cannot be waited for
                selector.register(typed, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fileobj is listener:
                    path = _answer(listener)
                    if path is not None:
                        return f"http://127.0.0.1:{port}{path}"
                elif typed is not None:
                    # Past its buffer, where a second line would hide from the selector.
                    piece = os.read(typed.fileno(), 4096)
                    line += piece
                    if not piece:
                        selector.unregister(typed)
                    *whole, line = line.split(b"\n")
                    for entered in whole:
                        if entered.strip():
                            return entered.decode("utf-8", "replace").strip()
    return None


def _answer(listener: socket.socket) -> str | None:
    """One request: its path if a sign-in ends there. Browsers also ask for a picture of us, and for nothing at all."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.settimeout(5)
        request = b""
        while b"\r\n\r\n" not in request and len(request) < LONGEST_REQUEST:
            piece = connection.recv(4096)
            if not piece:
                break
            request += piece
        words = request.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ")
        path = words[1] if len(words) == 3 and words[0] == "GET" else ""
        mine = path.startswith("/?") and ("code=" in path or "error=" in path)
        status, page = ("200 OK", PAGE) if mine else ("404 Not Found", "")
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(page)}\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n{page}".encode())
        return path if mine else None
    return None
