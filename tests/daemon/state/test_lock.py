"""One daemon per state directory, told apart by the kernel and not by a file that may be left over."""

import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.mistakes import AlreadyRunning, ExitCode, PostroomError
from daemon.state.lock import StateLock, holder, turn

HOLDER = """
import sys, time
from pathlib import Path
from daemon.state.lock import StateLock
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


def test_who_holds_a_directory_is_told_without_taking_it(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert not list(tmp_path.iterdir()), "looking leaves nothing behind"
    with hold(tmp_path) as other:
        found = holder(tmp_path)
        assert found is not None
        assert found.process == str(other.pid)
        assert abs(found.since - datetime.now(UTC)) < timedelta(minutes=1)
        other.kill()
        other.wait()
        assert holder(tmp_path) is None, "its file is still there"


def test_a_service_that_starts_while_somebody_looks_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StateLock(tmp_path):
        pass
    looking = (tmp_path / "postroom.lock").open()
    fcntl.flock(looking, fcntl.LOCK_SH)  # as `holder` does, for a moment
    monkeypatch.setattr("daemon.state.lock.time.sleep", lambda seconds: looking.close() if seconds else None)
    with StateLock(tmp_path):
        assert looking.closed
