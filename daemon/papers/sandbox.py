"""What a process may do that reads a stranger's file: compute, and write its answer. Linux on x86_64 and aarch64.

    confine(limits, answer) | resource limits | no new rights | a seccomp filter that allows some thirty system calls

The filter is set by prctl(2): seccomp(2) itself, landlock and namespaces are refused inside the shipped unit. What it
does not allow answers EPERM, so that a library that asks for the time zone goes on. It needs no package: the program is
classic BPF of some forty instructions (seccomp(2), linux/filter.h), and `program` is a pure function.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from dataclasses import dataclass
from functools import cache

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000
"""SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM, SECCOMP_RET_KILL_PROCESS."""
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
"""BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ, BPF_JMP|BPF_JSET, BPF_RET."""
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 32
"""Offsets in struct seccomp_data; of an argument its lower half, on these little-endian machines."""
_PROT_EXEC = 4

_NEITHER_OPENS_NOR_STARTS = (
    *("read", "close", "fstat", "lseek", "munmap", "mremap", "brk", "madvise", "futex", "rt_sigaction"),
    *("rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "exit", "exit_group", "sched_yield"),
    *("clock_gettime", "clock_getres", "gettimeofday", "getpid", "gettid", "getrusage", "getrandom", "membarrier"),
    *("rseq", "set_robust_list"),
)


@dataclass(frozen=True, eq=False)
class Machine:
    """A processor's name in the kernel (AUDIT_ARCH_*) and its numbers of the system calls that matter here."""

    architecture: int
    calls: dict[str, int]


# arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux.
MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        {
            **{"read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11},
            **{"brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24},
            **{"mremap": 25, "madvise": 28, "getpid": 39, "exit": 60, "gettimeofday": 96, "getrusage": 98},
            **{"sigaltstack": 131, "gettid": 186, "futex": 202, "restart_syscall": 219, "clock_gettime": 228},
            **{"clock_getres": 229, "exit_group": 231, "set_robust_list": 273, "getrandom": 318, "membarrier": 324},
            **{"rseq": 334},
        },
    ),
    "aarch64": Machine(
        0xC00000B7,
        {
            **{"close": 57, "lseek": 62, "read": 63, "write": 64, "fstat": 80, "exit": 93, "exit_group": 94},
            **{"futex": 98, "set_robust_list": 99, "clock_gettime": 113, "clock_getres": 114, "sched_yield": 124},
            **{"restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135},
            **{"rt_sigreturn": 139, "getrusage": 165, "gettimeofday": 169, "getpid": 172, "gettid": 178, "brk": 214},
            **{"munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278},
            **{"membarrier": 283, "rseq": 293},
        },
    ),
}


@dataclass(frozen=True)
class ReadingLimits:
    """What one file may cost."""

    memory: int = 512 << 20
    """Bytes of address space, with what the process had before."""
    processor_seconds: int = 3
    seconds: float = 5.0
    """From the fork to the answer, by the clock; then its process is killed."""
    file_bytes: int = 32 << 20
    answer_bytes: int = 1 << 16


@cache
def program(machine: Machine, answer: int) -> bytes:
    """The filter: EPERM for all but computing, writing to the descriptor `answer`, and memory that is not executed."""
    allowed = [machine.calls[name] for name in _NEITHER_OPENS_NOR_STARTS]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
        # write(answer, ...): both halves of the step below look at an argument, so each ends by itself.
        (_EQUAL, 0, 4, machine.calls["write"]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, answer),
        (_RETURN, 0, 0, ALLOW),
        (_RETURN, 0, 0, REFUSE),
        (_EQUAL, 1, 0, machine.calls["mmap"]),
        (_EQUAL, 0, 4, machine.calls["mprotect"]),
        (_LOAD, 0, 0, _THIRD_ARGUMENT),
        (_ANY_BIT, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, REFUSE),
        (_RETURN, 0, 0, ALLOW),
        *((_EQUAL, len(allowed) - place, 0, number) for place, number in enumerate(allowed)),
        (_RETURN, 0, 0, REFUSE),
        (_RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)


def confine(limits: ReadingLimits, answer: int) -> str:
    """Give up, for good, all but computing and writing to `answer`. "", or why the filter could not be set.

    The resource limits hold in any case: no further descriptor, so no file and no connection; no file may grow; no
    process but by root; memory and time. An alarm ends it even if nobody is left to do so.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + 1)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    # At the first of the two comes SIGXCPU, which tells what it was; at the second SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.processor_seconds, limits.processor_seconds + 1))
    for what in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        resource.setrlimit(what, (0, 0))
    return _filter_calls(answer)


def _filter_calls(answer: int) -> str:
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return f"there is no filter for {platform.machine()}"
    text = program(machine, answer)
    if _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return f"no_new_privs: {os.strerror(ctypes.get_errno())}"
    held = _Program(len(text) // 8, text)
    if _LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(held), 0, 0):
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    return ""
