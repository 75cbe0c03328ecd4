"""The trainer as a process of its own: started on a job folder, watched, ended, its result read.

    job folder -> `python -P -m daemon.training.child ... trainer JOB` | stop? too late? | result.json

A crash, a kill and a trainer that hangs are results, too.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from connectors.setting_values import format_duration
from daemon.settings import TrainingSettings
from daemon.training import child
from daemon.training.order import RESULT, Contract, first_mistake

LATE = timedelta(minutes=10)
"""So much longer than its time limit a trainer may take, which ends its fine-tuning in time and then writes the model.
What takes longer hangs: it holds up the trainings of all mailboxes, and is killed."""
ShowProgress = Callable[[Mapping[str, Any]], None]
BrokenOff = Literal["stopped", "reloaded"]
Stop = Callable[[], BrokenOff | None]
BROKEN_OFF_WORDS: Mapping[BrokenOff, str] = {
    "stopped": "Training was stopped; yesterday's model goes on serving.",
    "reloaded": "Training was put off while the settings were read again; it begins anew at once.",
}
Answer = TypeVar("Answer", bound=Contract)


@dataclass(frozen=True)
class NoAnswer:
    """The trainer ended without a result of its own, and why in a sentence."""

    outcome: Literal["failed"] | BrokenOff
    verdict: str


def run_trainer(
    folder: Path,
    settings: TrainingSettings,
    progress: ShowProgress | None,
    stop: Stop | None,
    answer: type[Answer],
    *module: str,
    limited: bool = True,
) -> Answer | NoAnswer:
    """The trainer's result, which is an `answer`; or that it crashed, was killed, does not end or is not understood.

    `limited`: it knows `time_limit`, so that somewhat later it hangs. Else it may take as long as it likes.
    """
    name, *options = module or ("trainer",)
    command = child.command(sys.executable, settings.nice, name, *options, str(folder))
    allowed = settings.time_limit + LATE
    ended = threading.Event()
    process: subprocess.Popen[str] | None = None
    with futures.ThreadPoolExecutor(1) as threads, (folder / "trainer.log").open("w") as errors:
        try:
            with _signals_wait():
                process = subprocess.Popen(
                    command,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    stdin=subprocess.DEVNULL,
                    text=True,
                    env=surroundings(settings, folder),
                )
                watching = threads.submit(
                    _watch, process, stop, ended, allowed.total_seconds() if limited else math.inf
                )
            for line in process.stdout or ():
                if progress is not None and (event := _parse(line)) is not None:
                    progress(event)
            code = process.wait()
        except BaseException:
            if process is not None:
                process.kill()  # whoever ends the command ends its training: nobody would take the result
                process.wait()
            raise
        finally:
            ended.set()
            if process is not None and process.stdout is not None:
                process.stdout.close()
        broken_off = watching.result()
    if broken_off == "late":
        words = (
            f"The trainer did not end within {format_duration(allowed)} and was killed. Look at what else the machine "
            "does at night, or raise `[training] time_limit`."
        )
        return NoAnswer("failed", words)
    if broken_off is not None:
        return NoAnswer(broken_off, BROKEN_OFF_WORDS[broken_off])
    try:
        return answer.model_validate_json((folder / RESULT).read_bytes())
    except OSError:
        if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
            words = "The trainer was killed, as happens where memory runs out. Close other programs, or give it more."
            return NoAnswer("failed", words)
        last = _last_line(folder / "trainer.log")
        return NoAnswer("failed", f"The trainer ended with exit code {code} and no result. {last}".strip())
    except ValidationError as error:
        words = (
            f"The trainer's result cannot be understood ({RESULT}: {first_mistake(error)}). The model in use stays. "
            "Install Postroom anew: its daemon and its trainer are not of one version."
        )
        return NoAnswer("failed", words)


def surroundings(settings: TrainingSettings, folder: Path) -> dict[str, str]:
    """The environment of a trainer that works in `folder`.

    Only the language model's layers are worth more than one thread. What OpenBLAS computes for the rest is small, and
    its threads spin while they wait for one another: beside other work that costs many times what it saves
    (docs/experiments.md).
    """
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(settings.threads),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait would take the cores from the service
        "TOKENIZERS_PARALLELISM": "false",
        "TMPDIR": str(folder),  # what libraries lay down for a while goes with the job, however that ends
    }


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """What ends a command is heeded when this block ends: between the start of a process and the moment in which
    somebody is there to kill it, an interrupt would leave a training that runs to its end, and be waited for."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    came: list[int] = []
    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if callable(handler := signal.getsignal(number))
    }
    for number in before:
        signal.signal(number, lambda came_now, _: came.append(came_now))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for heeded_now in came:
        signal.raise_signal(heeded_now)


def _watch(
    process: subprocess.Popen[str], stop: Stop | None, ended: threading.Event, allowed_s: float
) -> BrokenOff | Literal["late"] | None:
    """End the trainer when it is to stop, and kill it when it hangs; why, or None if it ended by itself."""
    last_moment = time.monotonic() + allowed_s
    while not ended.wait(0.2):
        if stop is not None and (why := stop()) is not None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            return why
        if time.monotonic() > last_moment:
            process.kill()  # a stopped one, too; what it started itself ends with it (daemon.training.child)
            return "late"
    return stop() if stop is not None else None


def _parse(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _last_line(path: Path) -> str:
    """The last line that the trainer wrote: of a traceback the exception, which holds no mail text."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
