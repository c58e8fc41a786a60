"""How many cores the process may use: what ``[server] workers = "auto"`` means."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from proxy.edge.options import MOST_WORKERS

_ROOT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")


def workers(asked: int | Literal["auto"]) -> int:
    """The number of workers that ``[server] workers`` asks for."""
    return min(cores(), MOST_WORKERS) if asked == "auto" else asked


def cores(root: Path = _ROOT, own: Path = _OWN) -> int:
    """Those of the processor that the process may run on, as far as its cgroups pay for them.

    A part of a core counts as one: two workers can use one and a half, one worker cannot.
    """
    number = _allowed()
    for quota in _quotas(root, own):
        number = min(number, math.ceil(quota))
    return max(1, number)


def _allowed() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _quotas(root: Path, own: Path) -> Iterator[float]:
    """In cores, of the cgroup of the process and of those around it; versions 2 and 1."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container the path may be that of the host, and the root be its own group.
        base = root if not controllers else root / "cpu"
        inner = base / place.strip("/")
        for folder in (inner, *inner.parents):
            if folder == base or base in folder.parents:
                yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        if quota != "max":
            yield int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota = (folder / "cpu.cfs_quota_us").read_text()
        if int(quota) > 0:
            yield int(quota) / int((folder / "cpu.cfs_period_us").read_text())
