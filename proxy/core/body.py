"""The body of a request, as those who forward it see it."""

from typing import Final, Protocol

from proxy.core.reply import Sink
from proxy.http.fields import RawHeaders


class BodyReader(Protocol):
    """One pass over a body, for one attempt."""

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end.

        Raises ClientError where the client stalls, drips, exceeds a limit or breaks its framing;
        InternalError where what was kept is lost; ConnectionError where another attempt has begun,
        or the sink of a ``splice`` has failed.
        """

    def splice(self, sink: Sink) -> bool:
        """Have the next ``read`` give all that is left to ``sink``, and return its end.

        False where the bytes are to pass through here: they are framed, encrypted, few, kept, or
        here already.
        """


class Body(Protocol):
    """A request body; it alone knows what has come of it, what was kept and who may have it.

    Whoever sends it asks: ``resendable`` before it goes again, ``copy`` for a copy beside it, and
    ``reader`` for each attempt, which refuses to begin where the first bytes are gone.
    """

    @property
    def framing(self) -> bytes:
        """The header line that delimits it, line break included; empty where there is no body."""

    @property
    def length(self) -> int | None:
        """Bytes in all; None where only the end will tell (chunked)."""

    @property
    def buffered(self) -> bytes | None:
        """The whole body where it is already here, else None."""

    @property
    def complete(self) -> bool:
        """Whether all of it, its end included, has come and can be read again."""

    @property
    def resendable(self) -> bool:
        """Whether another attempt would send the same bytes from the start."""

    @property
    def trailers(self) -> RawHeaders:
        """The fields behind a chunked body, as they came; known when it has been read."""

    @property
    def received(self) -> int:
        """Bytes read from the client so far."""

    def waited(self, now: float) -> float:
        """Seconds in which the proxy had nothing more of it to send; ``now`` on the loop's clock.

        It waited for the client, or the client was ``held_back``.
        """

    def held_back(self, now: float) -> float:
        """Those of ``waited`` in which the client was still waiting for 100 (Continue)."""

    @property
    def awaited(self) -> bool:
        """Whether the proxy waits for the client right now, with a time limit on that wait."""

    def keep(self, limit: int, *, spool: bool = True) -> None:
        """Keep what is read for another attempt, up to ``limit`` bytes."""

    def proceed(self) -> None:
        """Send 100 (Continue) to a client that waits for it: the body is wanted now.

        Not if the client has been answered already: it need not send the body then.
        """

    def reader(self) -> BodyReader:
        """Reads it from its first byte on, and ends the reader before.

        Raises InternalError where it is not ``resendable``.
        """

    def copy(self) -> "Body | None":
        """A body with the same bytes; None unless this is ``complete`` and in memory."""

    def close(self) -> None:
        """Let go of what was kept, and of the clock."""


def client_waited(body: Body, now: float) -> float:
    """Seconds in which its client could have sent more of it, and did not."""
    return body.waited(now) - body.held_back(now)


def served_since(body: Body, began: float, now: float) -> float:
    """When an attempt would have begun if its client had not been waited for until now.

    ``began``: when it did, less what ``waited`` gave then.
    """
    return min(began + body.waited(now), now)


async def read_whole(body: Body, limit: int, *, spooled: bool = False) -> bytes | None:
    """The whole body; None if it is longer than ``limit`` bytes or has trailers.

    Nor is it given where all bodies in memory take what they may, but from the disk if
    ``spooled``: it is what was kept itself, so it counts among them.
    What was read is kept, so the body can still be sent from its start. Raises ClientError as
    reading does.
    """
    if body.buffered is not None:
        return body.buffered if len(body.buffered) <= limit else None
    if (body.length or 0) > limit:
        return None
    body.keep(limit, spool=True)
    body.proceed()
    reader = body.reader()
    size = 0
    while data := await reader.read():
        size += len(data)
        if size > limit:
            return None
    if body.trailers:
        return None
    if (copy := body.copy()) is not None:
        return copy.buffered
    if not (spooled and body.complete):
        return None
    again = body.reader()
    parts = []
    while data := await again.read():
        parts.append(data)
    return b"".join(parts)


class BytesBody:
    """A body that is all here, or none at all; it never changes."""

    __slots__ = ("buffered", "framing", "length", "trailers")

    resendable: Final = True
    complete: Final = True
    awaited: Final = False

    def __init__(self, whole: bytes = b"", framing: bytes = b"", length: int | None = 0) -> None:
        self.buffered = whole
        self.framing = framing
        self.length = length
        self.trailers: RawHeaders = ()

    @property
    def received(self) -> int:
        """All of it."""
        return len(self.buffered)

    def waited(self, now: float) -> float:
        """No time: it was here from the start."""
        return 0.0

    def held_back(self, now: float) -> float:
        """No time: nobody waited for 100 (Continue)."""
        return 0.0

    def keep(self, limit: int, *, spool: bool = True) -> None:
        """Nothing to do: it is always kept."""

    def proceed(self) -> None:
        """Nothing to do: the client has sent it already."""

    def reader(self) -> "BytesReader":
        """Reads it from its first byte on."""
        return BytesReader(self.buffered)

    def copy(self) -> "BytesBody":
        """Nobody changes it, so all may have the same."""
        return self

    def close(self) -> None:
        """Nothing to do: its memory is freed with its exchange."""


class BytesReader:
    """One pass over bytes that are here."""

    __slots__ = ("_unread",)

    def __init__(self, whole: bytes) -> None:
        self._unread = whole

    async def read(self) -> bytes:
        """All of it, then the end."""
        data, self._unread = self._unread, b""
        return data

    def splice(self, sink: Sink) -> bool:
        """False: its bytes are in memory already."""
        return False


EMPTY: Final = BytesBody()
"""No body."""
