"""Replies in Redis or Valkey, which several machines share.

Each key is a hash, whose fields are the idents of its entries: head, size and a short body. Longer
bodies stand in parts under keys of their own, written before the field that makes the entry
visible. Everything expires when it cannot be used any more; Redis itself decides what gives way
when its memory is full (``maxmemory-policy``). All is done within a timeout and behind a circuit,
and what fails is a miss.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from proxy.core.clock import Clock, monotonic, wall
from proxy.core.samples import Sample, counter, gauge
from proxy.core.stored import Meta, StoreFailed
from proxy.store.circuit import Circuit
from proxy.store.parts import PIECE
from proxy.store.redis_entry import (
    LONGEST,
    PREFIX,
    Kept,
    RedisEntry,
    decode,
    encode,
    lasts_for,
    newest_first,
    part_name,
)

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_VARIANTS: Final = 64
_BACKLOG: Final = 16 << 20
"""Bytes that wait for the network at the most; what comes beyond it is not stored."""
_WRITE_TIMEOUT: Final = 2.0
"""Seconds for one reply to be written; nobody waits for that."""


class RedisWriter:
    """A reply that is being stored: it is sent when it is whole."""

    __slots__ = ("_key", "_meta", "_pending", "_pieces", "_size", "_store")

    def __init__(self, store: "RedisStore", key: bytes, meta: Meta) -> None:
        self._store = store
        self._key = key
        self._meta = meta
        self._pieces: list[bytes] = []
        self._pending = bytearray()
        self._size = 0

    def write(self, data: bytes) -> bool:
        """Take the next bytes; False where the network does not keep up."""
        if not self._store.reserve(len(data)):
            return False
        self._size += len(data)
        self._pending += data
        while len(self._pending) > PIECE:
            self._pieces.append(bytes(self._pending[:PIECE]))
            del self._pending[:PIECE]
        return True

    def commit(self, replaces: Sequence[bytes] = ()) -> None:
        """Have it sent."""
        self._pieces.append(bytes(self._pending))
        self._store.send(self._key, self._meta, self._pieces, self._size, replaces)

    def abort(self) -> None:
        """Forget it."""
        self._store.release(self._size)


class RedisStore:
    """All entries in one database."""

    __slots__ = (
        "_backlog",
        "_circuit",
        "_client",
        "_number",
        "_timeout",
        "_writing",
        "failures",
    )

    def __init__(self, url: str, timeout: float, clock: Clock = monotonic) -> None:
        """``timeout``: seconds that an answer may take, 0 for any time."""
        self._client: Any = redis.asyncio.Redis.from_url(
            url, socket_connect_timeout=timeout or None, retry=None
        )
        self._timeout = timeout or None
        self._circuit = Circuit(clock)
        self._backlog = 0
        self._number = 0
        self._writing: dict[bytes, asyncio.Task[None]] = {}
        """The last write of each key that is under way."""
        self.failures = 0

    async def get(self, key: bytes) -> Sequence[RedisEntry]:
        """The replies under this key; none where Redis does not answer in time."""

        async def look() -> Any:
            if (task := self._writing.get(key)) is not None:
                await asyncio.wait((task,))
            return await self._client.hgetall(PREFIX + b"k" + key)

        try:
            found = await self._asked(look)
        except StoreFailed:
            return ()
        entries = []
        for ident, text in found.items():
            try:
                entries.append(RedisEntry(ident, decode(text), self.part))
            except msgspec.DecodeError:  # of another version of the proxy
                continue
        return sorted(entries, key=newest_first)

    def put(self, key: bytes, meta: Meta) -> RedisWriter:
        """Begin to store a reply."""
        return RedisWriter(self, key, meta)

    async def part(self, ident: bytes, number: int) -> bytes:
        """One part of a body. Raises StoreFailed where it is not there."""
        found = await self._asked(lambda: self._client.get(part_name(ident, number)))
        if found is None:
            raise StoreFailed("a part of it is not there")
        return bytes(found)

    def reserve(self, size: int) -> bool:
        """Whether so much more may wait to be sent."""
        if self._backlog + size > _BACKLOG or self._circuit.is_open:
            return False
        self._backlog += size
        return True

    def release(self, size: int) -> None:
        """So much waits no more."""
        self._backlog -= size

    def send(
        self, key: bytes, meta: Meta, pieces: list[bytes], size: int, replaces: Sequence[bytes]
    ) -> None:
        """Have a reply written, behind what is being written under the same key."""
        before = self._writing.get(key)
        self._number += 1
        ident = b"%d-%d" % (int(wall() * 1_000_000), self._number)
        parts = (meta, pieces)
        work = self._write(key, ident, parts, list(replaces), before)
        task = asyncio.get_running_loop().create_task(work)
        self._writing[key] = task

        def done(_: object) -> None:
            self.release(size)
            if self._writing.get(key) is task:
                del self._writing[key]

        task.add_done_callback(done)

    async def _write(
        self,
        key: bytes,
        ident: bytes,
        whole: tuple[Meta, list[bytes]],
        replaces: list[bytes],
        before: "asyncio.Task[None] | None",
    ) -> None:
        if before is not None:
            await asyncio.wait((before,))
        meta, pieces = whole
        lasts = lasts_for(meta)
        size = sum(map(len, pieces))
        short = len(pieces) == 1

        async def write() -> None:
            name = PREFIX + b"k" + key
            if not short:  # all of them first: one that fails leaves no entry
                async with self._client.pipeline(transaction=False) as pipe:
                    for number, piece in enumerate(pieces):
                        pipe.set(part_name(ident, number), piece, ex=lasts)
                    await pipe.execute()
            async with self._client.pipeline(transaction=False) as pipe:
                for label in meta.labels:
                    pipe.sadd(PREFIX + b"l" + label, key + ident)
                    pipe.expire(PREFIX + b"l" + label, int(LONGEST))
                if replaces:
                    pipe.hdel(name, *replaces)
                kept = Kept(wall(), meta, size, pieces[0] if short else None)
                pipe.hset(name, ident, encode(kept))
                pipe.expire(name, lasts)
                await pipe.execute()
            if await self._client.hlen(name) > MOST_VARIANTS:
                await self._client.delete(name)

        try:
            await self._asked(write, _WRITE_TIMEOUT)
        except StoreFailed:
            return

    async def touch(self, key: bytes, ident: bytes, meta: Meta) -> None:
        """Give an entry another head."""
        name = PREFIX + b"k" + key

        async def change() -> None:
            text = await self._client.hget(name, ident)
            if text is not None:
                kept = decode(text)
                kept.meta = meta
                await self._client.hset(name, ident, encode(kept))
                await self._client.expire(name, lasts_for(meta))
                for number in range(-(-kept.size // PIECE) if kept.body is None else 0):
                    await self._client.expire(part_name(ident, number), lasts_for(meta))

        await self._quietly(change)

    async def delete(self, key: bytes, ident: bytes | None = None) -> None:
        """Remove one entry, or all under the key."""
        name = PREFIX + b"k" + key

        async def change() -> None:
            if (task := self._writing.get(key)) is not None:
                await asyncio.wait((task,))
            if ident is None:
                await self._client.delete(name)
            else:
                await self._client.hdel(name, ident)

        await self._quietly(change)

    async def purge(self, label: bytes) -> int:
        """Remove all entries with this label; how many there were."""
        name = PREFIX + b"l" + label

        async def change() -> int:
            if self._writing:
                await asyncio.wait(self._writing.values())
            removed = 0
            for each in await self._client.smembers(name):
                key, ident = each[:16], each[16:]
                removed += await self._client.hdel(PREFIX + b"k" + key, ident)
            await self._client.delete(name)
            return removed

        return await self._quietly(change) or 0

    def resize(self, max_size: int) -> None:
        """Redis itself bounds what it keeps."""

    async def close(self) -> None:
        """Send what is left, and hang up."""
        if self._writing:
            await asyncio.wait(self._writing.values(), timeout=_WRITE_TIMEOUT)
        await self._client.connection_pool.disconnect(inuse_connections=True)
        await self._client.aclose()

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield counter("store_failures", self.failures)
        yield gauge("store_circuit_open", int(self._circuit.is_open))

    async def _quietly(self, work: Callable[[], Awaitable[T]]) -> T | None:
        try:
            return await self._asked(work, _WRITE_TIMEOUT)
        except StoreFailed:
            return None

    async def _asked(self, work: Callable[[], Awaitable[T]], within: float | None = None) -> T:
        """Do it within the timeout and behind the circuit. Raises StoreFailed."""
        if not self._circuit.admits():
            raise StoreFailed("it does not answer")
        try:
            async with asyncio.timeout(within or self._timeout):
                found = await work()
        except (RedisError, OSError, TimeoutError) as error:
            self.failures += 1
            was_open = self._circuit.is_open
            self._circuit.failed()
            if self._circuit.is_open and not was_open:
                log.warning("store: Redis does not answer (%s); stored replies are misses", error)
            raise StoreFailed(str(error)) from None
        self._circuit.succeeded()
        return found
