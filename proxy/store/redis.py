"""Replies in Redis or Valkey, which several machines share.

Each key is a hash, whose fields are the idents of its entries: head, size and a short body. Longer
bodies stand in parts under keys of their own, written before the field that makes the entry
visible (`redis_parts`). Everything expires when it cannot be used any more; Redis itself decides
what gives way when its memory is full (``maxmemory-policy``). All is done within a timeout and
behind a circuit, and what fails is a miss. Only the rest of a reply is worth more patience, whose
head has been sent.
"""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha1
from typing import Final

from proxy.core.clock import Clock, monotonic, never_back, wall
from proxy.core.samples import Sample, counter, gauge
from proxy.core.stored import (
    MOST_VARIANTS,
    NOT_KNOWN,
    UNANSWERED,
    Claim,
    Claims,
    Meta,
    Removal,
    StoreFailed,
)
from proxy.policy.key_changes import Changes
from proxy.store.invalidations import KEY, LABEL, Invalidations, hides
from proxy.store.redis_calls import WRITE_TIMEOUT, RedisCalls, as_bytes
from proxy.store.redis_claims import RedisClaims
from proxy.store.redis_entry import (
    SPARE,
    Kept,
    Names,
    RedisEntry,
    decode,
    encode,
    lasts_for,
    newest_first,
)
from proxy.store.redis_parts import RedisParts
from proxy.store.redis_removal import RedisRemoval
from proxy.store.redis_scripts import GONE, STORE, TOUCH
from proxy.store.redis_time import RedisTime
from proxy.store.redis_writer import RedisWriter
from proxy.store.shared_looks import SharedLooks
from proxy.store.whole import write_whole

_BACKLOG: Final = 16 << 20
"""Bytes that wait for the network at the most; what comes beyond it is not stored."""
_TRIES: Final = 3
"""Of a change to an entry that somebody else changes too."""


