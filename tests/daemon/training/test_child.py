"""What the service starts ends with it, however it ends, and needs no program beside Python for that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from daemon.training import child
from tests import ROOT
from tests.service_process import eventually

WAIT = (
    "import os, pathlib, time; pathlib.Path(os.environ['HERE'], '{name}').write_text(str(os.getpid())); time.sleep(60)"
)
STARTER = """
import subprocess, sys
from daemon.training import child
subprocess.run(child.command(sys.executable, 0, {module!r}))
"""


@pytest.fixture
def modules(tmp_path: Path) -> dict[str, str]:
    """`sleeps` waits; `starts` starts it in turn, as the trainer does its worker; `tells` says what it was given."""
    (tmp_path / "sleeps.py").write_text(WAIT.format(name="pid-of-sleeps"))
    started = STARTER.format(module="sleeps").replace("subprocess.run(", "subprocess.Popen(")
    (tmp_path / "starts.py").write_text(started + WAIT.format(name="pid-of-starts"))
    (tmp_path / "tells.py").write_text(
        "import os, sys; print(__name__, sys.argv[1:], os.getpriority(os.PRIO_PROCESS, 0))"
    )
    # No programs at all: a container without util-linux has no setpriv, and the unit's filter would refuse it.
    return {"PATH": "", "HERE": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{ROOT}"}


def test_a_killed_starter_takes_its_child_and_its_childs_child_with_it(modules: dict[str, str]) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER.format(module="starts")], env=modules)
    here = Path(modules["HERE"])
    try:
        files = [here / "pid-of-starts", here / "pid-of-sleeps"]
        eventually(lambda: all(file.exists() and file.read_text() for file in files), "both work")
        processes = [psutil.Process(int(file.read_text())) for file in files]
    finally:
        starter.kill()
        starter.wait()
    eventually(lambda: not any(alive(each) for each in processes), "both have ended", 10)


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_whose_starter_ended_before_it_was_ready_does_not_begin(modules: dict[str, str]) -> None:
    command = child.command(sys.executable, 0, "tells")
    command[command.index(str(os.getpid()))] = "1"  # not whoever starts it here
    done = subprocess.run(command, env=modules, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing to train for" in done.stderr


def test_the_module_runs_as_a_program_with_its_arguments_and_stands_back(modules: dict[str, str]) -> None:
    done = subprocess.run(
        child.command(sys.executable, 7, "tells", "a", "b"), env=modules, capture_output=True, text=True
    )
    assert done.stdout == f"__main__ ['a', 'b'] {os.getpriority(os.PRIO_PROCESS, 0) + 7}\n", done.stderr


def test_the_exit_code_is_that_of_the_module(modules: dict[str, str]) -> None:
    (Path(modules["HERE"]) / "ends.py").write_text("import sys; sys.exit(5)")
    assert subprocess.run(child.command(sys.executable, 0, "ends"), env=modules).returncode == 5


def test_a_signal_for_the_child_reaches_the_module(modules: dict[str, str]) -> None:
    with subprocess.Popen(child.command(sys.executable, 0, "sleeps"), env=modules) as process:
        eventually((Path(modules["HERE"]) / "pid-of-sleeps").exists, "it works")
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
