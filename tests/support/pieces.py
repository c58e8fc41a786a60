"""A reply whose body comes in pieces."""

import asyncio

from proxy.core.errors import ReplyBroken
from proxy.core.reply import Ending, Reply
from proxy.http.fields import RawHeaders


class Pieces:
    """A body that comes in pieces, a second apart; it may break at its end."""

    buffered: bytes | None = None

    def __init__(
        self, *pieces: bytes, error: Exception | None = None, first_after: float = 1
    ) -> None:
        self._pieces = list(pieces)
        self._first_after = first_after
        self._error = error
        self.reads = 0
        self.ending: Ending | None = None

    async def read(self) -> bytes:
        """The next one."""
        self.reads += 1
        await asyncio.sleep(1 if self.reads > 1 else self._first_after)
        if self._pieces:
            return self._pieces.pop(0)
        if self._error is not None:
            raise self._error
        return b""

    def close(self, ending: Ending) -> None:
        """Remember how it ended."""
        self.ending = ending


def streaming(pieces: Pieces, headers: RawHeaders = ()) -> Reply:
    return Reply(200, headers, pieces)


async def body(answer: Reply) -> bytes:
    """All of it; the reply is closed."""
    parts = []
    try:
        while part := await answer.read():
            parts.append(part)
    except ReplyBroken:
        answer.close(Ending.BROKEN)
        raise
    answer.close(Ending.COMPLETE)
    return b"".join(parts)
