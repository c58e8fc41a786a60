"""How many requests a client may make by the second."""

import asyncio
import math
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from fractions import Fraction
from typing import Final

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

_EARLY: Final = 0.001
"""Seconds by which the timer of a loop may be early."""
_HIT: Final = "hit"
"""How Cache-Status begins where nobody was asked (RFC 9211 2.1)."""
_LONGEST: Final = 3600
"""Seconds of a window that is told to clients, where the period of the option will not do."""
_RAREST: Final = 366 * 86400
"""Seconds for one request, a year. More is no limit that is meant, and grows beyond numbers."""


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
    return limit.handle if options.count_hits else limit.handle_sparing_hits


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[rate_limit]`."""
    options: RateLimitOptions | None = written.options.rate_limit
    if options is None or (place := written.at("rate_limit")) is None:
        return
    if not options.period:
        yield Finding((*place, "period"), "expected a time above 0")
    if options.burst and not options.average:
        yield Finding((*place, "burst"), "burst needs a rate: expected average beside it")
    if not options.average and not options.learn:
        yield Finding(place, "nothing is limited: expected average, or learn = true")
    if options.average and options.period / options.average > _RAREST:
        message = "expected at least one request in a year, or 0 for no limit"
        yield Finding((*place, "average"), message)


class Known:
    """What a rate limit knows of its clients, and what became of them so far."""

    __slots__ = ("counts", "lines", "tokens")

    def __init__(self, tokens: TokenBuckets) -> None:
        self.tokens = tokens
        self.counts = {"refused": 0, "waited": 0}
        self.lines: dict[Hashable, Line] = {}
        """The lines of clients that have requests waiting, by their key."""


class Line:
    """The requests of one client that wait, the first to come first.

    There are as many places as requests, each with its time. Whoever leaves hands its place on to
    those behind it, and the last place is given back: else either several would go at the same
    time, or a line of requests that are given up would let nobody through.
    """

    __slots__ = ("_clock", "_key", "_known", "_loop", "_places", "_timer", "_waiting")

    def __init__(self, known: Known, key: Hashable, clock: Clock) -> None:
        self._known = known
        self._key = key
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._places: list[float] = []
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    async def wait(self, place: float) -> None:
        """Until it is its turn; ``place``: the time of the place that comes to the line with it."""
        waiter = self._loop.create_future()
        self._waiting[waiter] = None
        insort(self._places, place)  # after a reload it may be before others
        self._arm()
        try:
            await waiter
        except BaseException:
            if waiter in self._waiting:
                del self._waiting[waiter]
            else:  # it has left when its turn came: it is the turn of the next
                insort(self._places, self._clock())
            self._places.pop()
            self._known.tokens.give_back(self._key)
            self._arm()
            raise

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._places:
            self._timer = self._loop.call_later(self._places[0] - self._clock(), self._rang)
        elif self._known.lines.get(self._key) is self:
            del self._known.lines[self._key]

    def _rang(self) -> None:
        now = self._clock() + _EARLY
        while self._places and self._places[0] <= now:
            del self._places[0]
            waiter, _ = self._waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_result(None)
        self._arm()


class RateLimit:
    """Lets the requests of a client through at a rate."""

    __slots__ = (
        "_clock",
        "_inner",
        "_key",
        "_known",
        "_patience",
        "_policy",
        "_show",
        "_tokens",
        "counts",
    )

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
        self._known, self._tokens, self.counts = known, known.tokens, known.counts
        self._key = key_of(options.key)
        self._patience = float(options.max_wait)
        self._policy = _policy(options.average, options.period)
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
            lines = self._known.lines
            if (line := lines.get(key)) is None:
                line = lines[key] = Line(self._known, key, self._clock)
            with exchange.record.waiting(TOKEN, self._clock):
                await line.wait(now + wait)
        return await self._inner(exchange)

    async def handle_sparing_hits(self, exchange: Exchange) -> Reply:
        """Likewise; what the cache has answered without asking anybody does not count."""
        key = self._key(exchange)
        reply = await self.handle(exchange)
        if exchange.record.cache.startswith(_HIT):
            self._tokens.give_back(key)
        return reply

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators; of keys the ten that have the least left."""
        yield counter("rate_limit_refused", self.counts["refused"])
        yield counter("rate_limit_waited", self.counts["waited"])
        yield gauge("rate_limit_keys", len(self._tokens))
        for key, left in self._tokens.lowest(self._clock()).items():
            yield gauge("rate_limit_left", left, {"key": self._show(key)})


def _policy(average: float, period: float) -> str:
    """RateLimit-Policy. It takes whole numbers only, and never says more than there is."""
    quota, window = Fraction(repr(float(average))), Fraction(repr(float(period)))
    if not (quota.denominator == window.denominator == 1):
        rate = quota / window
        quota, window = Fraction(rate.numerator), Fraction(rate.denominator)
        if window > _LONGEST:
            window = max(Fraction(_LONGEST), Fraction(math.ceil(1 / rate)))
            quota = Fraction(math.floor(rate * window))
    return f'"default";q={quota};w={window}'
