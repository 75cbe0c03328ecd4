"""A first night in this environment, with the packaged base: `make check-install` runs it where the package lies alone.

    lessons of an invented office | python -P -m trainer JOB | a model that answers   ->  figures, one JSON object

It fails where the night does, or where torch can be imported, which is then no plain installation.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from connectors.base import MailText
from daemon.model.classifier import Classifier
from daemon.model.term_key import KEY_FILE, TermKey
from tests.lessons import office_rows, write_job

LESSONS = 120
OF_THE_ENVIRONMENT = ("pip", "setuptools", "pkg_resources")
"""What an empty environment brings."""


def size_of(folder: Path, left_out: Collection[str] = ()) -> int:
    """MiB on disk of all files below, as `du -m` counts."""
    files = (file for file in folder.rglob("*") if not file.is_symlink() and file.is_file())
    counted = (file.stat().st_blocks * 512 for file in files if file.relative_to(folder).parts[0] not in left_out)
    return sum(counted) >> 20


def start_of_the_trainer() -> tuple[float, float]:
    """Wall and CPU seconds until a trainer has loaded what a night needs; the better of three."""
    found = []
    for _ in range(3):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([sys.executable, "-P", "-c", "import trainer.night"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found.append((round(time.monotonic() - began, 2), round(cpu, 2)))
    return min(found)


def main() -> None:
    """Print the figures as the last line."""
    assert find_spec("torch") is None, "torch is installed here"
    wall, cpu = start_of_the_trainer()
    with tempfile.TemporaryDirectory(prefix="postroom-plain-") as name:
        folder = Path(name)
        job = write_job(folder / "job", office_rows(LESSONS), folder / "cache", threads=2)
        as_started = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-P", "-m", "trainer", str(job)], check=True, stdout=sys.stderr, env=as_started)
        result = json.loads((job / "result.json").read_text())
        assert result["outcome"] == "candidate", result
        key = TermKey.read(folder / KEY_FILE)
        with Classifier.load(job / "candidate", key, readers=folder / "cache") as model:
            [answer] = model.classify([MailText(subject="order", body="please ship 12 chairs by the 9th")])
        figures = {
            "right": answer.best == "orders",
            "installed_mib": size_of(Path(sysconfig.get_path("purelib")), OF_THE_ENVIRONMENT),
            "cache_mib": size_of(folder / "cache"),
            "trainer_start_s": wall,
            "trainer_start_cpu_s": cpu,
            "night_cpu_s": result["train_cpu_s"],
            "night_peak_mb": result["peak_memory_mb"],
            "verdict": result["verdict"],
        }
    print(json.dumps(figures))  # noqa: T201 - the answer itself


if __name__ == "__main__":
    main()
