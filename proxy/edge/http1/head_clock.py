"""How long a client may take between requests, and for the head of one."""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from proxy.core.clock import monotonic
from proxy.core.errors import ProxyError, RequestTimeout
from proxy.edge.options import ServerOptions
from proxy.net.timers import RearmableTimer

LAST_CALL: Final = 1.0
"""Seconds that a connection may rest once the listener has closed: clients that keep it in use come
back within them, and learn from the reply that it was the last one."""

_NEVER: Final = math.inf


class HeadClock:
    """``keepalive_timeout`` and ``request_headers_timeout`` of one connection."""

    __slots__ = ("_failed", "_loop", "_options", "_patience", "_timer", "begun_at", "since")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: ServerOptions,
        failed: Callable[[ProxyError | None], None],
    ) -> None:
        """``failed`` is told that a head is late; None where it is only time to close."""
        self._loop = loop
        self._options = options
        self._patience: float = options.keepalive_timeout
        self._failed = failed
        self._timer = RearmableTimer(loop, self._on_timer)
        self.begun_at: float | None = None
        """When the first part of the head came that is not whole yet, as ``core/clock`` has it."""
        self.since = _NEVER
        """The loop's time since which it rests; infinite while it does not."""

    def rest(self) -> None:
        """Wait for the next request."""
        if self.begun_at is not None:
            return
        self.since = now = self._loop.time()
        if self._patience:
            self._timer.arm(now + self._patience)

    def retire(self) -> None:
        """From now on it rests no longer than for a last request."""
        self._patience = min(self._patience or LAST_CALL, LAST_CALL)

    def begin(self) -> None:
        """Part of a head has come; later parts change nothing."""
        if self.begun_at is not None:
            return
        self.begun_at = monotonic()
        self.since = _NEVER
        if patience := self._options.request_headers_timeout:
            self._timer.arm(self._loop.time() + patience)
        else:
            self._timer.disarm()

    def end(self) -> None:
        """A head is whole."""
        self.begun_at = None
        self.since = _NEVER
        self._timer.disarm()

    def close(self) -> None:
        """The connection is gone."""
        self._timer.close()
        self._failed = _nobody  # it holds the connection, which holds this

    def _on_timer(self) -> None:
        late = RequestTimeout("the head came too slowly", clock="request_headers_timeout")
        self._failed(None if self.begun_at is None else late)


def _nobody(_: ProxyError | None) -> None:
    """There is no connection to tell."""
