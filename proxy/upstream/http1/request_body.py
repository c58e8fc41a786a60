"""The body of a request on its way to the upstream."""

import asyncio
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from proxy.core.body import Body
from proxy.core.errors import InternalError, ProxyError, ResponseTimeout, forget_frames
from proxy.core.timeouts import TimeoutsOptions
from proxy.core.words import in_seconds
from proxy.http.chunked import CHUNK
from proxy.net.splice import LEAST
from proxy.net.stall_clock import StallClock
from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.translate import is_lost


class RequestBodySender:
    """Sends a request's body while its reply is awaited or already coming.

    It is the ``Sink`` of a long one that the kernel moves.
    """

    __slots__ = (
        "_body",
        "_clock",
        "_ended",
        "_first_byte",
        "_held",
        "_loop",
        "_no_trailers",
        "_passed",
        "_protocol",
        "_taken",
        "descriptor",
    )

    def __init__(
        self,
        body: Body,
        protocol: UpstreamProtocol,
        timeouts: TimeoutsOptions,
        no_trailers: AbstractSet[bytes] = frozenset(),
    ) -> None:
        """``no_trailers``: see ``Exchange``."""
        self._body = body
        self._no_trailers = no_trailers
        self._protocol = protocol
        self._first_byte = timeouts.first_byte
        self._clock = StallClock(timeouts.first_byte)
        self._loop = asyncio.get_running_loop()
        self._held = 0
        """Bytes that wait in a pipe (``net/splice``) instead of in the transport."""
        self._passed = 0
        """Bytes written so far."""
        self._taken = 0
        """Those of them that the upstream had taken when somebody last looked."""
        self._ended = False
        self.descriptor = -1

    async def run(self) -> None:
        """Pass on chunk by chunk; a failure becomes the failure of the attempt."""
        body, protocol = self._body, self._protocol
        try:
            chunked = body.length is None
            long = body.length is not None and body.length >= LEAST
            reader = body.reader()
            while chunk := await reader.read():
                data = CHUNK % (len(chunk), chunk) if chunked else chunk
                protocol.send_more(data)
                self._passed += len(data)
                if protocol.writing_paused:
                    await self._drained()
                if long and (descriptor := protocol.descriptor()) >= 0:
                    self.descriptor = descriptor
                    reader.splice(self)
                chunk = data = b""  # not kept while the client sends no more
            if chunked:
                data = protocol.last_chunk(body.trailers, self._no_trailers)
                protocol.send_more(data)
                self._passed += len(data)
        except ConnectionError as error:
            # The reader of the reply is told of a lost connection too, and more precisely: it has
            # still to read what came before, and an error of a splice may be another one. That a
            # host is gone the kernel says once, and whoever reads is told of an end.
            if protocol.awaiting_head and is_lost(error):
                forget_frames(error)
                protocol.fail(error)
            if not protocol.awaiting_head or protocol.transport is None:
                return
        except ProxyError as error:
            forget_frames(error)
            protocol.fail(error)
            return
        except Exception:
            protocol.fail(InternalError("the request could not be passed on"))
            raise
        finally:
            self._ended = True
        if protocol.awaiting_head:
            self._await_progress()

    # What http1/reply_body asks, while the reply comes

    @property
    def is_over(self) -> bool:
        """Whether the upstream has taken all that it will be given."""
        return self._ended and not self._left()

    def is_moving(self) -> bool:
        """Whether the upstream took more since this was last asked, or the client is waited for.

        It is while the upstream has all that came. One without a clock of its own is not waited
        for: it would keep an upstream that has stalled for ever.
        """
        left = self._left()
        taken = self._passed - left
        moving = taken > self._taken or (self._body.awaited and not left)
        self._taken = taken
        return moving

    # What net/splice tells

    def moved(self, size: int) -> None:
        """The upstream's kernel, or ours, has so much more."""
        self._protocol.sent_past(size)
        self._passed += size

    def blocked(self, held: int) -> None:
        """The upstream takes nothing for now of so many bytes; 0: it has taken them."""
        self._held = held
        if self._protocol.awaiting_head:
            if held:
                self._await_progress()
            else:
                self._protocol.timer.disarm()

    async def _drained(self) -> None:
        """Wait until the upstream takes what was written, on the first_byte clock."""
        protocol = self._protocol
        if not protocol.awaiting_head:
            await protocol.drained()
            return
        self._await_progress()
        try:
            await protocol.drained()
        finally:
            if protocol.awaiting_head:
                protocol.timer.disarm()

    def _await_progress(self) -> None:
        """The upstream is to take something, or to reply, within first_byte."""
        now = self._loop.time()
        self._look_at(self._clock.begin(self._left(), now), now)

    def _look_at(self, at: float, now: float) -> None:
        self._protocol.arm(at - now, self._no_progress)

    def _left(self) -> int:
        return self._held + self._protocol.unsent()

    def _no_progress(self) -> Exception | None:
        now = self._loop.time()
        if (again := self._clock.look(self._left(), now)) is not None:
            self._look_at(again, now)
            return None
        return ResponseTimeout(
            "the upstream neither took the rest of the request nor replied within first_byte of "
            f"{in_seconds(self._first_byte)}",
            clock="first_byte",
        )


class Upload(NamedTuple):
    """A body that is being sent."""

    sender: RequestBodySender
    task: asyncio.Task[None]
