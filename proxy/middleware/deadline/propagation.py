"""What remains of a client's deadline, as one server is told it."""

from collections.abc import Hashable
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import DeadlineTooShort, NotAttempted
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import NEEDS_VERDICT
from proxy.core.reply import Reply
from proxy.core.request_key import asked_for
from proxy.core.scope import EndpointScope
from proxy.core.words import in_seconds
from proxy.http.fields import LINE, LOWER, Encoded, placed
from proxy.middleware.deadline.fields import notation
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.policy.soonest import KEYS, Soonest

_PROBE: Final = 1.0
"""Seconds after which a request that seems too late is sent all the same: the server may have
become faster."""
_NEVER: Final = float("inf")


def link(scope: EndpointScope, inner: Handler) -> Handler | None:
    """Where there is ``[deadline]``."""
    options = scope.find(DeadlineOptions)
    return (
        None
        if options is None
        else DeadlinePropagation(inner, options, clock=scope.shared.clock).handle
    )


class DeadlinePropagation:
    """Tells one server how much time remains, or refuses the request if that is not enough.

    Enough is what the quickest answer to the same method and target took in the last five minutes.
    Answers are timed here; an attempt that was given up counts with the time it had taken by then.
    """

    __slots__ = (
        "_clock",
        "_fields",
        "_forward",
        "_forward_low",
        "_inner",
        "_names",
        "_probed",
        "_quickest",
        "_reserve",
    )

    def __init__(self, inner: Handler, options: DeadlineOptions, *, clock: Clock) -> None:
        self._inner = inner
        self._reserve = options.reserve if options.forward else 0.0  # nobody is told less
        self._fields = {name.lower().encode(): notation(name)[1] for name in options.accept}
        self._forward = options.forward.encode()
        self._forward_low = self._forward.lower()
        if options.forward:
            self._fields[self._forward_low] = notation(options.forward)[1]
        self._names = frozenset(self._fields)
        self._quickest = Soonest()
        self._probed: dict[Hashable, float] = {}
        """When a request that seemed too late was sent last, by method and target."""
        self._clock = clock

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises DeadlineTooShort if the client would have given up before an answer."""
        started_at = self._clock()
        key = asked_for(exchange)
        if exchange.deadline is not None:
            remaining = exchange.deadline - started_at
            self._check_remaining(key, remaining, started_at, exchange.record.bound[0])
            if self._forward:
                self._tell_remaining(exchange, remaining - self._reserve)
        try:
            reply = await self._inner(exchange)
        except NotAttempted:
            raise
        except BaseException:
            self._observe_given_up(key, started_at)
            raise
        now = self._clock()
        if reply.status not in NEEDS_VERDICT:
            self._quickest.observe(key, now - started_at, now)
        return reply

    def _check_remaining(self, key: Hashable, remaining: float, now: float, clock: str) -> None:
        reserve = self._reserve
        if remaining <= reserve:
            left = f"{in_seconds(max(remaining, 0.0))} are left"
            kept = f", and [deadline] reserve is {in_seconds(reserve)}" if reserve else ""
            raise DeadlineTooShort(f"{left}{kept}", clock=clock)
        least = self._quickest.value(key, now)
        if least is None or remaining >= least:
            return
        if now - self._probed.get(key, -_NEVER) >= _PROBE:
            if len(self._probed) >= KEYS:
                self._probed.clear()
            self._probed[key] = now
            return
        quickest = f"the quickest answer lately took {in_seconds(least)}"
        raise DeadlineTooShort(f"{in_seconds(remaining)} are left, {quickest}", clock=clock)

    def _observe_given_up(self, key: Hashable, started_at: float) -> None:
        """Note how long an attempt took that was given up, if longer than the quickest answer."""
        now = self._clock()
        least = self._quickest.value(key, now)
        if least is not None and now - started_at > least:
            self._quickest.observe(key, now - started_at, now)

    def _tell_remaining(self, exchange: Exchange, remaining: float) -> None:
        """Say the remaining time in each field that says it, and in ours."""
        known, fields, encoded = self._fields, exchange.headers, exchange.encoded
        told = placed(fields, encoded, self._names)
        found = [*fields]
        for number in told:
            name = fields[number][0]
            found[number] = (name, known[LOWER[name]](remaining))
        ours = self._forward_low
        if not told or all(LOWER[fields[number][0]] != ours for number in told):
            field = (self._forward, known[ours](remaining))
            found.append(field)
            if not told and encoded is not None and encoded.fields is fields:  # one line more
                lines = encoded.lines + LINE % field
                exchange.encoded = Encoded(found, lines, agent=encoded.agent, trace=encoded.trace)
        exchange.headers = found
