"""One daemon per state directory, told apart by the kernel and not by a file that may be left over."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.errors import AlreadyRunning, ExitCode, PostroomError
from daemon.lock import StateLock, turn

HOLDER = """
import sys, time
from pathlib import Path
from daemon.lock import StateLock
with StateLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(state_dir: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_daemon_is_told_which_process_holds_the_directory(tmp_path: Path) -> None:
    with hold(tmp_path) as other:
        with pytest.raises(AlreadyRunning, match=rf"another Postroom works here \(process {other.pid}\)") as caught:
            StateLock(tmp_path).acquire()
        assert caught.value.exit_code == ExitCode.TRY_AGAIN
        other.kill()


def test_a_killed_daemon_leaves_no_lock_behind(tmp_path: Path) -> None:
    with hold(tmp_path) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    with StateLock(tmp_path) as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"


def test_the_lock_is_free_again_after_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with StateLock(tmp_path):
            pass
    lock = StateLock(tmp_path)
    lock.acquire()
    lock.release()
    lock.release()


def test_the_state_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    state_dir = tmp_path / "new" / "state"
    with StateLock(state_dir):
        assert state_dir.stat().st_mode & 0o777 == 0o700


def test_a_state_directory_that_cannot_be_used_is_told_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PostroomError, match="change state_dir"):
        StateLock(tmp_path / "file").acquire()
    with pytest.raises(PostroomError, match="change state_dir"), turn(tmp_path / "file" / "office"):
        pytest.fail("it is nobody's turn without a file")
