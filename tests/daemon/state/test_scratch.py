"""What a killed command laid down for a while is in the state directory, and goes at the next start."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.mistakes import PostroomError
from daemon.passes.mailroom import open_mailroom
from daemon.rehearsal.replay import RehearsedOffice
from daemon.settings import Settings
from daemon.state.scratch import scratch_folder, sweep_scratch

HOLD = """
import sys, time
from pathlib import Path
from daemon.state.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), "dry-run") as folder:
    (folder / "postroom.sqlite").write_text("mail")
    print(folder, flush=True)
    time.sleep(600)
"""


def test_a_folder_is_gone_at_the_end_also_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder(tmp_path, "dry-run") as folder:
            (folder / "mail").touch()
            assert folder.parent == tmp_path / "scratch"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [each.name for each in (tmp_path / "scratch").iterdir()] == ["lock"]


def test_of_a_killed_owner_it_goes_at_the_next_start_and_of_a_living_one_it_stays(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        assert sweep_scratch(tmp_path) == []
        with open_mailroom(Settings(state_dir=tmp_path)):
            assert (folder / "postroom.sqlite").exists()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert (folder / "postroom.sqlite").exists(), "nobody was left to remove it"
    with open_mailroom(Settings(state_dir=tmp_path)):
        assert not folder.exists()


def test_nothing_that_is_not_ours_is_swept_and_a_link_is_refused(tmp_path: Path) -> None:
    scratch, precious = tmp_path / "state" / "scratch", tmp_path / "precious"
    for name in ("dry-run-x", "folder"):
        (precious / name).mkdir(parents=True)
    scratch.mkdir(parents=True)
    (scratch / "somebody's").mkdir()
    (scratch / "dry-run-link").symlink_to(precious)
    (scratch / "dry-run-left").mkdir()
    assert sweep_scratch(tmp_path / "state") == ["dry-run-left"]
    assert sorted(each.name for each in scratch.iterdir()) == ["dry-run-link", "lock", "somebody's"]
    shutil.rmtree(scratch)
    scratch.symlink_to(precious)
    with pytest.raises(PostroomError, match="Remove the link"):
        sweep_scratch(tmp_path / "state")
    with pytest.raises(PostroomError, match="is a link"), scratch_folder(tmp_path / "state", "dry-run"):
        pass
    assert sorted(each.name for each in precious.iterdir()) == ["dry-run-x", "folder"]


def test_a_rehearsal_works_in_the_state_directory_and_leaves_no_readings_in_its_cache(tmp_path: Path) -> None:
    cache = tmp_path / "training" / "cache"
    (cache / "base-1").mkdir(parents=True)
    with RehearsedOffice(Settings(state_dir=tmp_path), state_dir=tmp_path) as office:
        own = office.settings.state_dir
        assert own.parent == tmp_path / "scratch"
        (own / "training" / "cache" / "lessons" / "rehearsal").mkdir(parents=True)
        assert (own / "training" / "cache" / "base-1").samefile(cache / "base-1"), "it need not be prepared again"
    assert [each.name for each in cache.iterdir()] == ["base-1"]
    assert not own.exists()
