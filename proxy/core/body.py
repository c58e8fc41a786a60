"""The body of a request, as what forwards it sees it."""

from typing import Final, Protocol

CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"


class Body(Protocol):
    """A request body that is read once, or again from the start where it was kept."""

    @property
    def framing(self) -> bytes:
        """The header line that delimits it, line break included; empty where there is no body."""

    @property
    def length(self) -> int | None:
        """Bytes in all; None where only the end will tell (chunked)."""

    @property
    def finished(self) -> bytes | None:
        """The whole body where it is already here, else None."""

    @property
    def resendable(self) -> bool:
        """Whether another attempt would send the same bytes from the start."""

    @property
    def received(self) -> int:
        """Bytes read from the client so far."""

    def waited(self, now: float) -> float:
        """Seconds that the client was waited for; ``now`` is on the loop's clock."""

    def keep(self, limit: int, *, spool: bool = True) -> None:
        """Keep what is read for another attempt, up to ``limit`` bytes."""

    def proceed(self) -> None:
        """The upstream wants it: a client that waits to be told so is told."""

    def rewind(self) -> None:
        """Start again. Only where ``resendable``."""

    def copy(self) -> "Body | None":
        """Another one with the same bytes, where all of them are in memory."""

    def close(self) -> None:
        """Let go of what was kept, and of the clock."""

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end.

        Raises ClientError where the client stalls, drips, exceeds a limit or breaks its framing.
        """


class BytesBody:
    """A body that is all here, or none at all."""

    __slots__ = ("_unread", "finished", "framing", "length")

    resendable: Final = True

    def __init__(self, whole: bytes = b"", framing: bytes = b"", length: int | None = 0) -> None:
        self.finished = whole
        self.framing = framing
        self.length = length
        self._unread = whole

    @property
    def received(self) -> int:
        """All of it."""
        return len(self.finished)

    def waited(self, now: float) -> float:
        """It was here."""
        return 0.0

    def keep(self, limit: int, *, spool: bool = True) -> None:
        """It is kept anyway."""

    def proceed(self) -> None:
        """It is here."""

    def rewind(self) -> None:
        """Start again."""
        self._unread = self.finished

    def copy(self) -> "BytesBody":
        """Another one with the same bytes; no body is as good as another."""
        return BytesBody(self.finished, self.framing, self.length) if self.framing else self

    def close(self) -> None:
        """It goes with its exchange."""

    async def read(self) -> bytes:
        """All of it, then the end."""
        data, self._unread = self._unread, b""
        return data


EMPTY: Final = BytesBody()
