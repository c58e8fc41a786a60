"""What the process itself uses, under the names that Prometheus's client libraries share."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proxy.core.samples import Sample, counter, gauge

_PAGE: Final = resource.getpagesize()
_PROC: Final = Path("/proc/self")


def describe() -> Iterator[Sample]:
    """For operators. What the system does not tell is left out."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield counter("process_cpu_seconds", used.ru_utime + used.ru_stime)
    with contextlib.suppress(OSError, ValueError, IndexError):
        size, resident = (_PROC / "statm").read_text().split()[:2]
        yield gauge("process_virtual_memory_bytes", int(size) * _PAGE)
        yield gauge("process_resident_memory_bytes", int(resident) * _PAGE)
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
        yield gauge("process_start_time_seconds", _started())
    with contextlib.suppress(OSError):
        yield gauge("process_open_fds", _open())
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY:
        yield gauge("process_max_fds", limit)


def _started() -> float:
    """When the process began, in seconds since 1970 (proc(5): starttime counts from the boot)."""
    # The second field is a name in parentheses, with whatever is in it.
    ticks = int((_PROC / "stat").read_text().rpartition(")")[2].split()[19])
    boot = next(
        int(line.split()[1])
        for line in Path("/proc/stat").read_text().splitlines()
        if line.startswith("btime")
    )
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _open() -> int:
    """Since Linux 6.2 the size of the folder says it; to list thousands takes milliseconds."""
    place = _PROC / "fd"
    return place.stat().st_size or len(os.listdir(place))
