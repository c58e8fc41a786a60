"""A request's body as it comes from the client."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp.streams import StreamReader

from proxy.core.alarm import Alarm
from proxy.core.body import CHUNKED, BytesBody
from proxy.core.errors import (
    BadRequest,
    BodyTooLarge,
    ClientError,
    InternalError,
    RequestTimeout,
)
from proxy.core.local_limits import local_limit
from proxy.core.options import ServerOptions
from proxy.edge.spool import Spool

RATE_GRACE: Final = 30.0
"""Seconds of waiting for the client before its average counts; a slow start is no attack."""


WAIT_FOR_CONTINUE: Final = 1.0
"""Seconds that an upstream has to ask for a body. Many know no 100 (Continue) and wait for the body
instead, so a client must not wait without end (RFC 9110 10.1.1); curl gives up after a second too.
"""


class ClientBody:
    """Reads a body that is still coming, on the client's clocks, and keeps it where told to."""

    __slots__ = (
        "_alarm",
        "_content",
        "_go_ahead",
        "_idle",
        "_kept",
        "_loop",
        "_max",
        "_permitted",
        "_position",
        "_rate",
        "_reading",
        "_waited",
        "framing",
        "length",
        "received",
    )

    def __init__(
        self,
        content: StreamReader,
        length: int | None,
        options: ServerOptions,
        loop: asyncio.AbstractEventLoop,
        go_ahead: Callable[[], None] | None = None,
    ) -> None:
        """``length`` in bytes, None for chunked; ``go_ahead`` tells a client that waits for it."""
        self._content = content
        self.length = length
        self.framing = CHUNKED if length is None else b"Content-Length: %d\r\n" % length
        self.received = 0
        self._loop = loop
        self._max = options.max_body or float("inf")
        self._idle = options.body_idle_timeout or float("inf")
        self._rate = options.body_min_rate
        self._go_ahead = go_ahead
        self._reading: asyncio.Future[bytes] | None = None
        self._permitted: asyncio.Future[None] | None = None
        if go_ahead is not None:
            self._permitted = loop.create_future()
        self._waited = 0.0
        self._alarm: Alarm | None = None
        self._kept: Spool | None = None
        self._position = 0

    finished: Final = None

    @property
    def resendable(self) -> bool:
        """Whether all that was read so far was kept."""
        return self.received == 0 or (self._kept is not None and not self._kept.lost)

    def keep(self, limit: int, *, spool: bool = True) -> None:
        """Keep what is read for another attempt, over ``limit`` bytes on disk (0: none is over it).

        Without ``spool`` more than that is let go.
        """
        if self._kept is None:  # a fallback keeps it too
            self._kept = Spool(limit or float("inf"), disk=spool)

    def proceed(self) -> None:
        """The upstream has asked for it."""
        if self._permitted is not None and not self._permitted.done():
            self._permitted.set_result(None)

    def rewind(self) -> None:
        """Read what was kept again, then go on with what the client sends."""
        self._position = 0

    def copy(self) -> BytesBody | None:
        """Where all of it has been read, and is in memory."""
        whole = None if self._kept is None else self._kept.in_memory
        if whole is None or not self._content.at_eof():
            return None
        return BytesBody(whole, self.framing, self.length)

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ClientError, or InternalError for the disk."""
        kept = self._kept
        if kept is not None and self._position < kept.size:
            if kept.lost:
                raise InternalError("the body that was kept is lost")
            try:
                data = await kept.get(self._position)
            except (OSError, RuntimeError) as error:  # RuntimeError: no thread
                raise local_limit(error) or InternalError(
                    f"the body that was kept on disk cannot be read: {error.strerror}"
                    if isinstance(error, OSError)
                    else "the body that was kept on disk cannot be read"
                ) from error
            self._position += len(data)
            return data
        data = await self._receive()
        self.received += len(data)
        if self.received > self._max:
            raise BodyTooLarge(f"over {self._max} bytes")
        if kept is not None and data:
            self._position += len(data)  # before the wait: it counts although that may be cancelled
            await kept.put(data)
        return data

    async def _receive(self) -> bytes:
        content = self._content
        asked = self._loop.time()
        alarm = self._alarm
        if alarm is None:
            alarm = self._alarm = Alarm(self._loop, self._rang)
        alarm.set(asked + self._patience())
        try:
            if self._go_ahead is not None or self._reading is not None:
                return await self._asked_for(content)
            return await content.readany()
        except ClientError:
            raise
        except Exception as error:
            raise BadRequest(f"the body of the request broke: {error}") from error
        finally:
            alarm.clear()
            self._waited += self._loop.time() - asked

    async def _asked_for(self, content: StreamReader) -> bytes:
        """Tell the client to send, once the upstream has asked or was given the time to.

        Not one that sends without waiting (RFC 9110 10.1.1). What is read outlives an attempt that
        ends meanwhile: the next one is to have it.
        """
        assert self._permitted is not None
        reading = self._reading
        if reading is None:
            reading = self._reading = asyncio.ensure_future(content.readany())
        await asyncio.wait(
            (reading, self._permitted),
            timeout=WAIT_FOR_CONTINUE,
            return_when=asyncio.FIRST_COMPLETED,
        )
        go_ahead, self._go_ahead = self._go_ahead, None
        if go_ahead is not None and not reading.done():
            go_ahead()
        await asyncio.wait((reading,))
        self._reading = None
        return reading.result()

    def close(self) -> None:
        """Let go of what was kept, and of the clock."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
        if self._alarm is not None:
            self._alarm.close()
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            reading.add_done_callback(_seen)

    def _patience(self) -> float:
        """Seconds that this wait may take: ``body_idle_timeout``, or less for one that drips.

        Only time spent waiting for the client counts: where the upstream takes slowly, backpressure
        keeps the client from sending faster.
        """
        if not self._rate:
            return self._idle
        earned = max(RATE_GRACE, self.received / self._rate)
        return max(0.0, min(self._idle, earned - self._waited))

    def _rang(self) -> None:
        self._content.set_exception(RequestTimeout("the body came too slowly"))


def _seen(reading: asyncio.Future[bytes]) -> None:
    """An error that nobody waits for any more is no news."""
    if not reading.cancelled():
        reading.exception()
