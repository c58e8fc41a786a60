"""How many requests a client may make by the second."""

import asyncio
import math
from collections.abc import Callable, Hashable, Iterator

from proxy.core.clock import Clock
from proxy.core.errors import RateLimited
from proxy.core.exchange import Exchange, Handler
from proxy.core.findings import Finding, Written
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.record import TOKEN
from proxy.core.redaction import hashed, shown
from proxy.core.reply import Reply
from proxy.core.request_key import key_of
from proxy.core.samples import Sample, counter, gauge
from proxy.core.scope import Scope
from proxy.core.words import in_seconds
from proxy.policy.token_bucket import TokenBuckets


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where ``[rate_limit] average`` is set."""
    options = scope.find(RateLimitOptions)
    if options is None or not options.average:
        return None
    shared, clock = scope.shared, scope.shared.clock
    rate, burst = options.average / options.period, options.burst or options.average
    known = shared.share(
        ("rate limit", scope.identity, options.key),
        lambda: Known(TokenBuckets(rate, burst)),
        lambda before: before.tokens.follow(rate, burst, clock()),
    )
    show = shown(options.key, shared.show_keys)
    limit = RateLimit(inner, options, show, known=known, clock=clock)
    shared.watch(limit, route=scope.route)
    return limit.handle


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[rate_limit]`."""
    options: RateLimitOptions | None = written.options.rate_limit
    if options is None or (place := written.first_at("rate_limit")) is None:
        return
    if not options.period:
        yield Finding((*place, "period"), "expected a time above 0")
    if options.burst and not options.average:
        yield Finding((*place, "burst"), "burst needs a rate: expected average beside it")
    if not options.average and not options.learn:
        yield Finding(place, "nothing is limited: expected average, or learn = true")


class Known:
    """What a rate limit knows of its clients, and what became of them so far."""

    __slots__ = ("counts", "tokens")

    def __init__(self, tokens: TokenBuckets) -> None:
        self.tokens = tokens
        self.counts = {"refused": 0, "waited": 0}


class RateLimit:
    """Lets the requests of a client through at a rate."""

    __slots__ = ("_clock", "_inner", "_key", "_patience", "_policy", "_show", "_tokens", "counts")

    def __init__(
        self,
        inner: Handler,
        options: RateLimitOptions,
        show: Callable[[Hashable], str] = hashed,
        *,
        known: Known | None = None,
        clock: Clock,
    ) -> None:
        """``options`` with an ``average``; ``show``: how operators are shown a key.

        ``known``: by the configuration before; nothing is, where it is left out.
        """
        self._show = show
        self._inner = inner
        if known is None:
            rate = options.average / options.period
            known = Known(TokenBuckets(rate, options.burst or options.average))
        self._tokens, self.counts = known.tokens, known.counts
        self._key = key_of(options.key)
        self._patience = float(options.max_wait)
        window = max(1, math.ceil(options.period))
        self._policy = f'"default";q={math.ceil(options.average)};w={window}'
        self._clock = clock

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises RateLimited where the client has had its share."""
        now = self._clock()
        patience = self._patience
        if patience and exchange.deadline is not None:
            patience = max(0.0, min(patience, exchange.deadline - now))
        key = self._key(exchange)
        taken, wait = self._tokens.take(key, now, patience)
        if not taken:
            self.counts["refused"] += 1
            limit = f'"default";r=0;t={max(1, math.ceil(wait))}'
            raise RateLimited(
                f"this client may ask again in {in_seconds(wait)}",
                retry_after=wait,
                policy=self._policy,
                limit=limit,
            )
        if wait:
            self.counts["waited"] += 1
            try:
                with exchange.record.waiting(TOKEN, self._clock):
                    await asyncio.sleep(wait)
            except BaseException:
                self._tokens.give_back(key)
                raise
        return await self._inner(exchange)

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators; of keys the ten that have the least left."""
        yield counter("rate_limit_refused", self.counts["refused"])
        yield counter("rate_limit_waited", self.counts["waited"])
        yield gauge("rate_limit_keys", len(self._tokens))
        for key, left in self._tokens.lowest(self._clock()).items():
            yield gauge("rate_limit_left", left, {"key": self._show(key)})
