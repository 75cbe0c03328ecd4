"""A clock that a test sets while the real service runs: forward and back, by hours or years.

clock = OtherClock(folder)
service.start(**clock.environment)
clock.ahead(days=400)
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

SOURCE = Path(__file__).with_name("otherclock.c")


class OtherClock:
    """The time of day of processes that are started with its `environment`. It begins right."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        assert compiler, "this test needs a C compiler (apt-get install gcc)"
        library = folder / "otherclock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        self._ahead = timedelta()
        self._file = folder / "ahead"
        self._file.write_bytes(struct.pack("=q", 0))
        self.environment = {"LD_PRELOAD": str(library), "OTHER_CLOCK": str(self._file)}

    def ahead(self, **duration: float) -> None:
        """Set it: by so much it is ahead of the right time from now on; below 0: behind. ahead(): right."""
        self._ahead = timedelta(**duration)
        with self._file.open("r+b") as file:  # in place, for it is mapped
            file.write(struct.pack("=q", round(self._ahead.total_seconds())))

    def now(self) -> datetime:
        """What it says."""
        return datetime.now(UTC) + self._ahead