class RedisStore:
    """All entries in one database."""

    __slots__ = (
        "_backlog",
        "_calls",
        "_client",
        "_invalid",
        "_looks",
        "_names",
        "_number",
        "_parts",
        "_removal",
        "_run",
        "_time",
        "_timeout",
        "_writing",
        "changes",
        "claims",
        "now",
    )
    max_size = 0

    def __init__(
        self, url: str, timeout: float, clock: Clock = monotonic, *, namespace: str = ""
    ) -> None:
        """``timeout``: seconds that an answer may take, 0 for any time."""
        self._names = Names(namespace)
        self._calls = RedisCalls(url, timeout, clock)
        self._client = self._calls.client
        self._looks = SharedLooks()
        self._parts = RedisParts(self._calls, self._names)
        self._removal = RedisRemoval(self._calls, self._names)
        self._time = RedisTime(self._calls, never_back(wall, monotonic))
        self.now: Clock = self._time.now
        self._timeout = timeout or None
        self._backlog = 0
        self._number = 0
        self._writing: dict[bytes, asyncio.Task[None]] = {}
        """The last write of each key that is under way."""
        scripts = (STORE, TOUCH)
        self._run = {text: self._client.register_script(text) for text in scripts}
        self.changes = Changes()
        self._invalid = Invalidations(self._make_invalid, self._timeout, self.changes)
        self.claims: Claims = RedisClaims(self._calls, self.changes, self._names)

    async def get(self, key: bytes) -> Sequence[RedisEntry]:
        """The replies under this key; UNANSWERED where Redis does not answer in time."""
        if key in self._writing and not await self._written(key, self._timeout):
            return NOT_KNOWN  # no fault of Redis: much is to be written
        try:
            return await self._looks.share(key, partial(self._look, key))
        except StoreFailed:
            return UNANSWERED

    async def _look(self, key: bytes) -> list[RedisEntry]:
        invalid = self._invalid.left  # before it is looked: what is made meanwhile was found so
        name = self._names.entries(key)

        async def fields() -> dict[bytes, bytes]:
            found = await self._client.hgetall(name)
            return {as_bytes(field): as_bytes(value) for field, value in found.items()}

        await self._time.known()
        now = self.now()  # before anything is waited for: it may jump meanwhile
        found = await self._calls.ask(fields)
        ended = []
        entries = []
        for ident, text in found.items():
            if ident == GONE:
                continue
            kept = decode(text, key, ident)
            if kept is None:
                continue
            if kept.has_ended(now):
                ended.append(ident)
                continue
            if invalid and hides(invalid, key, kept.meta.labels):
                continue
            self._removal.used(key, ident, kept.meta.labels)
            entries.append(RedisEntry(ident, kept, partial(self.part, key)))
        if ended:
            self._calls.begin(lambda: self._client.hdel(name, *ended))
        return sorted(entries, key=newest_first)

    def put(self, key: bytes, meta: Meta, claim: Claim | None = None) -> RedisWriter:
        """Begin to store a reply."""
        return RedisWriter(self, key, meta, claim)

    def keep(
        self, key: bytes, meta: Meta, claim: Claim | None, whole: bytes, replaces: Sequence[bytes]
    ) -> bool:
        """Store a reply whose body is here."""
        return write_whole(self.put(key, meta, claim), whole, replaces)

    async def part(self, key: bytes, ident: bytes, number: int, first: bool) -> bytes:
        """One part of a body. Raises StoreFailed where it is not there.

        Then Redis has dropped it to make room: the entry goes too, or the next client would be cut
        where this one is.
        """
        look = partial(self._parts.read, ident, number, first=first)
        found = await self._looks.share((ident, number, first), look)
        if found is None:
            self._calls.begin(lambda: self._client.hdel(self._names.entries(key), ident))
            raise StoreFailed("a part of it is not there")
        return found

    def reserve(self, size: int) -> bool:
        """Whether so much more may wait to be sent."""
        if self._backlog + size > _BACKLOG or self._calls.circuit.is_open:
            return False
        self._backlog += size
        return True

    def release(self, size: int) -> None:
        """So much waits no more."""
        self._backlog -= size

    def send(
        self,
        key: bytes,
        meta: Meta,
        pieces: list[bytes],
        replaces: Sequence[bytes],
        claim: Claim | None,
    ) -> None:
        """Have a reply written, behind what is being written under the same key."""
        before = self._writing.get(key)
        self._number += 1
        ident = b"%d-%d-%b" % (wall() * 1_000_000, self._number, secrets.token_hex(4).encode())
        size = sum(map(len, pieces))
        lasts, now = lasts_for(meta), self.now()
        kept = Kept(now, meta, size, pieces[0] if len(pieces) == 1 else None, now + lasts)
        parts = [] if kept.body is not None else pieces
        lease, order, token = (
            (b"", b"", b"") if claim is None else (claim.name, claim.order, claim.token)
        )
        names = [self._names.entries(key), self._names.lease(lease)]
        text = encode(kept, key, ident)
        what = [self._names.prefix, order, token, ident, text, lasts, MOST_VARIANTS]
        what += [key + ident, lasts + SPARE, len(meta.labels), *meta.labels, *replaces]

        async def add() -> bool:
            if not await self._run[STORE](names, what) and parts:
                await self._parts.remove(ident, size)
            return True

        async def write() -> None:
            if before is not None:
                await asyncio.wait((before,))
            # All parts first: one that fails leaves no entry.
            written = not parts or await self._parts.write(ident, parts, lasts)
            if not (written and await self._calls.quietly(add)) and claim is not None:
                self.claims.give_back(claim)  # else the script has

        task = self._writing[key] = asyncio.get_running_loop().create_task(write())

        def done(_: object) -> None:
            self.release(size)
            if self._writing.get(key) is task:
                del self._writing[key]

        task.add_done_callback(done)

    async def touch(self, key: bytes, ident: bytes, meta: Meta) -> None:
        """Give an entry another head."""
        name, lasts = self._names.entries(key), lasts_for(meta)
        names = [name, *map(self._names.members, meta.labels)]

        async def change() -> None:
            for _ in range(_TRIES):
                text = await self._client.hget(name, ident)
                kept = None if text is None else decode(text, key, ident)
                if kept is None:
                    return
                kept.meta, kept.until = meta, self.now() + lasts
                if kept.body is None:
                    await self._parts.lengthen(ident, kept.size, lasts)
                known = sha1(text, usedforsecurity=False).hexdigest()
                new = encode(kept, key, ident)
                what = [ident, known, new, lasts, key + ident, lasts + SPARE]
                if await self._run[TOUCH](names, what):
                    return

        await self._calls.quietly(change)

    async def delete(self, key: bytes, ident: bytes | None = None) -> None:
        """Remove one entry, or all under the key."""
        if ident is None:
            await self._invalid.make(KEY, key)
        else:
            name = self._names.entries(key)
            await self._calls.quietly(lambda: self._client.hdel(name, ident))

    async def purge(self, label: bytes, patience: float = 0.0) -> Removal:
        """Remove all entries with this label."""
        return await self._invalid.make(LABEL, label, patience)

    async def _make_invalid(self, kind: str, name: bytes, removal: Removal) -> bool:
        # Each write ends in time by itself; to wait for it is no fault of Redis.
        if kind == KEY:
            await self._written(name, None)
        elif kind == LABEL and self._writing:
            await asyncio.wait(self._writing.values())
        return await self._removal.make(kind, name, removal)

    async def _written(self, key: bytes, within: float | None) -> bool:
        """Wait for what is being written under a key; whether that took no longer than this."""
        task = self._writing.get(key)
        return task is None or bool((await asyncio.wait((task,), timeout=within))[0])

    def room_beside(self, _: Meta) -> int:
        """Redis itself knows."""
        return 0

    def resize(self, max_size: int) -> None:
        """Redis itself bounds what it keeps."""

    async def close(self) -> None:
        """Send what is left, and hang up."""
        await self._invalid.close(WRITE_TIMEOUT)
        if self._writing:
            await asyncio.wait(self._writing.values(), timeout=WRITE_TIMEOUT)
        await self._calls.close()

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield counter("store_failures", self._calls.failures)
        yield gauge("store_circuit_open", int(self._calls.circuit.is_open))
