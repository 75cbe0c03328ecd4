"""A line that fails on purpose, between our connector and a real server, and a process that may be killed on purpose.

FaultyLine   passes commands and answers one by one, and fails at one of them in one way
Workers      runs one move in a process of its own, so that it can be killed with SIGKILL at that moment
run          one move under one fault, then what a restart makes of it
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, cast

from connectors.base import Identity, MessageRef, Move, Progress, Recovered, Sighting, Step, Unfinished
from connectors.errors import ConnectorError
from connectors.imap.account import ImapAccount
from connectors.imap.mailbox import ImapConnector
from tests import ROOT
from tests.servers.private import PASSWORD, TLS_RECORD

Moment = Literal["before", "in", "race", "after", "answer", "silent", "stall", "corrupt"]
"""When the line fails. before: the command never leaves. in: half of it does. race: all of it does, and nobody waits.
after: the answer is lost. answer: half of it arrives. silent: the command is swallowed and the line stays open.
stall: the same after the command was carried out. corrupt: the answer is garbled."""

MOMENTS: tuple[Moment, ...] = ("before", "in", "race", "after", "answer", "silent", "stall", "corrupt")
KILLS: tuple[Moment, ...] = ("before", "in", "race", "after")
STALLED_SECONDS = 0.3
SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class Fault:
    """Fail at the n-th command, counted from 1. kill: the client's process dies at that moment."""

    command: int
    moment: Moment
    kill: bool = False


