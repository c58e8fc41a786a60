"""One of the processes that share a store asks for all of them.

How it works. Requests that share a call within a process (`[coalesce]`) have a lease of one name in
the store. The process that takes it asks the upstream, and renews it until the head of the reply
is there. The others look again and again whether it still has the lease. It has not:

- when the reply is stored: they answer from the store;
- when it is not stored, or the request failed, or the head has not come for as long as requests
  join a call: each process asks by itself, and does not wait for such requests during the next
  minute;
- 10 s after the last sign of life, if it has died, or if the body takes so long: the same.

A client waits no longer than its deadline, ``[timeouts] total`` and ``[coalesce] wait_timeout``
allow. A request that goes alone, or that wants no stored reply, waits for nobody.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.record import ELSEWHERE, Record
from proxy.core.reply import NoMoreBytes, Reply
from proxy.core.sharing import Sharing
from proxy.core.stored import LEASE, Claim, Entry, Store
from proxy.http.equivalence import comparable_fields
from proxy.middleware.cache.asked import Asked, stable_digest
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.lookup import find
from proxy.policy.freshness import Use, reuse

_RENEWED: Final = LEASE / 3
IN_VAIN_FOR: Final = 60.0
"""Seconds for which nobody waits for requests whose replies are not stored."""
_SHORTEST, _LONGEST, _SHARE = 0.005, 0.5, 0.25
"""Seconds between two looks: this share of the time waited, so that it adds little to that."""
_HANDED: Final = b"\0stored elsewhere"
"""Name of a field that no upstream can send."""


class Leases:
    """Takes them for one route, and waits for those of others."""

    __slots__ = ("_clock", "_counts", "_in_vain", "_joined_for", "_now", "_store", "_wait_timeout")

    def __init__(
        self, store: Store, now: Clock, clock: Clock, sharing: Sharing, counts: Counter[str]
    ) -> None:
        """``now``: the time of what is stored; ``sharing``: how long others are waited for."""
        self._store = store
        self._now = now
        self._clock = clock
        self._wait_timeout = sharing.wait_timeout
        self._joined_for = sharing.joined_for
        self._in_vain = ExpiringKeys(clock, IN_VAIN_FOR)
        self._counts = counts

    async def begin(
        self, asked: Asked, entry: Entry | None, exchange: Exchange, *, alone: bool
    ) -> Claim | Entry:
        """What the upstream is asked with; or the entry that another process has stored meanwhile.

        ``entry``: what is stored and has to be validated; ``exchange``: what waits for another
        process; ``alone``: a request that shares nothing.
        """
        claims = self._store.claims
        if asked.unanswered:
            return claims.take_later()  # nobody waits twice for what does not answer
        if alone or not claims.shared or asked.wanted.no_cache or asked.wanted.no_store:
            return await claims.take()
        name = _name(asked)
        if self._in_vain.holds(name):
            return await claims.take()
        claim = await claims.take(name)
        if not claim.held_by:
            return claim
        self._counts["lease_waits"] += 1
        with exchange.record.waiting(ELSEWHERE, self._clock):
            await self._ended(claim)
        found, _ = await find(self._store, asked, self._now)
        if found is not None and not _same(found, entry):
            use = reuse(found.meta.freshness, asked.wanted, self._now())
            if use in (Use.FRESH, Use.STALE):
                return found
        self._in_vain.add(name)
        return await claims.take(name)  # whoever has it now: nobody waits twice

    async def _ended(self, claim: Claim) -> None:
        """Wait until the process that has the lease has it no more."""
        began = self._clock()
        while await self._store.claims.holder(claim.name) == claim.held_by:
            waited = self._clock() - began
            if 0 < self._wait_timeout <= waited:
                return
            await asyncio.sleep(min(max(_SHORTEST, waited * _SHARE), _LONGEST))

    @contextlib.contextmanager
    def renewing(self, claim: Claim, record: Record) -> Iterator[None]:
        """Keep a lease that is held while the upstream is asked, for as long as others wait.

        ``record``: of what asks; while that is not sent, the others would wait as well.
        """
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []
        began = self._clock() - record.queue_s

        def renew() -> None:
            until = self._clock() if record.wait is None else record.wait.began
            left = self._joined_for() - (until - began - record.queue_s)
            if left <= 0:
                self._store.claims.give_back(claim)
                return
            self._store.claims.renew(claim)
            # while it waits, what is left does not become less
            pause = min(left, _RENEWED) if record.wait is None else _RENEWED
            timers[:] = [loop.call_later(pause, renew)]

        timers.append(loop.call_later(_RENEWED, renew))
        try:
            yield
        finally:
            timers[0].cancel()


def _name(asked: Asked) -> bytes:
    """What is the same for requests that may share a call, in all processes."""
    exchange = asked.exchange
    parts = [asked.key, exchange.method.encode(), exchange.proxy_credentials]
    for field in comparable_fields(exchange.headers):
        parts += field
    return stable_digest(*parts)


def _same(found: Entry, known: Entry | None) -> bool:
    return known is not None and found.ident == known.ident and found.meta == known.meta


class _Pointer(bytes):
    """The value of a field that leads to an entry; clients that share a reply share its fields."""

    entry: Entry


def handed(entry: Entry) -> Reply:
    """What stands for an entry among those who share a call."""
    value = _Pointer()
    value.entry = entry
    fields = [(_HANDED, value)]
    return Reply(304, fields, NoMoreBytes(), reason=b"", length=None, whole=b"")


def entry_of(reply: Reply) -> Entry | None:
    """The entry that a reply stands for; None where it is one of the upstream's."""
    if not reply.headers:
        return None
    name, value = reply.headers[-1]
    return value.entry if name is _HANDED and isinstance(value, _Pointer) else None
