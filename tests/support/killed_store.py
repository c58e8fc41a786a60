"""Stores replies for ever in a file, until it is killed: ``python -m ... PATH SEED``.

A body says by its content what it is: its key, again and again.
"""

import asyncio
import random
import sys
from pathlib import Path

from proxy.store.sqlite import SqliteStore
from tests.support.stored import meta

KEYS = 20


def body(key: bytes, size: int) -> bytes:
    """A body of this size that belongs to this key."""
    mark = b"<%b %d>" % (key, size)
    return (mark * (size // len(mark) + 1))[:size]


async def main(path: Path, seed: int) -> None:
    """Store, replace and remove."""
    rng = random.Random(seed)
    store = SqliteStore(path, 8 << 20, 0)
    print("begun", flush=True)
    while True:
        key = b"%d" % rng.randrange(KEYS)
        size = rng.choice((100, 60_000, 70_000, 300_000))
        writer = store.put(key, meta(fields=[(b"Size", b"%d" % size)]))
        whole = body(key, size)
        for at in range(0, size, 40_000):
            if not writer.write(whole[at : at + 40_000]):
                break
            await asyncio.sleep(0)
        entries = await store.get(key)
        writer.commit([entry.ident for entry in entries])
        if rng.random() < 0.1:
            await store.delete(b"%d" % rng.randrange(KEYS))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
