"""What a machine has for trainings, read as the kernel writes it (proc(5), control groups version 2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.training import machine

GB = 2**30


def write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GB free, and this process in the group of a service."""
    for name, file in (("MEMINFO", "meminfo"), ("OWN_GROUP", "cgroup"), ("GROUPS", "groups")):
        monkeypatch.setattr(machine, name, tmp_path / file)
    write(tmp_path / "meminfo", f"MemTotal: 99 kB\nMemAvailable:   {8 * 1024 * 1024} kB\n")
    write(tmp_path / "cgroup", "0::/system.slice/postroom.service\n")
    return tmp_path


def limit(group: Path, limit: str, used: int, files: int = 0) -> None:
    write(group / "memory.max", limit + "\n")
    write(group / "memory.current", f"{used}\n")
    write(group / "memory.stat", f"anon 5\ninactive_file {files}\n")


def test_free_memory_is_the_machines_where_no_group_has_a_limit(kernel: Path) -> None:
    assert machine.free_memory_mb() == 8 * 1024
    limit(kernel / "groups/system.slice/postroom.service", "max", GB)
    assert machine.free_memory_mb() == 8 * 1024


def test_a_limit_of_its_group_or_of_one_above_counts_and_read_files_count_as_free(kernel: Path) -> None:
    limit(kernel / "groups/system.slice/postroom.service", str(4 * GB), 3 * GB, GB)
    assert machine.free_memory_mb() == 2 * 1024
    limit(kernel / "groups/system.slice", str(4 * GB), 3 * GB)
    assert machine.free_memory_mb() == 1024


def test_nobody_has_to_say(kernel: Path) -> None:
    (kernel / "meminfo").unlink()
    (kernel / "cgroup").unlink()
    assert machine.free_memory_mb() is None


def test_this_machine_says_something() -> None:
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)
    assert (machine.free_memory_mb() or 0) > 0
