"""How entries are removed from Redis: those of a key, those with a label, or all.

What may be many goes step by step. Each step has the time of one write, so that very many entries
take longer and do not fail.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from redis.exceptions import ResponseError

from proxy.core.stored import Removal
from proxy.store.invalidations import KEY, LABEL
from proxy.store.redis_calls import RedisCalls
from proxy.store.redis_entry import SPARE, Names
from proxy.store.redis_scripts import CLEAR, INVALIDATE, MARK, PURGE, USED

_REMEMBERED: Final = 24 * 3600
"""Seconds for which an invalidation is known."""
_TOUCHED: Final = 1.0
"""Seconds until a set is touched again: Redis itself tells no finer when a key was used."""
_AT_A_TIME: Final = 500
"""Entries that one script removes; Redis does nothing else meanwhile."""


class RedisRemoval:
    """Removes from one database."""

    __slots__ = (
        "_calls",
        "_clearing",
        "_client",
        "_names",
        "_next",
        "_of",
        "_run",
        "_touched",
        "_until",
    )

    def __init__(self, calls: RedisCalls, names: Names) -> None:
        self._calls = calls
        self._client = calls.client
        self._names = names
        self._clearing: Removal | None = None
        """The last one of every key."""
        self._next = 0
        """Where its scan goes on; 0 where it begins."""
        self._of = ""
        """The Redis that has said so, see `_server`."""
        self._touched: set[bytes] = set()
        """Members of sets that have been touched before ``_until``."""
        self._until = 0.0
        scripts = (INVALIDATE, CLEAR, MARK, PURGE, USED)
        self._run = {text: self._client.register_script(text) for text in scripts}

    def used(self, key: bytes, ident: bytes, labels: Sequence[bytes]) -> None:
        """Let the sets of an entry's labels have it, and be as new to Redis as the entry.

        Else Redis would drop them first to make room (``allkeys-lru``), and a purge would not find
        the entry that is looked up again and again.
        """
        now, member = self._calls.clock(), key + ident
        if now >= self._until:
            self._touched.clear()
            self._until = now + _TOUCHED
        if labels and member not in self._touched:
            self._touched.add(member)
            names = [self._names.entries(key), *map(self._names.members, labels)]
            self._calls.begin(lambda: self._run[USED](names, [member, SPARE]))

    async def make(self, kind: str, name: bytes, removal: Removal) -> bool:
        """Make an invalidation; whether it is made. It is tried again with the same ``removal``."""
        if kind == KEY:
            found = await self._send(INVALIDATE, [self._names.entries(name)], [_REMEMBERED])
            return found is not None
        return await (self._purge(name, removal) if kind == LABEL else self._clear(removal))

    async def _send(self, script: str, names: list[bytes], values: list[Any]) -> int | None:
        run: Callable[[list[bytes], list[Any]], Awaitable[int]] = self._run[script]
        return await self._calls.quietly(lambda: run(names, values))

    async def _purge(self, label: bytes, removal: Removal) -> bool:
        """Until the set is empty: others may add to it meanwhile, and nothing says what is new."""
        members = self._names.members(label)
        left = await self._send(MARK, [self._names.purged(label), members], [_REMEMBERED])

        async def some() -> int:
            removed, left = await self._run[PURGE]([members], [self._names.prefix, _AT_A_TIME])
            removal.count += removed
            return int(left)

        while left:
            left = await self._calls.quietly(some)
        return left is not None

    async def _clear(self, removal: Removal) -> bool:
        """Invalidate every key there is; what is on its way to another one may still come.

        Where a step fails, the next attempt goes on from there, if Redis is still the same process:
        to another one, where the scan was says nothing. A later invalidation begins anew, as what
        was stored since is to go too, and ends this one.
        """
        if removal is not self._clearing:
            self._clearing, self._next = removal, 0
        server = await self._calls.quietly(self._server)
        if server is None or removal is not self._clearing:
            return False
        if not server or server != self._of:
            self._of, self._next = server, 0
        while True:
            done = await self._calls.quietly(partial(self._clear_some, removal))
            if done is None or removal is not self._clearing:
                return False
            removal.count += done
            if not self._next:
                return await self._calls.quietly(self._server) == server

    async def _server(self) -> str:
        """Which process Redis is; empty where its user may not ask for that."""
        try:
            return str((await self._client.info("server"))["run_id"])
        except (ResponseError, LookupError):
            return ""

    async def _clear_some(self, removal: Removal) -> int:
        after, names = await self._client.scan(
            self._next, match=self._names.all_entries, count=_AT_A_TIME
        )
        if names:
            await self._run[CLEAR](names, [_REMEMBERED])
        if removal is self._clearing:
            self._next = int(after)
        return len(names)
