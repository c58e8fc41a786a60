"""The machine: its cores and who gets which, its limits, what it is."""

import ctypes
import os
import platform
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_ALL: Final = sorted(os.sched_getaffinity(0))

PROXY: Final = {_ALL[0]}
"""The core of whatever is measured."""
REST: Final = set(_ALL[1:]) or PROXY
"""Upstream, load and this process."""


def raise_limits() -> int:
    """As many open files as the system allows; children inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def settled(cores: set[int]) -> Callable[[], None]:
    """For a child, before it runs: on these cores, and no longer than its parent lives."""
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def settle() -> None:
        os.sched_setaffinity(0, cores)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return settle


def described() -> str:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{len(_ALL)} cores of {model}, {platform.system()} {platform.release()}, "
        f"CPython {platform.python_version()}"
    )


def busy() -> float:
    """The load of the last minute: what others do here shows in every figure."""
    return os.getloadavg()[0]
