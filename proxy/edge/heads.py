"""Heads as they come in: where one begins, how long and how slow it may be."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD

from proxy.core.alarm import Alarm
from proxy.core.errors import HeadTooLarge, ProxyError, RequestTimeout
from proxy.core.options import ServerOptions
from proxy.edge.boundary import HEAD_END, Boundary
from proxy.edge.parsing import MethodGate

UNLIMITED: Final = 1 << 30
"""Where ``max_header_size`` is off; the parser wants a number."""


class Heads:
    """The heads of one connection."""

    __slots__ = (
        "_boundary",
        "_clock",
        "_failed",
        "_limit",
        "_loop",
        "_options",
        "bound",
        "gate",
        "size",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: ServerOptions,
        failed: Callable[[ProxyError | None], None],
    ) -> None:
        """``failed`` is told what is wrong with a head; None where it is only time to close."""
        self._loop = loop
        self._options = options
        self._limit = options.max_header_size or UNLIMITED
        self._failed = failed
        self._clock = Alarm(loop, self._rang)
        self._boundary = Boundary()
        self.gate = MethodGate()
        self.size: int | None = None
        """Bytes that have come of a head that is not whole; None where none have."""
        self.bound = 0
        """No head that was parsed last is longer than this."""

    @property
    def begun(self) -> bool:
        """Whether part of a head has come."""
        return self.size is not None

    def rest(self) -> None:
        """Wait for the next request, ``keepalive_timeout`` at most, or for the rest of its head."""
        if self.size is None and self._boundary.crossed:
            self._received(0)
        if self.size is None and (patience := self._options.keepalive_timeout):
            self._clock.set(self._loop.time() + patience)

    def admit(self, data: bytes) -> bytes:
        """What came between requests, fit for the parser; ``b""`` where it has to wait."""
        if self.size or self._boundary.crossed is not False:
            return data
        data = self.gate.admit(data)
        if not data and self.gate.held:  # the parser sees nothing yet, the clock runs already
            self._received(0)
        return data

    def alone(self, size: int) -> bool:
        """Whether a head of ``size`` bytes may begin now, with nothing before it."""
        return (
            self.size is None
            and size <= self._limit
            and not self.gate.held
            and self._boundary.crossed is False
        )

    def arrived(self, size: int) -> None:
        """A whole head came, which the parser has not seen."""
        self.bound = size
        self._clock.clear()

    def went_on(self, data: bytes, *, idle: bool) -> None:
        """The parser was given ``data`` in which no head ended; ``idle`` where none is served."""
        if data:
            self._boundary.feed(data, 0, None)
            if idle:
                self._received(len(data))

    def ended(self, data: bytes, message: Any, payload: Any, arrived: int) -> None:
        """Heads ended in ``data``, so many, the last one being that of ``message``."""
        # Without data the parser went on with what it had kept.
        self.bound = (self.size or 0) + len(data) if data else UNLIMITED
        if arrived == 1 and payload is EMPTY_PAYLOAD and data.endswith(HEAD_END):
            self._boundary.clean()
        else:
            length = None
            if isinstance(message, RawRequestMessage) and not message.chunked:
                declared = message.headers.get("Content-Length")
                length = int(declared) if declared else None
            self._boundary.feed(data, arrived if data else 2, length)
        self.size = None
        self._clock.clear()

    def close(self) -> None:
        """The connection is gone."""
        self._clock.close()
        self._failed = _nobody  # it holds the connection, which holds this

    def _received(self, size: int) -> None:
        if self.size is None:
            self.size = 0
            if patience := self._options.request_headers_timeout:
                self._clock.set(self._loop.time() + patience)
            else:
                self._clock.clear()
        self.size += size
        if self.size > self._limit:
            self._failed(HeadTooLarge(f"over {self._limit} bytes"))

    def _rang(self) -> None:
        late = RequestTimeout("the head came too slowly")
        self._failed(late if self.size is not None else None)


def _nobody(_: ProxyError | None) -> None:
    """There is no connection to tell."""
