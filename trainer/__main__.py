"""`python -P -m trainer JOBDIR`: train as JOBDIR/job.json says. Progress on stdout, one JSON object a line.

Exit codes: 0 a candidate, or nothing to do; 1 failed, result.json says why, or a bug, named by the last line on stderr;
2 the job folder can't be understood.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from trainer.job import BadJob, bug_in_words, to_stdout
from trainer.night import run


def main(arguments: list[str]) -> int:
    """Run one job and return the exit code."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        sys.stderr.write(f"{__doc__}")
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        result = run(Path(arguments[0]), to_stdout)
    except BadJob as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Exception as error:
        sys.stderr.write(f"{bug_in_words(error)}\n")
        return 1
    sys.stderr.write(f"{result.verdict}\n")
    return 1 if result.outcome == "failed" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
