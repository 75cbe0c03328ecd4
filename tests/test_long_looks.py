"""Every long look of `make help`, in a quick form: as documented, by make, to its end.

The figures of a quick form mean nothing. What is held is that the command runs, on whatever has changed since somebody
last waited for its long form, and that its last line is what scripts read.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.quick_sets import write_sets

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
SECTION = "# -- long looks"
MAILS = 60

pytestmark = [pytest.mark.slow, pytest.mark.imap, pytest.mark.model, pytest.mark.timeout(900)]


def clean(found: dict[str, Any]) -> bool:
    """Nothing became of the mail that must not."""
    return not (found["lost"] or found["duplicated"] or found["flags_changed"] or found["unexplained"])


@dataclass(frozen=True)
class Look:
    """A target with the words of its quick form. `holds`: what its last line must say, as JSON."""

    target: str
    words: tuple[str, ...]
    holds: Callable[[Any], bool]

    def __str__(self) -> str:
        return " ".join((self.target, *self.words))


LOOKS = (
    Look("fuzz", ("COUNT=500",), lambda found: found["messages"] == 500 and found["failures"] == 0),
    Look("fuzz-guided", ("COUNT=500",), lambda found: found["messages"] == 500 and found["failures"] == 0),
    Look("fuzz-papers", ("COUNT=100",), lambda found: found["files"] == 100 and found["failures"] == 0),
    Look("fuzz-pictures", ("COUNT=10",), lambda found: found["files"] == 10 and found["failures"] == 0),
    Look("faults", ("WAY=dovecot, neither", "ARGS=--most 8"), lambda found: found["faults"] == 8 and clean(found)),
    Look("soak", ("RUNS=3",), lambda found: found["runs"] == 3 and clean(found)),
    Look("histories", ("COUNT=20", "STEPS=20"), lambda found: found["histories"] >= 20 and found["failures"] == 0),
    Look("histories", ("ON=dovecot", "COUNT=1", "STEPS=10"), lambda found: found["failures"] == 0),
    Look(
        "round-trip",
        ("DATA={data}/enron_lokay/lokay-m.tar.gz", "ARGS=--most 5"),
        lambda found: {(trip["messages"], trip["changed"]) for trip in found.values()} == {(5, 0)},
    ),
    Look(
        "real-mail",
        ("DATA={data}", "ARGS=--batches 1 --time-limit 1m"),
        lambda found: found["messages"] == 0.4 * MAILS and not found["messages_lost"] and not found["messages_twice"],
    ),
    Look(
        "bench-accuracy",
        ("DATA={data}", "ARGS=--seeds 1 --only clinc150"),
        lambda found: found["clinc150 ten-shot"]["accuracy"] > 0,
    ),
    Look("bench-imap", ("ARGS=--servers dovecot --rounds 1",), lambda found: found["ratio_median"] > 0),
    Look(
        "bench-training",
        ("DATA={data}", "ARGS=--limit 40 --epochs 1 --most 0.1"),
        lambda found: found["ours"]["cpu_s"] > 0 and found["trl"][-1]["cpu_s"] > 0,
    ),
    Look("bench-classify", ("ARGS=--rounds 1 --messages 5",), lambda found: found["ratio"] > 0 and found["pss_mb"] > 0),
    Look(
        "bench-housekeeping",
        ("DATA={data}", "CUTS=1", "ARGS=--archive lokay --only housekeeping --no-language"),
        lambda found: found["lokay -l, housekeeping"]["messages"] == 200,
    ),
    Look("bench-ocr", ("COUNT=2",), lambda found: found["as it is, PNG"]["words"] > 0.9),
    Look("bench-papers", ("ARGS=--rounds 1",), lambda found: found["worker_ms"] > 0 and not found["worker_ended"]),
    Look(
        "bench-judge-papers",
        ("COUNT=192", "SEEDS=1"),
        lambda found: found["names"]["judged"] == 96 and found["names"]["groups"]["telling"]["right"]["share"] > 0,
    ),
    Look(
        "bench-nights",
        # Busy would starve it beside the other tests: test_bench_nights.py holds the other work.
        ("ARGS=--lessons 140 --beside idle --layers 1 --again 20",),
        lambda found: (
            found["idle"]["120"]["stages"]["linear"]["cpu"] > 0
            and found["idle, the night after"]["140"]["stages"]["exam"]["wall"] > 0
        ),
    ),
    Look("bench-lessons", ("ARGS=--lessons 200",), lambda found: found["lessons"] == 200),
)
ELSEWHERE = {"unsloth", "test-unsloth", "bench-many"}
"""What `make test` itself needs or does; tests/daemon/service/test_many.py is the quick form of the last."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small sets in the real ones' files."""
    folder = tmp_path_factory.mktemp("sets")
    write_sets(folder, MAILS)
    return folder


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_long_look_runs_to_its_end(look: Look, data: Path) -> None:
    words = [word.format(data=data) for word in look.words]
    # What was said to the make that runs these tests (`.ci/run` says ARGS) is not meant for the one that runs here.
    outer = ("MAKE", "PYTEST", "ARGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    done = subprocess.run(
        ["make", "--no-print-directory", look.target, *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    last = done.stdout.rstrip().splitlines()[-1]
    assert look.holds(json.loads(last)), last


def test_the_package_alone_runs_where_nothing_else_is_installed() -> None:
    done = subprocess.run(["make", "--no-print-directory", "check-install"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    *_, told, figures = done.stdout.splitlines()
    assert told == f"postroom, version {version('postroom')}"
    found = json.loads(figures)
    assert found["right"]
    assert "language model" in found["verdict"]
    assert found["installed_mib"] < 700
    assert found["night_peak_mb"] < 500


def test_no_long_look_is_left_out() -> None:
    after = MAKEFILE[MAKEFILE.index(SECTION) :]
    targets = set(re.findall(r"^([a-z][a-z-]*):.*##", after, re.MULTILINE)) - {"clean"}
    assert {look.target for look in LOOKS} == targets - ELSEWHERE
