"""`python -P -m trainer.trial JOBDIR`: a trial, as JOBDIR/job.json says. Progress on stdout, one JSON object a line.

Exit codes: 0 a table; 1 failed, result.json says why, or a bug, named by the last line on stderr; 2 the job folder is
not understood.
"""

from __future__ import annotations

import sys
from pathlib import Path

from daemon.mistakes import disk_trouble
from daemon.model.codebook import CodebookError
from daemon.model.engines.engine import EngineError
from daemon.training.order import RESULT
from daemon.training.trial_order import JUDGED, TrialResult
from trainer.job import BadJob, TrainingFailed, bug_in_words, read_job, read_lessons, say_event, write_whole


def main(arguments: list[str]) -> int:
    """Run one job and return the exit code."""
    folder = Path(arguments[0])
    try:
        job, lessons = read_job(folder), read_lessons(folder)
        given = read_lessons(folder, JUDGED) if (folder / JUDGED).is_file() else []
        say_event({"stage": "start", "done": 0, "total": 1000, "text": "starting"})
        from trainer.trial.contest import run  # torch takes seconds, and an order that can't be read none

        result = run(folder, job, lessons, given, say_event)
    except BadJob as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (TrainingFailed, EngineError, CodebookError) as error:
        result = TrialResult(outcome="failed", verdict=str(error))
    except MemoryError:
        result = TrialResult(
            outcome="failed", verdict="There is not enough memory. Close other programs, or cut the file."
        )
    except Exception as error:
        trouble = disk_trouble(error, folder)
        if trouble is None:
            sys.stderr.write(f"{bug_in_words(error)}\n")
            return 1
        result = TrialResult(
            outcome="failed", verdict=f"{trouble} A trial needs some 3 GB for a while; TMPDIR says where."
        )
    write_whole(folder / RESULT, result.model_dump_json(indent=1))
    return 1 if result.outcome == "failed" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
