"""Requests by the second: a client's share of the proxy, and the proxy's share of an API."""

import asyncio
import math
import time
from collections.abc import Callable, Hashable
from typing import Annotated, Any, Final

from msgspec import Meta

from proxy.core.errors import RateLimited, UpstreamQuotaExceeded
from proxy.core.exchange import Exchange, Handler
from proxy.core.options import Duration, Table, described, seconds
from proxy.core.outcome import TOO_MANY, Verdict, verdict
from proxy.core.reply import Reply
from proxy.core.request_key import PATTERN, key_of, path_of
from proxy.core.secrets import CREDENTIALS, digest, hashed
from proxy.http.backpressure import quota, retry_after
from proxy.policy.endpoint import Endpoint
from proxy.policy.quota import LONGEST, Quota, Quotas
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


class RateLimit:
    """Lets the requests of a client through at a rate."""

    __slots__ = ("_inner", "_key", "_limit", "_loop", "_patience", "_policy", "_tokens", "counts")

    def __init__(self, inner: Handler, options: RateLimitOptions) -> None:
        """``options`` with an ``average``."""
        self._inner = inner
        self._tokens = TokenBuckets(
            options.average / options.period, options.burst or options.average
        )
        self._key = key_of(options.key)
        self._patience = float(options.max_wait)
        window = max(1, math.ceil(options.period))
        self._policy = f'"default";q={math.ceil(options.average)};w={window}'
        self._loop = asyncio.get_running_loop()
        self.counts = {"refused": 0, "waited": 0}

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises RateLimited where the client has had its share."""
        now = self._loop.time()
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
            exchange.queued += wait
        return await self._inner(exchange)

    def report(self, shown: Callable[[Hashable], str] = hashed) -> dict[str, Any]:
        """Its state for operators; what is left to the clients with the least.

        ``shown``: how a key is shown.
        """
        left = self._tokens.lowest(self._loop.time())
        named = {shown(key): value for key, value in left.items()}
        return {**self.counts, "keys": len(self._tokens), "left": named}


class Heed:
    """Sends a server no more than it says it takes.

    A 429 and what is left are said to whoever holds the credentials of the request; where it has
    none, to the address of its client. Credentials of the proxy's own are everybody's. A 503 is
    said of a path: another one may be well. So nobody can have others refused.
    """

    __slots__ = ("_inner", "_names", "_ours", "_patience", "_quotas", "_server")

    def __init__(
        self, inner: Handler, server: Endpoint, patience: float, ours: bytes = b""
    ) -> None:
        """``patience`` in seconds; ``ours``: the field that carries credentials of the proxy's."""
        self._names = CREDENTIALS - {ours.lower()}
        self._ours = bool(ours)
        self._inner = inner
        self._server = server
        self._patience = patience
        self._quotas = server.quotas = server.quotas or Quotas()

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises UpstreamQuotaExceeded where it would have to wait too long."""
        own = self._quotas.of(self._who(exchange))
        until = time.monotonic() + self._patience
        if exchange.deadline is not None:
            left = exchange.deadline - asyncio.get_running_loop().time()
            until = min(until, time.monotonic() + left)
        await self._wait(exchange, own, until)
        reply = await self._inner(exchange)
        self._heed(exchange, reply, own)
        return reply

    async def _wait(self, exchange: Exchange, own: Quota, until: float) -> None:
        """For its turn, and for as long as the server wants to be left alone."""
        now = time.monotonic()
        if turn := own.reserve(now, until - now):
            try:
                await _slept(exchange, turn)
            except BaseException:
                own.give_back()
                raise
        # What came meanwhile counts too.
        path = path_of(exchange)
        while wait := max(
            own.blocked_for(now := time.monotonic()), self._quotas.path_wait(path, now)
        ):
            if now + wait > until:
                detail = f"{self._server.name} takes no more requests for {wait:.3g} s"
                raise UpstreamQuotaExceeded(detail, retry_after=wait)
            await _slept(exchange, wait)

    def _who(self, exchange: Exchange) -> bytes:
        """Whose quota a request is counted to; of credentials a digest, which is short too."""
        shown = [value for name, value in exchange.headers if name.lower() in self._names]
        if shown:
            return digest(*shown)
        return b"" if self._ours else exchange.client.encode()

    def _heed(self, exchange: Exchange, reply: Reply, own: Quota) -> None:
        told = quota(reply.headers)
        refused = verdict(reply) is Verdict.OVERLOADED or reply.status == _FORBIDDEN
        if told is None and not refused:
            return
        now = time.monotonic()
        if told is not None:
            remaining, reset = told
            own.update(remaining, reset, now)
            # Others, where there are any, are asked as long as this one has nothing or little left.
            until_next = own.spacing(now) if remaining >= 1 else reset
            if until_next:
                self._server.pause(now + min(until_next, LONGEST))
        if refused and (asked := retry_after(reply.headers)) is not None:
            until = now + min(asked, LONGEST)
            if reply.status in (TOO_MANY, _FORBIDDEN):
                own.pause(until)
            else:
                self._quotas.pause_path(path_of(exchange), until)


async def _slept(exchange: Exchange, wait: float) -> None:
    began = time.monotonic()
    try:
        await asyncio.sleep(wait)
    finally:
        exchange.queued += time.monotonic() - began
