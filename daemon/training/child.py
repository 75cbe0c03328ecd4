"""`python -P -m daemon.training.child STARTER NICE MODULE [ARGUMENT ...]`: run MODULE, and end it with STARTER.

    STARTER's process id | SIGKILL from the kernel when STARTER ends | NICE | first to go when memory runs out | MODULE,
    with nothing imported before that

Whoever started a training waits for its result; if it is gone, however it ended, a training would hold people's mail
for nobody. The process asks for that itself, by prctl(2): a helper program in front of it may be missing (containers
without util-linux) or may be refused by the service's system call filter. Nothing heavy is imported here, so the
moment in which the starter could end unnoticed is short, and one look at the parent afterwards closes it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""
GOES_FIRST = "1000"
"""Of proc(5), oom_score_adj: the kernel kills this process before every other, however large those are. A service with
hundreds of models may be larger than the training beside it, and yesterday's model goes on serving."""


def command(python: str, nice: int, module: str, *arguments: str) -> list[str]:
    """The command line that runs `module` with `python`, as a child of the process that calls this."""
    return [python, "-P", "-m", "daemon.training.child", str(os.getpid()), str(nice), module, *arguments]


def end_with(starter: int) -> bool:
    """From now on this process is killed when its parent ends. False: `starter` is not its parent (any more)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        # A training that may outlive its starter is better than none, every night.
        sys.stderr.write(f"cannot be tied to its starter: {os.strerror(ctypes.get_errno())}\n")
    return os.getppid() == starter


def main(arguments: list[str]) -> int:
    """Tie this process to its starter, stand back for other work, and become MODULE. 2: there is nobody to work for."""
    starter, nice, module, *rest = arguments
    if not end_with(int(starter)):
        sys.stderr.write("Whoever started this training has ended, so there is nothing to train for.\n")
        return 2
    with contextlib.suppress(OSError):  # refused, it trains at the usual priority
        os.nice(int(nice))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(GOES_FIRST)
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
