"""The process in which a training runs: as many threads as the settings allow where these help, and one where not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.settings import TrainingSettings
from daemon.training.trainer_process import surroundings

LOOK = """
import json, numpy, scipy.linalg, sklearn.svm, threadpoolctl
print(json.dumps([[pool["user_api"], pool["num_threads"]] for pool in threadpoolctl.threadpool_info()]))
"""


@pytest.mark.timeout(300)
def test_only_the_language_model_has_more_than_one_thread(tmp_path: Path) -> None:
    environment = surroundings(TrainingSettings(threads=3), tmp_path)
    done = subprocess.run([sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True)
    assert {threads for kind, threads in json.loads(done.stdout) if kind == "blas"} == {1}
    assert environment["OMP_NUM_THREADS"] == "3"  # of torch
