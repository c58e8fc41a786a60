"""What a large file of SQLite costs in memory.

The file is filled in a process that ends before the proxy begins, by the statements of the store,
but in large transactions without a journal: through a proxy, 10 GiB would take an hour. What is
measured is the proxy that has this file.
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
import sys, time
from pathlib import Path
import msgspec
from proxy.core.stored import Meta
from proxy.middleware.cache.asked import stable_digest
from proxy.middleware.cache.filling import label
from proxy.policy.freshness import Freshness
from proxy.store.database import Database, Row, new_ident
from proxy.store.parts import PIECE

path, count, host, size = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode(), int(sys.argv[4])
database = Database(Path(path))
db = database._db
db.execute("PRAGMA journal_mode = OFF")
db.execute("PRAGMA synchronous = OFF")
now = time.time()
first = new_ident(now)
for start in range(0, count, 256):
    some = range(start, min(start + 256, count))
    db.execute("BEGIN")
    for number in some:
        piece = b"%016d" % number * (PIECE // 16)
        for chunk in range(size // PIECE):
            database.add_chunk(first + number, chunk, piece)
    db.execute("COMMIT")
    for number in some:
        target = b"/object/%d" % number
        labels = [label(b"route", b"/"), label(b"path", target)]
        fresh = Freshness(now, 0.0, 86400.0, False, False, 0.0, 0.0)
        fields = [(b"Content-Type", b"text/plain"), (b"Cache-Control", b"max-age=86400")]
        meta = Meta(200, b"OK", fields, fresh, [], b"", True, True, labels, [])
        row = Row(first + number, msgspec.msgpack.encode(meta), size, kept=False, body=None)
        key = stable_digest(b"api", b"http", host, target)
        database.add(key, row, labels, (), max_size=0)
db.execute("PRAGMA journal_mode = WAL")
database.close()
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
