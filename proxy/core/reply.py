"""What came back: a head, and a body that nobody has read yet."""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Protocol, TypeAlias

from proxy.core.errors import ProxyError, ReplyBroken
from proxy.http.fields import LINE, Encoded, RawHeaders


class Ending(Enum):
    """How the body of a reply finished."""

    COMPLETE = "complete"  # whole, as its framing says
    BROKEN = "broken"  # the upstream's fault: cut short, stalled, malformed
    ABANDONED = "abandoned"  # ours or the client's: nobody wanted the rest


class AllSaid(Exception):
    """A stream of events failed after its last event: its client has all of it."""

    def __init__(self, error: ReplyBroken) -> None:
        """``error``: for the log."""
        super().__init__(error.detail)
        self.error = error


class Source(Protocol):
    """Where the bytes of a reply's body come from."""

    @property
    def buffered(self) -> bytes | None:
        """The whole body where it has already arrived, else None."""

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ReplyBroken, never ends early."""

    def close(self, ending: Ending) -> None:
        """Give back what the body held. Called once."""


class Sink(Protocol):
    """Where the kernel may move the rest of a body to."""

    descriptor: int

    def moved(self, size: int) -> None:
        """So many bytes have gone there."""

    def blocked(self, held: int) -> None:
        """It does not take ``held`` bytes for now; 0: it has taken them."""


class NoMoreBytes:
    """The source of a reply whose whole body is here already."""

    __slots__ = ()

    buffered: None = None

    async def read(self) -> bytes:
        """Nothing is left to read."""
        return b""

    def close(self, ending: Ending) -> None:
        """Nothing is held."""


class RawConnection(Protocol):
    """A connection that speaks HTTP no more."""

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """Have ``protocol`` called from now on; gives the transport and what came before.

        ``protocol.connection_made`` is not called. Raises ConnectionError or UpstreamError where
        the connection has ended.
        """

    def connection_lost(self, error: BaseException | None) -> None:
        """Called once ``protocol`` has been told that the connection has ended."""


class UpgradedConnection(RawConnection, Protocol):
    """An upstream's connection after its 101."""

    protocol: bytes
    """What it speaks from now on, as its Upgrade field says."""
    idle: float
    """Seconds without a byte in either direction after which it ends; 0 for none."""


Listener: TypeAlias = Callable[["Reply", Ending], None]


class Reply:
    """Status, end-to-end header fields and the source of the body.

    Who holds a reply either returns it or closes it.
    """

    __slots__ = (
        "_complete",
        "_held",
        "_listeners",
        "_source",
        "alternative_ready",
        "closed",
        "encoded",
        "headers",
        "length",
        "reason",
        "status",
        "trailers",
        "until_close",
        "upgraded",
        "version",
    )

    def __init__(
        self,
        status: int,
        headers: RawHeaders,
        source: Source,
        *,
        reason: bytes = b"",
        length: int | None = None,
        version: tuple[int, int] = (1, 1),
        buffered: bytes | None = None,
    ) -> None:
        """``buffered``: the body where it is here already; ``source`` has nothing to add."""
        self.status = status
        self.reason = reason
        self.headers = headers
        self.encoded: Encoded | None = None
        self.length = length
        """Bytes of the body that will follow, None where only the end will tell."""
        self.version = version
        self.alternative_ready = False
        """Whether another endpoint could be asked at once, where this one does not answer."""
        self.closed = False
        self.until_close = False
        """Whether only the end of the connection ends its body: it may have been cut."""
        self.upgraded: UpgradedConnection | None = None
        """The connection itself, after a 101."""
        self.trailers: Callable[[], RawHeaders] | None = None
        """Gives the fields behind the body, once that has been read; None where there are none."""
        self._source = source
        self._held = buffered
        self._complete = buffered is not None
        self._listeners: tuple[Listener, ...] = ()

    @property
    def buffered(self) -> bytes | None:
        """The whole body where it has already arrived, else None."""
        held = self._held
        if held is not None:
            return held if self._complete else None
        return self._source.buffered

    def add(self, field: tuple[bytes, bytes]) -> None:
        """Put a field behind the others; no Date, and none that names the request.

        Where their lines are known, they are known with one more.
        """
        fields, known = [*self.headers, field], self.encoded
        if known is not None and known.fields is self.headers:
            lines = known.lines + LINE % field
            self.encoded = Encoded(fields, lines, known.dated, known.ids)
        self.headers = fields

    def put_back(self, data: bytes, *, complete: bool) -> None:
        """Take back what was read from the start; ``complete`` where the body ends with it."""
        self._held = data
        self._complete = complete

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ReplyBroken."""
        if self._held is not None:
            data, self._held = self._held, None
            return data
        if self._complete:
            return b""
        return await self._source.read()

    def with_body(
        self, source: Source, length: int | None, buffered: bytes | None = None
    ) -> "Reply":
        """Another one with the same head and the same trailers, whose body comes from ``source``.

        ``length`` and ``buffered`` as for a reply of its own.
        """
        shown = Reply(
            self.status,
            self.headers,
            source,
            reason=self.reason,
            length=length,
            version=self.version,
            buffered=buffered,
        )
        shown.encoded = self.encoded
        shown.until_close = self.until_close
        if self.trailers is not None:
            shown.trailers = self.last_trailers
        return shown

    def last_trailers(self) -> RawHeaders:
        """The fields behind the body, which has been read."""
        return () if self.trailers is None else self.trailers()

    def keep_trailers(self) -> None:
        """Have them after ``close`` too, when the connection may be at its next reply."""
        if self.trailers is not None:
            kept = self.trailers()
            self.trailers = lambda: kept

    def pause(self, *, paused: bool) -> None:
        """Stop reading from the upstream while the client takes nothing, if the source can."""
        pause = getattr(self._source, "pause", None)
        if pause is not None:
            pause(paused=paused)

    def splice(self, sink: Sink) -> bool:
        """Have the kernel move the rest of the body, before it is read on to its end.

        False where its bytes have to pass through here.
        """
        splice = getattr(self._source, "splice", None)
        if splice is None or self._held is not None or self._complete:
            return False
        return bool(splice(sink))

    def last_words(self, error: ProxyError) -> bytes | None:
        """What ends the body behind all that was read, where the proxy does not go on with it.

        Nothing is needed behind the last event of a stream; None where nothing may be said.
        """
        last_words = getattr(self._source, "last_words", None)
        words: bytes | None = None if last_words is None else last_words(error)
        return words

    def on_close(self, listener: Listener) -> None:
        """Be told once how the body ended."""
        self._listeners += (listener,)

    def drop(self) -> None:
        """Close it where nobody will read it; a connection whose reply is whole goes on."""
        self.close(Ending.ABANDONED if self.buffered is None else Ending.COMPLETE)

    def close(self, ending: Ending) -> None:
        """Give everything back; what comes after the first call is ignored."""
        if self.closed:
            return
        self.closed = True
        try:
            for listener in self._listeners:
                listener(self, ending)
        finally:
            self._source.close(ending)
