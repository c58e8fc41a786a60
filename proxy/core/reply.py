"""What came back: a head, and a body that nobody has read yet."""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Protocol, TypeAlias

import msgspec

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


class Reply(msgspec.Struct, eq=False):
    """Status, end-to-end header fields and the source of the body.

    Who holds a reply either returns it or closes it. It is a struct, as an exchange is.
    """

    status: int
    headers: RawHeaders
    source: Source
    """What has its bytes, but for those that are here already: `read` gives all of them."""
    reason: bytes = b""
    length: int | None = None
    """Bytes of the body that will follow, None where only the end will tell."""
    version: tuple[int, int] = (1, 1)
    whole: bytes | None = None
    """The body, where all of it is here and has not been read; ``source`` has nothing to add."""
    encoded: Encoded | None = None
    alternative_ready: bool = False
    """Whether another endpoint could be asked at once, where this one does not answer."""
    closed: bool = False
    until_close: bool = False
    """Whether only the end of the connection ends its body: it may have been cut."""
    upgraded: UpgradedConnection | None = None
    """The connection itself, after a 101."""
    trailers: Callable[[], RawHeaders] | None = None
    """Gives the fields behind the body, once that has been read; None where there are none."""
    _begun: bytes | None = None
    """What was read from the start, and put back."""
    _complete: bool = False
    """Whether ``whole`` has been read."""
    _listeners: tuple[Listener, ...] = ()

    @property
    def buffered(self) -> bytes | None:
        """The whole body where it has already arrived, else None."""
        if self.whole is not None:
            return self.whole
        return None if self._begun is not None else self.source.buffered

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
        self.whole, self._begun = (data, None) if complete else (None, data)
        self._complete = False

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ReplyBroken."""
        if self.whole is not None:
            data, self.whole = self.whole, None
            self._complete = True
            return data
        if self._begun is not None:
            data, self._begun = self._begun, None
            return data
        return b"" if self._complete else await self.source.read()

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
            self.reason,
            length,
            self.version,
            buffered,
            self.encoded,
            until_close=self.until_close,
        )
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
        pause = getattr(self.source, "pause", None)
        if pause is not None:
            pause(paused=paused)

    def splice(self, sink: Sink) -> bool:
        """Have the kernel move the rest of the body, before it is read on to its end.

        False where its bytes have to pass through here.
        """
        splice = getattr(self.source, "splice", None)
        if splice is None or self.whole is not None or self._begun is not None or self._complete:
            return False
        return bool(splice(sink))

    def last_words(self, error: ProxyError) -> bytes | None:
        """What ends the body behind all that was read, where the proxy does not go on with it.

        Nothing is needed behind the last event of a stream; None where nothing may be said.
        """
        last_words = getattr(self.source, "last_words", None)
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
            self.source.close(ending)
