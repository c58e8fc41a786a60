"""What a large file of SQLite costs in memory.

The file is filled by the store itself, in a process that ends before the proxy begins: through a
proxy, 10 GiB would take an hour. What is measured is the proxy that has this file.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.cache.programs import ROOT, api, fetch, proxy

SIZE: Final = 1 << 20
"""Bytes of an object: it stands in 16 chunks."""
_ASKED: Final = 300
_FILL: Final = """
import asyncio, sys, time
from pathlib import Path
from proxy.core.stored import Meta
from proxy.policy.freshness import Freshness
from proxy.middleware.cache.asked import stable_digest
from proxy.middleware.cache.filling import label
from proxy.store.sqlite import SqliteStore

async def main(path, count, host, size):
    store = SqliteStore(Path(path), 0, 0.0)
    now = time.time()
    fresh = Freshness(now, 0.0, 86400.0, False, False, 0.0, 0.0)
    fields = [(b"Content-Type", b"application/octet-stream"), (b"Cache-Control", b"max-age=86400")]
    for number in range(count):
        target = b"/object/%d" % number
        labels = [label(b"route", b"/"), label(b"path", target)]
        meta = Meta(200, b"OK", fields, fresh, [], b"", True, True, labels, [])
        writer = store.put(stable_digest(b"api", b"http", host.encode(), target), meta)
        body = b"%016d" % number * (size // 16)
        for at in range(0, size, 1 << 16):
            while not writer.write(body[at : at + (1 << 16)]):
                await asyncio.sleep(0.01)
        writer.commit()
        if number % 64 == 0:
            await store.get(b"nothing")
            while store._backlog > 8 << 20:
                await asyncio.sleep(0.01)
    await store.close()

path, count, host, size = sys.argv[1:]
asyncio.run(main(path, int(count), host, int(size)))
"""


class Memory(NamedTuple):
    """What was found."""

    entries: int
    bytes: int
    """Of the file."""
    resident: int
    """Bytes of memory of the proxy, when it has looked up and sent some of them."""
    grown: int
    """Bytes that a proxy with an empty file has less, after as many requests."""
    asked: int
    hits: int


async def memory(where: Path, gib: float) -> Memory:
    """Fill a file, and ask a proxy for some of what is in it; the same of an empty file."""
    count = int(gib * 2**30 / SIZE)
    path = where / "large.db"
    command = [sys.executable, "-c", _FILL, str(path), str(count), "bench", str(SIZE)]
    await asyncio.to_thread(subprocess.run, command, check=True, cwd=ROOT)
    size = path.stat().st_size
    large, hits = await _used(where, path, count)
    empty, _ = await _used(where, where / "empty.db", 0)
    path.unlink()
    return Memory(count, size, large, large - empty, min(_ASKED, count), hits)


async def _used(where: Path, path: Path, count: int) -> tuple[int, int]:
    """Bytes of memory after some requests, and how many of these were hits."""
    store = f'[store]\nurl = "sqlite:{path}"\ntimeout = "10s"'
    hits = 0
    with api(where) as behind, proxy(where, behind.port, store, size="0") as running:
        for number in range(_ASKED):
            target = f"/object/{number * count // _ASKED}" if count else f"/{number}"
            status, body, cache = await fetch(running.port, target)
            hits += "; hit" in cache and status == 200 and len(body) == SIZE
        return running.resident(), hits
