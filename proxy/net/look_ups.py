"""Looks names up in daemon threads of the proxy's own.

The system's resolver may hang for as long as it likes, and cannot be stopped. uvloop asks it in two
threads, so two names that hang would stop everything that needs a look-up, and the end of the loop
would wait for them. Here a name that hangs holds one thread, and nobody waits for that thread.

All who ask for the same name at a time share one look-up. Who leaves does not end it: whoever asks
next finds it under way. At the bound, names wait for a thread, the first to come first.
"""

import asyncio
import socket
import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeAlias

import aiohappyeyeballs

Found: TypeAlias = list[Any]
"""As ``socket.getaddrinfo`` returns it."""

MOST: Final = 64
"""Look-ups at a time, each in a thread: a zone has to have so many names to stop all others."""
REST: Final = 60.0
"""Seconds that a thread stays for the next name: a new one reads the resolver's files first, which
costs ten times what a look-up does. Longer than ``dns_ttl`` is by default."""


class _Asked(NamedTuple):
    """The arguments of ``socket.getaddrinfo``, in its order."""

    host: str
    port: int
    family: int
    type: int
    proto: int
    flags: int


class LookUps:
    """What of a loop aiohttp's resolver uses. Belongs to no loop."""

    def __init__(self, most: int = MOST, rest: float = REST) -> None:
        """``rest``: seconds that a thread waits for more to do."""
        self._most = most
        self._rest = rest
        self._lock = threading.Lock()
        self._threads = 0
        self._queue: SimpleQueue[_Asked] = SimpleQueue()
        self._under_way: dict[_Asked, Future[Found]] = {}
        """Those that wait for a thread too."""

    async def getaddrinfo(
        self,
        host: str,
        port: int,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Found:
        """As that of a loop. An address is never waited for. Raises OSError, or RuntimeError where
        no thread can be started."""
        asked = _Asked(host, port, family, type, proto, flags)
        if ":" in host or host.replace(".", "").isdigit():  # an address: nobody is asked
            return socket.getaddrinfo(*asked._replace(flags=flags | socket.AI_NUMERICHOST))
        return await asyncio.wrap_future(self._begun(asked))

    async def getnameinfo(self, address: Any, flags: int) -> tuple[str, str]:
        """As that of a loop. ``flags``: those for numbers, for which nobody is asked."""
        return socket.getnameinfo(address, flags)

    def _begun(self, asked: _Asked) -> Future[Found]:
        with self._lock:
            if (there := self._under_way.get(asked)) is not None:
                return there
            if len(self._under_way) >= self._threads < self._most:  # none of them is free
                threading.Thread(target=self._run, name="look-up", daemon=True).start()
                self._threads += 1
            begun: Future[Found] = Future()
            begun.set_running_or_notify_cancel()  # who leaves cannot cancel it for others
            self._under_way[asked] = begun
            self._queue.put(asked)
            return begun

    def _run(self) -> None:
        """In a thread."""
        while True:
            try:
                asked = self._queue.get(timeout=self._rest)
            except Empty:
                with self._lock:
                    if self._queue.empty():
                        self._threads -= 1
                        return
                continue
            found, failed = _answer(asked)
            with self._lock:
                ended = self._under_way.pop(asked)
            if failed is not None:
                ended.set_exception(failed)
            else:
                ended.set_result(found)


def _answer(asked: _Asked) -> tuple[Found, Exception | None]:
    """In a function of its own: an error holds the frames that it went through."""
    try:
        return socket.getaddrinfo(*asked), None
    except Exception as error:
        return [], error


LOOK_UPS: Final = LookUps()
"""Those of this process."""


async def connected(host: str, port: int) -> socket.socket:
    """A socket that is connected to one of the addresses of ``host``. Raises OSError."""
    found = await LOOK_UPS.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return await aiohappyeyeballs.start_connection(found)
