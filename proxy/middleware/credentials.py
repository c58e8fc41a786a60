"""The proxy's own credentials, in place of the client's.

A reply with 401 or 429 says that the request was refused, not that it was processed, so it may go
again with other credentials whatever its method is, if its body can be sent again. After a 401 the
same key is tried again where its file or its token server has another value for it by now; after
that, and after a 429, the next key is. Every key is tried once for a request.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from proxy.core.body import EMPTY, Body
from proxy.core.clock import Clock
from proxy.core.credentials import Credentials, Field
from proxy.core.errors import CredentialsUnavailable, UpstreamQuotaExceeded
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import TOO_MANY
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.record import CREDENTIALS
from proxy.core.reply import Ending, Reply
from proxy.core.scope import EndpointScope
from proxy.core.words import in_seconds
from proxy.http.fields import DASHED, Fields, RawHeaders
from proxy.http.rate_limit_fields import budget, quota
from proxy.http.retry_after import retry_after
from proxy.policy.keys import REFUSED_FOR, Key
from proxy.policy.quota import SOON

log = logging.getLogger(__name__)

_UNAUTHORIZED: Final = 401
_SENT_BACK: Final = ("TRACE", "TRACK")
"""The client gets the request as the reply, with all fields (RFC 9110 9.3.8)."""
_FORBIDDEN: Final = 403
_REFUSALS: Final = frozenset({TOO_MANY, _FORBIDDEN})
"""With Retry-After it is a limit too: GitHub's secondary ones."""
PATIENCE: Final = 10.0
"""Seconds that a request waits for credentials that are on their way."""


def link(scope: EndpointScope, inner: Handler) -> Handler | None:
    """Where the upstream has ``[upstreams.credentials]``."""
    if scope.credentials is None or not scope.credentials.keys:
        return None
    limits = scope.find(RateLimitOptions)
    max_wait = limits.max_wait if limits is not None and limits.learn else None
    clock = scope.shared.clock
    return OwnCredentials(
        inner, scope.credentials, scope.upstream, scope.keep, max_wait, clock=clock
    ).handle


