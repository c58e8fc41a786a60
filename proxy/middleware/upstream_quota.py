"""The upstream's own limits: a server is sent no more than it says it takes.

Here is learned what a server says, and decided whether a request may go. One that may not is not
kept here: it would hold a permit and a server that it does not need. It goes back up, another
server is asked, and what is left waits in ``quota_wait``.
"""

import asyncio
from collections.abc import Hashable
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import UpstreamQuotaExceeded
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import OVERLOADED, TOO_MANY
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.redaction import CREDENTIALS
from proxy.core.reply import Reply
from proxy.core.request_key import path_of
from proxy.core.scope import EndpointScope
from proxy.core.words import in_seconds
from proxy.http.fields import placed
from proxy.http.rate_limit_fields import budget, quota
from proxy.http.retry_after import retry_after
from proxy.policy.endpoint import Endpoint
from proxy.policy.quota import LONGEST, ONLY, SOON, Quota, Quotas

_FORBIDDEN: Final = 403
"""With Retry-After it is a limit too: GitHub's secondary ones."""
_LIMITED: Final = OVERLOADED | {_FORBIDDEN}


def link(scope: EndpointScope, inner: Handler) -> Handler | None:
    """Where there is ``[rate_limit]``, unless ``learn`` is off.

    The quotas of several keys are ``middleware/credentials``' own: it chooses by them.
    """
    options = scope.find(RateLimitOptions)
    if options is None or not options.learn:
        return None
    return UpstreamQuota(
        inner,
        scope.endpoint,
        options.max_wait,
        scope.own_credentials,
        clock=scope.shared.clock,
        counts_quotas=scope.credentials is None or len(scope.credentials.keys) < 2,
    ).handle


class UpstreamQuota:
    """Sends a server no more than it says it takes.

    A 429 and the quota that is left concern whoever holds the credentials of the request; if it has
    none, the address of its client. The proxy's own credentials are one for all clients. Where an
    API has several limits and names them, each is learned with the paths that count to it. A 503
    concerns a path: another path may work. So no client can have others refused.
    """

    __slots__ = (
        "_clock",
        "_endpoint",
        "_inner",
        "_max_wait",
        "_names",
        "_own_credentials",
        "counts_quotas",
    )

    def __init__(
        self,
        inner: Handler,
        endpoint: Endpoint,
        max_wait: float,
        own_credentials: bytes = b"",
        *,
        clock: Clock,
        counts_quotas: bool = True,
    ) -> None:
        """``max_wait`` in seconds; ``own_credentials``: the field of the proxy's own, if any.

        Without ``counts_quotas`` somebody else does: only what concerns a path is learned here.
        """
        self.counts_quotas = counts_quotas
        self._own_credentials = bool(own_credentials)
        self._names = CREDENTIALS - {own_credentials.lower()}
        self._inner = inner
        self._endpoint = endpoint
        self._max_wait = max_wait
        self._clock = clock
        endpoint.quotas = endpoint.quotas or Quotas()

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises UpstreamQuotaExceeded where it would have to wait."""
        quotas = self._endpoint.quotas
        assert quotas is not None
        if self.counts_quotas:
            key = self._quota_key(exchange)
            if quotas.budgets and (named := quotas.budget(path_of(exchange))):
                key = key, named
            own = quotas.of(key)
        else:
            own = Quota()
        # Neither, for nearly all.
        if (own.limited or quotas.paths) and (soon := self._admit(exchange, own)):
            await asyncio.sleep(soon)
        reply = await self._inner(exchange)
        self._learn(exchange, reply, own)
        return reply

    @property
    def _quotas(self) -> Quotas:
        """Those of the server: it may have taken over what was known of the one before it."""
        assert self._endpoint.quotas is not None
        return self._endpoint.quotas

    def _admit(self, exchange: Exchange, own: Quota) -> float:
        """Raises UpstreamQuotaExceeded if it may not be sent in as good as no time: these seconds.

        ``retry_after`` says when it may be sent.
        """
        now, turn = self._clock(), exchange.record.turn
        wait = max(own.blocked_for(now), self._quotas.path_wait(path_of(exchange), now))
        if wait > SOON:
            raise self._exceeded(wait)
        if turn is None or not turn.use(own):
            until_turn = own.turn_in(now)
            if SOON < until_turn <= self._max_wait:
                error = self._exceeded(until_turn)
                error.quota, error.sendable = own, True
                raise error
            if until_turn <= SOON:
                own.take_turn(now)
        return wait

    def _exceeded(self, wait: float) -> UpstreamQuotaExceeded:
        detail = f"{self._endpoint.name} takes no more requests for {in_seconds(wait)}"
        error = UpstreamQuotaExceeded(detail, retry_after=wait)
        error.server = self._endpoint.name
        return error

    def _quota_key(self, exchange: Exchange) -> Hashable:
        """Whose quota a request is counted to; of credentials a number, see ``asked_for``."""
        fields = exchange.headers
        if shown := placed(fields, exchange.encoded, self._names):
            return hash(tuple([fields[number][1] for number in shown]))
        return "" if self._own_credentials else exchange.client

    def _learn(self, exchange: Exchange, reply: Reply, own: Quota) -> None:
        found = quota(reply.headers, known=reply.encoded) if self.counts_quotas else None
        refused = reply.status in _LIMITED
        if found is None and not refused:
            return
        now = self._clock()
        named = budget(reply.headers) if self.counts_quotas else b""
        if is_other := named not in ONLY:
            self._quotas.name_budget(path_of(exchange), named)
            own = self._quotas.of((self._quota_key(exchange), named))
        asked = retry_after(reply.headers) if refused else None
        of_client = reply.status in (TOO_MANY, _FORBIDDEN)
        if found is not None and not (of_client and asked is not None):
            remaining, reset = found
            own.update(remaining, reset, now)
            # As long as this server has little or nothing left, others are asked if there are any.
            until_next = own.spacing(now) if remaining >= 1 else reset
            if until_next and not is_other:
                self._endpoint.pause(now + min(until_next, LONGEST))
        if asked is not None:
            until = now + min(asked, LONGEST)
            if of_client:  # it counts more than what is left
                own.pause(until)
            else:
                self._quotas.pause_path(path_of(exchange), until)
