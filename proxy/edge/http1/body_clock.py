"""How long a client is waited for while the body of its request comes."""

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.core.errors import RequestTimeout
from proxy.core.stopwatch import Stopwatch
from proxy.edge.options import ServerOptions
from proxy.net.timers import RearmableTimer

RATE_GRACE: Final = 30.0
"""Seconds of waiting for the client before its average counts; a slow start is no attack."""


class BodyClock:
    """``body_idle_timeout`` for each wait, ``body_min_rate`` for all of them together.

    Only time spent waiting for the client counts: where the upstream takes slowly, backpressure
    keeps the client from sending faster, and one that has not been sent 100 (Continue) yet sends
    nothing.
    """

    __slots__ = (
        "_asked",
        "_held",
        "_idle",
        "_late",
        "_loop",
        "_rate",
        "_received",
        "_timer",
        "_waited",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: ServerOptions,
        late: Callable[[RequestTimeout], None],
    ) -> None:
        """``late`` is told when the client has taken too long."""
        self._loop = loop
        self._idle = options.body_idle_timeout or float("inf")
        self._rate = options.body_min_rate
        self._late = late
        self._received = 0
        self._timer: RearmableTimer | None = None
        self._waited = 0.0
        self._asked: float | None = None
        """Since when the client is being waited for."""
        self._held: Stopwatch | None = None
        """How long it has waited for 100 (Continue), where it wants that."""

    def hold(self) -> None:
        """The client waits for 100 (Continue): it is not waited for until it has that."""
        self._held = self._held or Stopwatch()
        self._held.begin(self._loop.time())

    def start(self, received: int) -> None:
        """The client is waited for from now on; so many bytes have come."""
        self._received = received
        if self._timer is None:
            self._timer = RearmableTimer(self._loop, self._on_timer)
        now = self._asked = self._loop.time()
        if self._held is not None:
            self._held.end(now)
        self._timer.arm(now + self._patience())

    def stop(self) -> None:
        """It is not waited for any more."""
        if self._asked is not None and self._timer is not None:
            self._timer.disarm()
            self._waited += self._loop.time() - self._asked
            self._asked = None
        elif self._held is not None:
            self._held.end(self._loop.time())

    def waited(self, now: float) -> float:
        """Seconds that the client was waited for so far."""
        return self._waited + (0.0 if self._asked is None else now - self._asked)

    def held_back(self, now: float) -> float:
        """Seconds that it waited for 100 (Continue) so far, while its body was wanted."""
        return 0.0 if self._held is None else self._held(now)

    @property
    def awaited(self) -> bool:
        """Whether the client is waited for now, and ``body_idle_timeout`` ends that."""
        return self._asked is not None and self._idle < float("inf")

    def close(self) -> None:
        """Nobody is waited for any more."""
        if self._timer is not None:
            self._timer.close()

    def _patience(self) -> float:
        """Seconds that this wait may take: ``body_idle_timeout``, or less for one that drips."""
        if not self._rate:
            return self._idle
        earned = max(RATE_GRACE, self._received / self._rate)
        return max(0.0, min(self._idle, earned - self._waited))

    def _on_timer(self) -> None:
        clock = "body_idle_timeout" if self._patience() == self._idle else "body_min_rate"
        self._late(RequestTimeout("the body came too slowly", clock=clock))
