"""What a file's reader can do to the machine: nothing. The filter as a program, and tried from within."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import Any

import pytest

from daemon.papers.sandbox import ALLOW, KILL, MACHINES, REFUSE, Machine, program
from tests import ROOT
from tests.sandbox_tries import TRIES

ANSWER = 1


def run(text: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the kernel would do with a system call: classic BPF as the filter uses it (linux/filter.h)."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<iIQ6Q", number, architecture, 0, *padded)
    steps = [struct.unpack_from("<HBBI", text, place) for place in range(0, len(text), 8)]
    held = place = 0
    while True:
        code, yes, no, value = steps[place]
        place += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            [held] = struct.unpack_from("<I", data, value)
        else:
            place += yes if (held == value if code == 0x15 else held & value) else no


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_the_filter_allows_what_computes_and_the_answer_and_refuses_all_else(machine: Machine) -> None:
    text = program(machine, ANSWER)
    ends = {number: run(text, machine.architecture, number) for number in range(600)}
    assert {number for number, end in ends.items() if end == ALLOW} == (set(machine.calls.values()) - {
        machine.calls["write"]
    })  # fmt: skip
    assert set(ends.values()) == {ALLOW, REFUSE}
    assert run(text, machine.architecture, machine.calls["write"], ANSWER) == ALLOW
    assert run(text, machine.architecture, machine.calls["write"], 2) == REFUSE
    for name in ("mmap", "mprotect"):
        assert run(text, machine.architecture, machine.calls[name], 0, 4096, 3) == ALLOW
        assert run(text, machine.architecture, machine.calls[name], 0, 4096, 5) == REFUSE
    assert run(text, 0x40000003, machine.calls["read"]) == KILL, "another processor's numbers mean other calls"
    assert run(text, machine.architecture, 0x40000000 | machine.calls["read"]) == REFUSE, "x32"


def test_both_processors_know_the_same_calls() -> None:
    one, other = (set(machine.calls) for machine in MACHINES.values())
    assert one == other
    assert not one & {"open", "openat", "socket", "connect", "clone", "clone3", "fork", "execve", "kill", "prctl"}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """In a process of its own, which has one thread."""
    done = subprocess.run([sys.executable, "-m", "tests.sandbox_tries"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_from_within_everything_is_refused(found: dict[str, Any]) -> None:
    assert found["tried"] == {"filter": "", **dict.fromkeys(TRIES, "EPERM"), "more memory": "ENOMEM"}
    assert found["sandbox"] == [True, True, ""]


def test_without_a_filter_the_limits_still_hold_and_it_is_told(found: dict[str, Any]) -> None:
    assert "no filter for" in found["unfiltered"].pop("filter")
    assert found["unfiltered"] == {"open": "EMFILE", "connect": "EMFILE", "more memory": "ENOMEM"}


def test_a_child_that_loops_waits_dies_or_says_too_much_is_told_as_such(found: dict[str, Any]) -> None:
    assert found["ends"] == {
        "loop": [0, "limit"],
        "wait": [0, "late"],
        "abort": [0, "crashed"],
        "bug": [0, "crashed"],
        "too much": [0, "limit"],
    }


def test_the_worker_reads_and_says_where_nothing_is_said(found: dict[str, Any]) -> None:
    assert found["read"] == {"a.txt": "text", "a.html": "text", "empty.txt": "none"}
