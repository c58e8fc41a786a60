"""What is measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from benchmarks.load import tool
from benchmarks.load.peer import DIRECT, LOGGED, OURS_ARMED, PEERS, UNLOGGED
from benchmarks.load.process import Process

Figures: TypeAlias = dict[str, float]

MIB: Final = 1 << 20
FILES: Final = {"64k": 64 << 10, "10m": 10 * MIB}
SHARE: Final = 0.3
"""Of what the first of them serves in a second: the rate of all in the open loop."""
ENOUGH: Final = 0.8
"""Of what one serves in a second: with more than that, it is queues that are measured."""

_SETTLE: Final = 1.0
"""Seconds of load before the first that count: connections are made, code is warm."""


@dataclass(frozen=True)
class Effort:
    """How long and how much."""

    rounds: int = 3
    seconds: float = 5.0
    requests: int = 5000
    streams: int = 1000
    warm: bool = True
    """Let each do some work before it is measured."""


QUICK: Final = Effort(rounds=1, seconds=1.0, requests=1000, streams=200, warm=False)


@dataclass(frozen=True)
class Column:
    """A figure of a scenario's table."""

    key: str
    title: str
    digits: int = 1
    less: bool = False
    """Less is better."""


Measure: TypeAlias = Callable[[Process, Effort], Figures]


@dataclass(frozen=True)
class Scenario:
    """One table; its first column is the one that is compared."""

    name: str
    title: str
    measure: Measure
    columns: tuple[Column, ...]
    upstream: str = "nginx"
    without: frozenset[str] = LOGGED
    """Peers for which it would say nothing new."""
    fresh: bool = False
    """Each measurement wants a process that has done nothing yet."""
    rounds: int = 0
    """At most as many; 0 is as many as are asked for."""

    def peers(self, asked: frozenset[str]) -> list[str]:
        """Who takes part, in the order of the table."""
        known = [*PEERS, DIRECT]
        return [name for name in known if name in asked and name not in self.without]


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))  # wrk takes no fractions


def _requests(
    path: str, connections: int, body: int = 0, share: float = 1.0, *, varied: bool = False
) -> Measure:
    def measure(target: Process, effort: Effort) -> Figures:
        before = target.cpu()
        seconds = _whole(effort.seconds * share)
        found = tool.wrk(target, path, connections, seconds, body, varied=varied)
        used = target.cpu() - before
        return {
            "rate": found["requests"] / found["seconds"],
            "cpu": used / max(found["requests"], 1) * 1e6,
            "core": used / found["seconds"],
            "p99": found["p99"] * 1000,
            "failed": found["failed"],
        }

    return measure


def _volume(path: str, connections: int, size: int, *, up: bool = False) -> Measure:
    def measure(target: Process, effort: Effort) -> Figures:
        before = target.cpu()
        seconds = _whole(effort.seconds * 0.6)
        found = tool.wrk(target, path, connections, seconds, size if up else 0)
        used = target.cpu() - before
        # Downloads are counted as they come, uploads when they are answered.
        volume = (found["requests"] * size if up else found["bytes"]) / 1e6
        return {
            "rate": volume / found["seconds"],
            "cpu": used / max(volume, 1) * 1000,
            "core": used / found["seconds"],
            "failed": found["failed"],
        }

    return measure


class _OpenLoop:
    """Requests at one rate for all, whatever the answers take, on the clock of when they were due.

    So a stall counts for every request that should have been sent meanwhile. Whoever cannot serve
    that rate is left out: the length of its queue says only how long it was measured.
    """

    def __init__(self) -> None:
        self._rate = 0.0
        self._capable: dict[int, float] = {}
        """What each of them serves in a second, by its port."""

    def __call__(self, target: Process, effort: Effort) -> Figures:
        able = self._capable.get(target.port)
        if able is None:
            found = tool.wrk(target, "/small", 64, 1)
            able = self._capable[target.port] = found["requests"] / found["seconds"]
        self._rate = self._rate or max(1.0, round(SHARE * able))
        if self._rate > ENOUGH * able:
            raise tool.NotMeasured(f"serves {able:,.0f} requests/s, and is asked {self._rate:,.0f}")
        figures = tool.client("latency", target.port, self._rate, effort.seconds * 0.6)
        return {**figures, "rate": self._rate}


def _in_flight(target: Process, effort: Effort) -> Figures:
    before = target.memory()
    found, most = tool.watched(target, "in_flight", target.port, effort.requests)
    return {**found, "memory": (most - before) / max(found["peak"], 1)}


def _events(target: Process, effort: Effort) -> Figures:
    before = target.memory()
    seconds = min(3.0, effort.seconds)
    found, most = tool.watched(target, "events", target.port, effort.streams, seconds)
    return {**found, "memory": (most - before) / effort.streams}


