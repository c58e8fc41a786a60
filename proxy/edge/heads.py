"""How long a connection may rest, and how long and how slow a head may be."""

import asyncio
from collections.abc import Callable

from proxy.core.alarm import Alarm
from proxy.core.errors import HeadTooLarge, ProxyError, RequestTimeout
from proxy.core.options import ServerOptions


class Heads:
    """The clock between requests, and that of a head from its first byte."""

    __slots__ = ("_clock", "_late", "_loop", "_options", "begun", "size")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: ServerOptions,
        late: Callable[[ProxyError | None], None],
    ) -> None:
        """``late`` is told what is wrong; None where it is only time to close."""
        self._loop = loop
        self._options = options
        self._late = late
        self._clock = Alarm(loop, self._rang)
        self.begun = False
        """Whether part of a head has come."""
        self.size = 0
        """Bytes of that part."""

    def rest(self) -> None:
        """Wait for the next request, ``keepalive_timeout`` at most."""
        patience = self._options.keepalive_timeout
        if patience and not self.begun:
            self._clock.set(self._loop.time() + patience)

    def received(self, size: int) -> None:
        """Part of a head has come."""
        if not self.begun:
            self.begun = True
            if patience := self._options.request_headers_timeout:
                self._clock.set(self._loop.time() + patience)
            else:
                self._clock.clear()
        self.size += size
        if self.size > self._options.max_header_size:
            self._late(HeadTooLarge(f"over {self._options.max_header_size} bytes"))

    def parsed(self) -> None:
        """A head is complete."""
        self.begun = False
        self.size = 0
        self._clock.clear()

    def close(self) -> None:
        """The connection is gone."""
        self._clock.close()

    def _rang(self) -> None:
        self._late(RequestTimeout("the head came too slowly") if self.begun else None)
