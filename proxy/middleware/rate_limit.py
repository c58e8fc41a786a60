"""Requests by the second: a client's share of the proxy, and the proxy's share of an API."""

import asyncio
import math
from collections.abc import Callable, Hashable, Iterator
from typing import Annotated, Any, Final

from msgspec import Meta

from proxy.core.clock import Clock, loop_clock
from proxy.core.errors import RateLimited
from proxy.core.exchange import Exchange, Handler
from proxy.core.findings import Finding, Written
from proxy.core.options import Duration, Table, described, seconds
from proxy.core.reply import Reply
from proxy.core.request_key import PATTERN, key_of
from proxy.core.secrets import hashed
from proxy.policy.token_bucket import TokenBuckets

_FORBIDDEN: Final = 403
"""With Retry-After it is a limit too: GitHub's secondary ones."""


class RateLimitOptions(Table, frozen=True, kw_only=True):
    """How many requests a client may make; the upstream's own limits are respected too."""

    average: Annotated[
        float,
        Meta(ge=0, description="Requests in a period, for each key; over it: 429. 0: no limit."),
    ] = 0.0
    period: Annotated[Duration, described("What average counts.")] = seconds(1)
    burst: Annotated[
        float, Meta(ge=0, description="Requests at once; 0: as many as in a period, at least one.")
    ] = 0.0
    key: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='Who is who: "client_addr", "route", "path", "header:NAME" or '
            '"cookie:NAME"; requests without one share a limit.',
        ),
    ] = "client_addr"
    max_wait: Annotated[
        Duration,
        described(
            "A request that would be let through within this time waits; others are refused."
        ),
    ] = seconds(0)
    learn: Annotated[
        bool,
        described(
            "Do not send what a server would refuse: respect its Retry-After and RateLimit fields, "
            "wait for `max_wait` at the most, then answer 429."
        ),
    ] = True


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[rate_limit]`."""
    options: RateLimitOptions | None = written.options.rate_limit
    if options is None or (place := written.first_at("rate_limit")) is None:
        return
    if not options.period:
        yield Finding((*place, "period"), "a time to count in is needed")
    if options.burst and not options.average:
        yield Finding((*place, "burst"), "of what? expected average beside it")
    if not options.average and not options.learn:
        yield Finding(place, "nothing is limited: expected average, or learn = true")


class RateLimit:
    """Lets the requests of a client through at a rate."""

    __slots__ = ("_clock", "_inner", "_key", "_limit", "_patience", "_policy", "_tokens", "counts")

    def __init__(
        self, inner: Handler, options: RateLimitOptions, *, clock: Clock | None = None
    ) -> None:
        """``options`` with an ``average``."""
        self._inner = inner
        self._tokens = TokenBuckets(
            options.average / options.period, options.burst or options.average
        )
        self._key = key_of(options.key)
        self._patience = float(options.max_wait)
        window = max(1, math.ceil(options.period))
        self._policy = f'"default";q={math.ceil(options.average)};w={window}'
        self._clock = clock or loop_clock()
        self.counts = {"refused": 0, "waited": 0}

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises RateLimited where the client has had its share."""
        now = self._clock()
        patience = self._patience
        if exchange.deadline is not None:
            patience = max(0.0, min(patience, exchange.deadline - now))
        key = self._key(exchange)
        taken, wait = self._tokens.take(key, now, patience)
        if not taken:
            self.counts["refused"] += 1
            limit = f'"default";r=0;t={max(1, math.ceil(wait))}'
            raise RateLimited(
                f"this client may ask again in {wait:.3g} s",
                retry_after=wait,
                policy=self._policy,
                limit=limit,
            )
        if wait:
            self.counts["waited"] += 1
            try:
                await asyncio.sleep(wait)
            except BaseException:
                self._tokens.give_back(key)
                raise
            exchange.record.queue_s += wait
        return await self._inner(exchange)

    def report(self, shown: Callable[[Hashable], str] = hashed) -> dict[str, Any]:
        """Its state for operators; what is left to the clients with the least.

        ``shown``: how a key is shown.
        """
        left = self._tokens.lowest(self._clock())
        named = {shown(key): value for key, value in left.items()}
        return {**self.counts, "keys": len(self._tokens), "left": named}