class FaultyLine:
    """`with FaultyLine(port, fault) as line:` then `line.port`; `line.commands` tells what passed.

    hide: capabilities that the server is not allowed to mention. change: what becomes of a command on its way, so that
    a server does half of what it was asked. answers: what becomes of the answer to a command; None: the line breaks.
    """

    def __init__(
        self,
        port: int,
        fault: Fault | None = None,
        strike: Callable[[], None] | None = None,
        *,
        hide: Collection[str] = (),
        change: Callable[[bytes], bytes] = bytes,
        answers: Callable[[bytes, bytes], bytes | None] = lambda _, answer: answer,
    ) -> None:
        self.server_port, self.fault, self.strike, self.change = port, fault, strike, change
        self.answers = answers
        self.hidden = re.compile(rb" (?:%s)(?=[ \]\r])" % b"|".join(word.encode() for word in hide)) if hide else None
        self.commands: list[str] = []
        self.struck = False

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._listen, daemon=True)]
        self.threads[0].start()
        return self

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self._carry, args=(client,), daemon=True))
                self.threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        with (
            client,
            socket.create_connection(("127.0.0.1", self.server_port)) as server,
            client.makefile("rb") as asked,
            server.makefile("rb") as answered,
            contextlib.suppress(OSError, EOFError),
        ):
            client.sendall(self._told(_line(answered)))
            while True:
                line = _line(asked)
                if line.startswith(TLS_RECORD):
                    return  # this line speaks none
                tag, _, command = line.rstrip(b"\r\n").partition(b" ")
                words = command.decode(errors="replace").split()
                self.commands.append(" ".join(words[:2] if words[0] == "UID" else words[:1]))
                if self.fault and not self.struck and len(self.commands) == self.fault.command:
                    self.struck = True
                    self._fail(self.fault, client, server, answered, line, tag)
                    return
                server.sendall(self.change(line))
                told = self.answers(line, self._told(_answer(answered, tag)))
                if told is None:
                    return
                client.sendall(told)

    def _told(self, answer: bytes) -> bytes:
        """What the client is told of an answer."""
        return self.hidden.sub(b"", answer) if self.hidden and b"CAPABILITY" in answer else answer

    def _fail(
        self, fault: Fault, client: socket.socket, server: socket.socket, answered: Any, line: bytes, tag: bytes
    ) -> None:
        answer = b""
        if fault.moment == "in":
            server.sendall(line[: len(line) // 2])
        elif fault.moment not in ("before", "silent"):
            server.sendall(line)
            if fault.moment != "race":
                answer = self._told(_answer(answered, tag))
        if fault.kill and self.strike:
            self.strike()
        match fault.moment:
            case "answer":
                client.sendall(answer[: len(answer) // 2])
            case "corrupt":
                client.sendall(b"* ((" + answer.replace(b"OK", b"\xff\x00"))
            case "silent" | "stall":
                client.recv(1)  # until the client gives up

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


def _line(stream: Any) -> bytes:
    line: bytes = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def _answer(stream: Any, tag: bytes) -> bytes:
    """All lines up to the tagged one, literals included."""
    answer = b""
    while True:
        line = _line(stream)
        answer += line
        literal = re.search(rb"\{(\d+)\}\r\n$", line)
        if literal:
            answer += stream.read(int(literal[1]))
        elif line.startswith((tag + b" ", b"* BYE")):
            return answer


# One move, with a journal that survives the process


PLANNED = Progress("planned")


@dataclass
class Journal:
    """What is left after a crash: the last note, or a result."""

    progress: Progress = PLANNED
    result: MessageRef | None = None
    error: str = ""


class Workers:
    """Starts a process per move, quickly: a small parent, which has everything loaded, forks."""

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        return self

    def move(self, port: int, user: str, seen: Sighting, folder: str) -> Work:
        job = {"port": port, "user": user, "ref": asdict(seen.ref), "identity": asdict(seen.identity), "folder": folder}
        assert self.process.stdin
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return Work(self.process)

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Work:
    """One move in its own process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.lines = process.stdout
        self.pid = int(json.loads(self.lines.readline())["pid"])

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def journal(self) -> Journal:
        """Wait for the end, and read what was written until then."""
        journal = Journal()
        for line in self.lines:
            said = json.loads(line)
            if "note" in said:
                journal.progress = read_progress(said["note"])
            elif "done" in said:
                journal.result = MessageRef(**said["done"])
            elif "error" in said:
                journal.error = said["error"]
            else:
                break
        return journal


def read_progress(said: dict[str, Any]) -> Progress:
    copy = MessageRef(**said["copy"]) if said["copy"] else None
    return Progress(cast(Step, said["step"]), said["target_epoch"], said["uidnext"], copy)


def account(port: int, user: str, timeout: float = 20.0) -> ImapAccount:
    return ImapAccount("office", "127.0.0.1", port, user, lambda: PASSWORD, tls="none", timeout=timeout)


def move_here(port: int, user: str, seen: Sighting, folder: str) -> Journal:
    """One move in this process, over a line that may fail."""
    journal = Journal()

    def note(progress: Progress) -> None:
        journal.progress = progress

    with ImapConnector(account(port, user, STALLED_SECONDS), settle=0.0) as connector:
        try:
            journal.result = connector.apply(seen.ref, seen.identity, Move(folder), note)
        except ConnectorError as error:
            journal.error = type(error).__name__
    return journal


def run(workers: Workers, port: int, user: str, seen: Sighting, folder: str, fault: Fault) -> Journal:
    """One move under one fault."""
    if not fault.kill:
        with FaultyLine(port, fault) as line:
            return move_here(line.port, user, seen, folder)
    started: list[Work] = []
    ready = threading.Event()

    def strike() -> None:
        ready.wait(10)
        started[0].kill()

    with FaultyLine(port, fault, strike) as line:
        started.append(workers.move(line.port, user, seen, folder))
        ready.set()
        return started[0].journal()


def restart(
    port: int,
    user: str,
    seen: Sighting,
    folder: str,
    journal: Journal,
    settle: float = SETTLE_SECONDS,
    timeout: float = 20.0,
) -> Recovered:
    """What Postroom does at its next start. Raises ConnectorError if the line fails again.

    settle: 0 where the failing line saw to it that the server has finished or will never hear of the command.
    """
    with ImapConnector(account(port, user, timeout), settle=settle) as connector:
        return connector.recover(Unfinished(seen.ref, seen.identity, Move(folder), journal.progress))


def work() -> None:
    """The small parent: a job a line on stdin, a forked child a job, what it does as lines on stdout."""
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            _say({"pid": os.getpid()})
            _work_one(job)
            os._exit(0)
        os.waitpid(child, 0)
        _say({"over": True})


def _work_one(job: dict[str, Any]) -> None:
    connector = ImapConnector(account(job["port"], job["user"]), settle=0.0)
    ref, identity = MessageRef(**job["ref"]), Identity(**job["identity"])
    try:
        done = connector.apply(ref, identity, Move(job["folder"]), lambda progress: _say({"note": asdict(progress)}))
        _say({"done": asdict(done)})
    except ConnectorError as error:
        _say({"error": type(error).__name__})


def _say(words: dict[str, Any]) -> None:
    os.write(1, (json.dumps(words) + "\n").encode())


if __name__ == "__main__":
    work()
