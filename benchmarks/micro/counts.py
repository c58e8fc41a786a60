"""Counts per request and per chunk of a proxy in this process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias
from unittest.mock import patch

from benchmarks.micro.counter import Counter, CountingLoop
from proxy.config.load import from_upstream
from proxy.run.runtime import Runtime
from proxy.telemetry import log as access_log
from proxy.telemetry.log import AccessLog
from proxy.telemetry.options import LogOptions

Counts: TypeAlias = dict[str, dict[str, float]]

CASES: Final = {
    "small GET": "get",
    "GET as in production": "get-production",
    "GET of 60 KiB": "get-large",
    "POST of 4 KiB": "post",
    "POST as in production": "post-production",
    "chunk of a download": "download",
    "chunk of an upload": "upload",
}
COUNTED: Final = {"small GET with [admin]": "get"}
"""The same in a proxy that counts what it does."""
LOGGED: Final = {
    "small GET with the access log": "get",
    "GET as in production with the access log": "get-production",
}
"""In one that writes its log."""
WATCHED: Final = {"small GET with both": "get"}
STORING: Final = {
    "hit of 1 KiB from memory": "hit",
    "miss of 1 KiB, not stored": "miss",
    "miss of 1 KiB, stored in memory": "miss-stored",
}
"""In a proxy with [cache]."""
ARMED: Final = {"GET as in production, features armed": "get-production"}
"""All but the limit that moves: what that costs depends on the time."""
_ARMED: Final = (
    "circuit_breaker={}",
    "concurrency={}",
    "deadline={}",
    "hedge={delay='10s'}",
    "queue={}",
    "rate_limit={average=1000000,burst=1000000}",
    "timeouts.total='30s'",
)
KINDS: Final = ("calls", "writes to the client", "writes to the upstream", "timers", "tasks")

_WARM: Final = 20
_FEW, _MANY = 64, 192  # whole batches of `telemetry/ended`
_TIMES: Final = 5
_SHARED_OUT: Final = ("download", "upload")
"""How much of them comes at a time depends on the machine, so the least of all times counts."""
_PATIENCE: Final = 30.0


class Partner:
    """The other process, see ``peer``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    async def hear(self) -> str:
        """Its next line."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_PATIENCE):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that plays client and upstream has failed, see above")
        return line.decode().strip()

    async def run(self, kind: str, proxy: int, count: int) -> None:
        """Have it run a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind} {proxy} {count}\n".encode())
        await self.hear()


@contextlib.asynccontextmanager
async def partner() -> AsyncIterator[Partner]:
    """A running one, until left."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.micro.peer"),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        other = Partner(process)
        other.port = int(await other.hear())
        yield other
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


class Run(NamedTuple):
    """A proxy."""

    cases: dict[str, str]
    admin: str | None = None
    log: bool = False
    sets: tuple[str, ...] = ()


@contextlib.asynccontextmanager
async def _access_log() -> AsyncIterator[AccessLog]:
    """Makes lines of whole batches only: how many end in 20 ms depends on the machine."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with patch.object(access_log, "BATCH", 3600.0):
        access = AccessLog(LogOptions(), nowhere)
        try:
            yield access
        finally:
            access.close()
            os.close(nowhere)


def measure() -> Counts:
    """Everything, on a loop of its own."""
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(_measure())


async def _measure() -> Counts:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    found: Counts = {}
    async with partner() as other, _access_log() as access:
        counter = Counter(loop, other.port)
        runs = (
            Run(CASES),
            Run(COUNTED, admin="127.0.0.1:0"),
            Run(LOGGED, log=True),
            Run(WATCHED, admin="127.0.0.1:0", log=True),
            Run(STORING, sets=("cache={}",)),
            Run(ARMED, admin="127.0.0.1:0", sets=_ARMED),
        )
        for cases, admin, log, sets in runs:
            # All defaults: every clock runs and retry is armed.
            upstream = f"http://127.0.0.1:{other.port}"
            config = from_upstream(upstream, "127.0.0.1:0", admin, sets)
            runtime = Runtime(config, (access.record,) if log else ())
            await runtime.open()
            try:
                proxy = int(runtime.http[0].rpartition(":")[2])
                for name, kind in cases.items():
                    found[name] = await per_request(counter, other, kind, proxy)
            finally:
                await runtime.close()
    return found


async def per_request(counter: Counter, other: Partner, kind: str, proxy: int) -> dict[str, float]:
    """Counts for one more of a kind: what ``_MANY`` take over what ``_FEW`` take."""
    await other.run(kind, proxy, _WARM)
    found: dict[str, list[float]] = {name: [] for name in KINDS}
    for _ in range(_TIMES):
        tallies = []
        for count in (_FEW, _MANY):
            with counter.counting() as tally:
                await other.run(kind, proxy, count)
            tallies.append(tally)
        for name, values in found.items():
            values.append((tallies[1][name] - tallies[0][name]) / (_MANY - _FEW))
    # The middle one: now and then a clock of a second or more looks up in between.
    place = 0 if kind in _SHARED_OUT else _TIMES // 2
    return {name: round(sorted(values)[place], 2) for name, values in found.items()}
