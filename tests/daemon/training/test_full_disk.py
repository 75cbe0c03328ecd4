"""A real disk that fills in the middle of a night, with the database on it: one mailbox has no model of that night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.model.base_file import BaseFile
from tests import ROOT

OWN_MOUNTS = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
SIZE = "12m"

pytestmark = pytest.mark.model


def test_a_disk_that_fills_in_a_night_costs_the_training_at_work_and_no_other(
    tmp_path: Path, tiny_base: BaseFile
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    program = f"{sys.executable} -m tests.full_disk {disk} {tiny_base.path}"
    script = f"mount -t tmpfs -o size={SIZE} disk {disk} && exec {program}"
    done = subprocess.run([*OWN_MOUNTS, "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    outcome, words = found["office"]
    assert outcome == "failed"
    assert "No space left on device. Make room there." in words
    assert found["office runs"] == [[outcome, words]], "it was noted though the disk was full"
    assert found["office left"] == found["sales left"] == [], "mail text must not stay behind"
    assert found["sales"][0] == "promoted", found["sales"]
