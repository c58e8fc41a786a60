"""Processor time and latency of hits, of stored misses, and of requests that are forwarded."""

import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.cache.programs import Missing, Running

_SCRIPT: Final = Path(__file__).with_name("cost.lua")


class Cost(NamedTuple):
    """Of one kind of request."""

    requests: int
    processor: float
    """Microseconds of processor time for one request."""
    p50: float
    """Milliseconds."""
    p99: float
    failed: int


def cost(target: Running, path: str, seconds: float, *, connections: int, varied: bool) -> Cost:
    """wrk on one thread. ``varied``: no two requests are for the same target."""
    program = shutil.which("wrk")
    if program is None:
        raise Missing("wrk")
    before = target.processor_seconds()
    done = subprocess.run(
        [
            *(program, "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(_SCRIPT)),
            *(f"http://127.0.0.1:{target.port}", "--", path, "varied" if varied else "same"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    used = target.processor_seconds() - before
    requests, p50, p99, failed = map(int, done.stdout.splitlines()[-1].split())
    return Cost(requests, used / requests * 1e6, p50 / 1000, p99 / 1000, failed)


def alternating(
    target: Running, paths: dict[str, tuple[str, bool]], seconds: float, rounds: int
) -> dict[str, Cost]:
    """Each kind in turn, round by round, so that a noisy machine is noisy for all; the medians."""
    found: dict[str, list[Cost]] = {name: [] for name in paths}
    for _ in range(rounds):
        for name, (path, varied) in paths.items():
            found[name].append(cost(target, path, seconds, connections=16, varied=varied))
    return {
        name: sorted(costs, key=lambda each: each.processor)[len(costs) // 2]
        for name, costs in found.items()
    }