def _start(target: Process, _: Effort) -> Figures:
    return {"ready": target.ready * 1000, "memory": target.memory() / 1024}


_CORE: Final = Column("core", "of its core", 2)
_FAILED: Final = Column("failed", "failed", 0, less=True)
_REQUESTS: Final = (
    Column("cpu", "CPU µs each", less=True),
    Column("rate", "requests/s", 0),
    _CORE,
    Column("p99", "p99 ms", less=True),
    _FAILED,
)
_VOLUME: Final = (
    Column("cpu", "CPU ms per MB", 2, less=True),
    Column("rate", "MB/s", 0),
    _CORE,
    _FAILED,
)
_IN_PROCESS: Final = LOGGED | {DIRECT}
_ARMED: Final = frozenset({OURS_ARMED})
"""Once is enough, beside those that write a log as well."""
_PLAIN: Final = UNLOGGED | _ARMED

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "production",
            "GET as in production: own path, query and traceparent, a token of 800 bytes, "
            "20 fields; replies that differ; 64 connections, access logs on",
            _requests("/varied", 64, varied=True),
            _REQUESTS,
            without=UNLOGGED,
        ),
        Scenario(
            "production-post",
            "POST of 4 KiB as in production, 64 connections, access logs on",
            _requests("/varied", 64, body=4 << 10, share=0.6, varied=True),
            _REQUESTS,
            upstream="raw",
            without=_PLAIN,
        ),
        Scenario(
            "small",
            "Small GET: 178 bytes of JSON, 64 connections",
            _requests("/small", 64),
            _REQUESTS,
            without=_ARMED,
        ),
        Scenario(
            "post",
            "POST of 4 KiB, 64 connections",
            _requests("/post", 64, body=4 << 10, share=0.6),
            _REQUESTS,
            upstream="raw",
        ),
        Scenario(
            "down-64k",
            "Download of 64 KiB, 16 connections",
            _volume("/64k", 16, FILES["64k"]),
            _VOLUME,
        ),
        Scenario(
            "down-10m",
            "Download of 10 MiB, 4 connections",
            _volume("/10m", 4, FILES["10m"]),
            _VOLUME,
        ),
        Scenario(
            "up-10m",
            "Upload of 10 MiB, 4 connections",
            _volume("/up", 4, FILES["10m"], up=True),
            _VOLUME,
            upstream="raw",
        ),
        Scenario(
            "latency",
            f"Small GET, open loop, at {SHARE:.0%} of what the first of them can",
            _OpenLoop(),
            (
                Column("added p50", "added p50 ms", 3, less=True),
                Column("added p99", "added p99 ms", 3, less=True),
                Column("added p99.9", "added p99.9 ms", 3, less=True),
                Column("p50", "p50 ms", 3, less=True),
                Column("p99", "p99 ms", 3, less=True),
                Column("p99.9", "p99.9 ms", 3, less=True),
                Column("rate", "requests/s", 0),
                _FAILED,
            ),
            without=_ARMED,
        ),
        Scenario(
            "in-flight",
            "Requests in flight towards an API that takes 2 s",
            _in_flight,
            (
                Column("memory", "KiB each", less=True),
                Column("p50", "p50 ms over 2 s", less=True),
                Column("p99", "p99 ms over 2 s", less=True),
                Column("peak", "in flight", 0),
                _FAILED,
            ),
            upstream="raw",
            fresh=True,
            rounds=1,
        ),
        Scenario(
            "events",
            "Streams of server-sent events, one event a second each",
            _events,
            (
                Column("memory", "KiB each", less=True),
                Column("p50", "delay p50 ms", 2, less=True),
                Column("p99", "delay p99 ms", 2, less=True),
                _FAILED,
            ),
            upstream="raw",
            fresh=True,
            rounds=1,
        ),
        Scenario(
            "start",
            "Start to the first answer, and memory then",
            _start,
            (Column("ready", "ms", 0, less=True), Column("memory", "MiB", less=True)),
            without=_IN_PROCESS,
            fresh=True,
        ),
    )
}


def settle(scenario: Scenario, target: Process) -> None:
    """Warm a process up that is about to be measured."""
    scenario.measure(target, Effort(seconds=_SETTLE))


def added(scenario: Scenario, runs: dict[str, list[Figures]]) -> None:
    """Say what each proxy adds to the direct call of the same round."""
    if scenario.name != "latency":
        return
    for name, rounds in runs.items():
        for figures, direct in zip(rounds, runs.get(DIRECT, ()), strict=False):
            if name != DIRECT:
                for part in ("p50", "p99", "p99.9"):
                    figures[f"added {part}"] = figures[part] - direct[part]
