"""An API that is off for a while, behind warm entries that are stale."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Final

from benchmarks.cache.programs import api, fetch, free_port, proxy

_WORKERS: Final = 20


async def outage(where: Path, seconds: float, rate: int = 500, entries: int = 1000) -> Counter[str]:
    """What clients are answered while the API is off: by status, and by what the cache says."""
    behind = free_port()
    with proxy(where, behind) as running:
        with api(where, life=1, port=behind):
            for number in range(entries):
                await fetch(running.port, f"/{number}")
        await asyncio.sleep(2)  # all of them are stale
        seen: Counter[str] = Counter()
        began = time.monotonic()
        total = int(rate * seconds)

        async def worker(first: int) -> None:
            for number in range(first, total, _WORKERS):
                await asyncio.sleep(began + number / rate - time.monotonic())
                status, _, cache = await fetch(running.port, f"/{number % entries}")
                seen[str(status)] += 1
                seen[cache.rpartition("detail=")[2]] += 1

        await asyncio.gather(*map(worker, range(_WORKERS)))
        seen["seconds"] = round(time.monotonic() - began)
    return seen
