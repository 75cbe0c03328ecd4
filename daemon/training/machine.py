"""What this machine has for trainings: cores and free memory, as far as this process may use them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MEMINFO, OWN_GROUP, GROUPS = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def cores() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0))


def whole_memory_mb() -> int | None:
    """What this process may take at most, in MB: the machine's memory, or less where a control group says so."""
    whole = []
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("MemTotal:"))
        whole.append(int(line.split()[1]) // 1024)
    for place in _own_groups():
        with suppress(OSError, ValueError):
            whole.append(int((place / "memory.max").read_text()) // 2**20)
    return min(whole, default=None)


def free_memory_mb() -> int | None:
    """What may be taken without swapping, in MB: by /proc/meminfo, or less where a control group limits this process
    (systemd's MemoryMax, a container). None: nobody says, as where /proc is hidden."""
    free = []
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
        free.append(int(line.split()[1]) // 1024)
    return min([*free, *_left_in_groups()], default=None)


def _left_in_groups() -> Iterator[int]:
    """What every group that this process is in leaves it, in MB (control groups version 2)."""
    for place in _own_groups():
        with suppress(OSError, ValueError):  # the root of all has no limit, and "max" is none
            limit, used = (int((place / file).read_text()) for file in ("memory.max", "memory.current"))
            yield (limit - used + _reclaimable(place)) // 2**20


def _own_groups() -> Iterator[Path]:
    """The folders of all groups that this process is in, the innermost first."""
    with suppress(OSError):
        names = [line[3:].strip("/") for line in OWN_GROUP.read_text().splitlines() if line.startswith("0::")]
        for name in names:
            group = GROUPS / name
            for place in (group, *group.parents):
                yield place
                if place == GROUPS:
                    break


def _reclaimable(group: Path) -> int:
    """Bytes of files that were read, which count as used and go as soon as somebody needs their place."""
    with suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, size = line.partition(" ")
            if name == "inactive_file":
                return int(size)
    return 0
