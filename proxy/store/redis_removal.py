"""How entries are removed from Redis: those of a key, those with a label, or all.

What may be many goes step by step. Each step has the time of one write, so that very many entries
take longer and do not fail.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from proxy.store.invalidations import KEY, LABEL
from proxy.store.redis_calls import RedisCalls
from proxy.store.redis_entry import LONGEST, Names
from proxy.store.redis_scripts import CLEAR, INVALIDATE, MARK, PURGE, USED

_REMEMBERED: Final = 24 * 3600
"""Seconds for which an invalidation is known."""
_TOUCHED: Final = 1.0
"""Seconds until a set is touched again: Redis itself tells no finer when a key was used."""
_AT_A_TIME: Final = 500
"""Entries that one script removes; Redis does nothing else meanwhile."""


class RedisRemoval:
    """Removes from one database."""

    __slots__ = ("_calls", "_client", "_names", "_next", "_number", "_run", "_touched", "_until")

    def __init__(self, calls: RedisCalls, names: Names) -> None:
        self._calls = calls
        self._client = calls.client
        self._names = names
        self._number = 0
        """Of the last invalidation of every key."""
        self._next = 0
        """Where its scan goes on; 0 where it begins."""
        self._touched: set[bytes] = set()
        """Members of sets that have been touched before ``_until``."""
        self._until = 0.0
        scripts = (INVALIDATE, CLEAR, MARK, PURGE, USED)
        self._run = {text: self._client.register_script(text) for text in scripts}

    def used(self, member: bytes, labels: Sequence[bytes]) -> None:
        """Let the sets of an entry's labels have it, and be as new to Redis as the entry.

        Else Redis would drop them first to make room (``allkeys-lru``), and a purge would not find
        the entry that is looked up again and again.
        """
        now = self._calls.clock()
        if now >= self._until:
            self._touched.clear()
            self._until = now + _TOUCHED
        if labels and member not in self._touched:
            self._touched.add(member)
            names = [self._names.members(each) for each in labels]
            self._calls.begin(lambda: self._run[USED](names, [member, int(LONGEST)]))

    async def make(self, kind: str, name: bytes, number: int) -> int | None:
        """Make an invalidation; how many entries there were, None where it failed.

        ``number``: it is tried again with the same.
        """
        if kind == KEY:
            return await self._send(INVALIDATE, [self._names.entries(name)], [_REMEMBERED])
        return await (self._purge(name) if kind == LABEL else self._clear(number))

    async def _send(self, script: str, names: list[bytes], values: list[Any]) -> int | None:
        run: Callable[[list[bytes], list[Any]], Awaitable[int]] = self._run[script]
        return await self._calls.quietly(lambda: run(names, values))

    async def _purge(self, label: bytes) -> int | None:
        members = self._names.members(label)
        left = await self._send(MARK, [self._names.purged(label), members], [_REMEMBERED])
        if left is None:
            return None
        removed = 0
        while left > 0:
            done = await self._send(PURGE, [members], [self._names.prefix, _AT_A_TIME])
            if done is None:
                return None
            removed += done
            left -= _AT_A_TIME
        return removed

    async def _clear(self, number: int) -> int | None:
        """Invalidate every key there is; what is on its way to another one may still come.

        Where a step fails, the next attempt goes on from there. A later invalidation begins anew,
        as what was stored since is to go too, and ends this one.
        """
        if number != self._number:
            self._number, self._next = number, 0
        removed = 0
        while True:
            done = await self._calls.quietly(partial(self._clear_some, number))
            if done is None or number != self._number:
                return None
            removed += done
            if not self._next:
                return removed

    async def _clear_some(self, number: int) -> int:
        after, names = await self._client.scan(
            self._next, match=self._names.all_entries, count=_AT_A_TIME
        )
        if names:
            await self._run[CLEAR](names, [_REMEMBERED])
        if number == self._number:
            self._next = int(after)
        return len(names)
