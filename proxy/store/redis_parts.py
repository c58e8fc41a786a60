"""Bodies in Redis that are longer than a part: each part has a key of its own.

Parts are written before the entry that names them, and outlast it: an entry whose parts have
expired would be a reply that is cut behind its head.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from proxy.store.parts import PIECE
from proxy.store.redis_calls import RedisCalls, as_bytes
from proxy.store.redis_entry import SPARE, Names
from proxy.store.redis_scripts import LENGTHEN
from proxy.store.seals import intact, sealed

_AT_A_TIME: Final = 16
"""Parts that are written within the time for one write: 1 MiB."""
_LENGTHENED: Final = 500
"""Parts that one script lengthens; Redis does nothing else meanwhile."""


class RedisParts:
    """The parts of bodies in Redis."""

    __slots__ = ("_calls", "_client", "_lengthen", "_names")

    def __init__(self, calls: RedisCalls, names: Names) -> None:
        self._calls = calls
        self._client = calls.client
        self._lengthen = calls.client.register_script(LENGTHEN)
        self._names = names

    async def read(self, ident: bytes, number: int, *, first: bool) -> bytes | None:
        """One of them; None where it is not there, or not as it was written. Raises StoreFailed
        where Redis fails.

        ``first``: nothing of the reply has been sent, so that a Redis that is slow means a miss.
        """
        ask = self._calls.ask if first else self._calls.insist

        async def get() -> bytes | None:
            found = await self._client.get(self._names.part(ident, number))
            return None if found is None else intact(as_bytes(found), ident, number)

        return await ask(get)

    async def write(self, ident: bytes, pieces: list[bytes], lasts: int) -> bool:
        """All of them; whether that has succeeded. Each MiB has the time of one write."""

        async def some(begin: int) -> bool:
            async with self._client.pipeline(transaction=False) as pipe:
                for number, piece in enumerate(pieces[begin : begin + _AT_A_TIME], begin):
                    text = sealed(piece, ident, number)
                    pipe.set(self._names.part(ident, number), text, ex=lasts + SPARE)
                await pipe.execute()
            return True

        for begin in range(0, len(pieces), _AT_A_TIME):
            if not await self._calls.quietly(partial(some, begin)):
                return False
        return True

    async def lengthen(self, ident: bytes, size: int, lasts: int) -> None:
        """Let those of a body of this ``size`` last so many seconds at least, and never less."""
        for names in self._all(ident, size):
            await self._lengthen(names, [lasts + SPARE])

    async def remove(self, ident: bytes, size: int) -> None:
        """Remove the parts of an entry that nobody finds."""
        for names in self._all(ident, size):
            await self._client.delete(*names)

    def _all(self, ident: bytes, size: int) -> Iterator[list[bytes]]:
        count = -(-size // PIECE)
        for begin in range(0, count, _LENGTHENED):
            end = min(begin + _LENGTHENED, count)
            yield [self._names.part(ident, number) for number in range(begin, end)]
