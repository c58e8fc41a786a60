"""What is left of a client's deadline, as one server is told it."""

from typing import Final

from proxy.core.clock import Clock, loop_clock
from proxy.core.errors import DeadlineTooShort, NotAttempted
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import Verdict, verdict
from proxy.core.reply import Reply
from proxy.core.request_key import asked_for
from proxy.core.scope import EndpointScope
from proxy.http.fields import RawHeaders
from proxy.middleware.deadline.deadline import DeadlineOptions
from proxy.middleware.deadline.fields import notation
from proxy.policy.soonest import KEYS, Soonest

_PROBE: Final = 1.0
"""Seconds after which one that seems too late is sent all the same: the server may be faster."""
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
    """Tells one server how much is left, or does not ask it where that is not enough.

    Enough is what the quickest answer to the same method and target has taken in the last minutes.
    They are timed here, those that were given up for what they had taken by then.
    """

    __slots__ = ("_clock", "_fields", "_forward", "_inner", "_probed", "_reserve", "_taken")

    def __init__(
        self, inner: Handler, options: DeadlineOptions, *, clock: Clock | None = None
    ) -> None:
        self._inner = inner
        self._reserve = options.reserve
        self._fields = {name.lower().encode(): notation(name)[1] for name in options.accept}
        self._forward = options.forward.encode()
        if options.forward:
            self._fields[options.forward.lower().encode()] = notation(options.forward)[1]
        self._taken = Soonest()
        self._probed: dict[bytes, float] = {}
        """When one was sent all the same."""
        self._clock = clock or loop_clock()

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises DeadlineTooShort where the client would not be there any more."""
        began = self._clock()
        if exchange.deadline is not None:
            self._admit(exchange, exchange.deadline - began, began)
            if self._forward:
                exchange.headers = self._told(
                    exchange.headers, exchange.deadline - began - self._reserve
                )
        try:
            reply = await self._inner(exchange)
        except NotAttempted:
            raise
        except BaseException:
            self._given_up(asked_for(exchange), began)
            raise
        now = self._clock()
        if verdict(reply) is Verdict.ANSWERED:
            self._taken.observe(asked_for(exchange), now - began, now)
        return reply

    def _admit(self, exchange: Exchange, left: float, now: float) -> None:
        if left <= self._reserve:
            raise DeadlineTooShort(f"{max(left, 0.0):.3g} s are left")
        key = asked_for(exchange)
        least = self._taken.value(key, now)
        if least is None or left >= least:
            return
        if now - self._probed.get(key, -_NEVER) >= _PROBE:
            if len(self._probed) >= KEYS:
                self._probed.clear()
            self._probed[key] = now
            return
        raise DeadlineTooShort(
            f"{left:.3g} s are left, the quickest answer lately took {least:.3g} s"
        )

    def _given_up(self, key: bytes, began: float) -> None:
        """It would have taken longer; that says something only where it already took long."""
        now = self._clock()
        least = self._taken.value(key, now)
        if least is not None and now - began > least:
            self._taken.observe(key, now - began, now)

    def _told(self, fields: RawHeaders, left: float) -> RawHeaders:
        """Every field that says it, with what is left, and ours."""
        known = self._fields
        found = []
        said = False
        ours = self._forward.lower()
        for name, value in fields:
            low = name.lower()
            show = known.get(low)
            said |= low == ours
            found.append((name, value) if show is None else (name, show(left)))
        if not said:
            found.append((self._forward, known[ours](left)))
        return found
