"""Processor time and latency of hits, of stored misses, and of requests that are forwarded."""

import shutil
import statistics
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


def cost(target: Running, path: str, seconds: int, *, connections: int, varied: bool) -> Cost:
    """wrk on one thread. ``varied``: no two requests are for the same target."""
    program = shutil.which("wrk")
    if program is None:
        raise Missing("wrk")
    before = target.processor_seconds()
    done = subprocess.run(
        [
            *(program, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT)),
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
    targets: dict[str, Running],
    paths: dict[str, tuple[str, bool]],
    seconds: int,
    rounds: int,
    *,
    connections: int = 16,
) -> dict[str, dict[str, Cost]]:
    """Each kind of each target in turn, so that a noisy machine is noisy for all; the medians."""
    found: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(rounds):
        for name, target in targets.items():
            for kind, (path, varied) in paths.items():
                seen = cost(target, path, seconds, connections=connections, varied=varied)
                found.setdefault((name, kind), []).append(seen)
    return {name: {kind: _middle(found[name, kind]) for kind in paths} for name in targets}


def _middle(costs: list[Cost]) -> Cost:
    """The median of each figure by itself; all requests, and all that failed."""
    return Cost(
        sum(each.requests for each in costs),
        statistics.median(each.processor for each in costs),
        statistics.median(each.p50 for each in costs),
        statistics.median(each.p99 for each in costs),
        sum(each.failed for each in costs),
    )