class OwnCredentials:
    """Shows the upstream the proxy's own credentials, and others where it does not take them."""

    __slots__ = ("_clock", "_credentials", "_inner", "_keep", "_max_wait", "_several", "_upstream")

    def __init__(
        self,
        inner: Handler,
        credentials: Credentials,
        upstream: str,
        keep: Callable[[Body], None],
        max_wait: float | None = None,
        *,
        clock: Clock,
    ) -> None:
        """``keep``: has a body kept for being sent again.

        ``max_wait``: seconds that a request may wait for a key whose quota is used up; None where
        nobody asked for that, and it is sent with the key that may be used first.
        """
        self._inner = inner
        self._credentials = credentials
        self._several = len(credentials.keys) > 1
        self._upstream = upstream
        self._keep = keep
        self._max_wait = max_wait
        self._clock = clock

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises CredentialsUnavailable, or UpstreamQuotaExceeded where no key may be shown."""
        theirs, before = exchange.headers, exchange.no_trailers
        if exchange.method in _SENT_BACK:
            exchange.headers = self._without(theirs)
            try:
                return await self._inner(exchange)
            finally:
                exchange.headers = theirs
        if self._several and exchange.body is not EMPTY:
            self._keep(exchange.body)
        without = self._without(theirs)
        no_trailers = before | self._credentials.names
        tried: list[Key] = []
        key, field = await self._first(exchange, tried)
        while True:
            key.spend()
            started_at = self._clock()
            exchange.headers = [*without, field]
            exchange.no_trailers = no_trailers
            try:
                reply = await self._inner(exchange)
            finally:
                exchange.headers, exchange.no_trailers = theirs, before
            try:
                other = await self._other(exchange, reply, key, field, tried)
            except BaseException:
                reply.close(Ending.ABANDONED)
                raise
            if other is None:
                return reply
            reply.drop()
            record = exchange.record
            now = self._clock()
            record.log_attempt(record.endpoint, str(reply.status), started_at, now)
            record.begin_attempt(now, exchange.body)
            key, field = other

    def _without(self, theirs: RawHeaders) -> Fields:
        """The client's fields, but for all that could stand for ours.

        Names count with dashes: what runs behind CGI or WSGI takes ``X_Api_Key`` for ``X-Api-Key``.
        """
        names = self._credentials.names
        return [field for field in theirs if DASHED[field[0]] not in names]

    def _until(self, exchange: Exchange) -> float:
        until = self._clock() + PATIENCE
        return until if exchange.deadline is None else min(until, exchange.deadline)

    async def _first(self, exchange: Exchange, tried: list[Key]) -> tuple[Key, Field]:
        """What the request is sent with at first."""
        key = await self._free(exchange) if self._several else self._credentials.keys[0]
        try:
            tried.append(key)
            return key, await self._ready(exchange, key)
        except CredentialsUnavailable:
            if (other := await self._next(exchange, tried)) is None:
                raise
            return other

    async def _free(self, exchange: Exchange) -> Key:
        """The key with most left. Raises UpstreamQuotaExceeded where it has to be waited for."""
        keys, now, most = self._credentials.choice, self._clock(), self._max_wait
        if (key := keys.free(now)) is not None:
            return key
        turn = exchange.record.turn
        # One that is refused is asked if no other can be waited for.
        key = None if most is None or (turn is not None and turn.anywhere) else keys.coming(now)
        if key is None or key.quota.blocked_for(now) > (most or 0.0):
            key = keys.soonest(now)
        wait = key.quota.blocked_for(now)
        if most is not None and 0.0 < wait <= SOON:
            await asyncio.sleep(wait)
        elif most is not None and wait:
            raise self._exceeded(wait, now)
        return key

    def _exceeded(self, wait: float, now: float) -> UpstreamQuotaExceeded:
        detail = f"no credentials for {self._upstream} have requests left for {in_seconds(wait)}"
        error = UpstreamQuotaExceeded(detail, retry_after=wait)
        quotas = (key.quota for key in self._credentials.keys)
        error.sendable = any(not quota.blocked_for(now) for quota in quotas)
        return error

    async def _next(self, exchange: Exchange, tried: list[Key]) -> tuple[Key, Field] | None:
        """A key that may be shown and was not tried; None where there is none."""
        while (key := self._credentials.choice.free(self._clock(), tried)) is not None:
            tried.append(key)
            try:
                return key, await self._ready(exchange, key)
            except CredentialsUnavailable:
                continue
        return None

    async def _ready(self, exchange: Exchange, key: Key) -> Field:
        """What to show of a key; its token may have to be waited for."""
        until = self._until(exchange)
        if key.field is not None and self._clock() < key.usable_until:
            return await self._credentials.ready(key, until)
        with exchange.record.waiting(CREDENTIALS, self._clock, self._upstream):
            return await self._credentials.ready(key, until)

    async def _other(
        self, exchange: Exchange, reply: Reply, key: Key, shown: Field, tried: list[Key]
    ) -> tuple[Key, Field] | None:
        """What the request is to be sent with again; None where this reply is the answer."""
        status = reply.status
        may_repeat = exchange.body.resendable and not exchange.login
        if status == _UNAUTHORIZED:
            first = tried.count(key) == 1
            until = self._until(exchange)
            if await self._credentials.refused(key, shown, until) and first:
                key.refused += 1
                if not may_repeat:
                    return None
                tried.append(key)
                return key, await self._credentials.ready(key, until)
            self._refuse(key)
        elif not (self._several or status in _REFUSALS) or not self._exceeds(key, reply):
            return None
        return await self._next(exchange, tried) if may_repeat else None

    def _refuse(self, key: Key) -> None:
        if key.refuse(self._clock(), alone=not self._several):
            message = "%s does not accept the credentials %r (401)"
            if self._several:
                message += f": not used for {REFUSED_FOR:g} s"
            log.warning(message, self._upstream, key.name)

    def _exceeds(self, key: Key, reply: Reply) -> bool:
        """Learn what is left of a key's quota: whether it is used up."""
        now = self._clock()
        asked = retry_after(reply.headers) if reply.status in _REFUSALS else None
        if asked is None and self._several and (found := quota(reply.headers)) is not None:
            key.told(*found, now, budget(reply.headers))
        if reply.status != TOO_MANY and (reply.status != _FORBIDDEN or asked is None):
            return False
        if not self._several:  # whom to wait for, ``upstream_quota`` learns
            key.exceeded += 1
            return False
        known = bool(key.quota.blocked_for(now))
        key.exceed(asked, now)
        if not known:
            message = "the quota of the credentials %r at %s is used up for %.3g s"
            log.info(message, key.name, self._upstream, key.quota.blocked_for(now))
        return True
