"""Accepting one by one: where descriptors are scarce nobody is closed without a word.

uvloop accepts all that wait before it tells of the first, and once no descriptor is left it closes
clients silently. This accepts one by one, and stops for a moment while few are left, or while as
many clients as may be are still to read their refusals: others then wait in the kernel's queue. It
costs a task for each connection, so it is used only there, and where something has to be done
before a connection is one (``edge/entrance``).
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy.core.errors import LocalLimit
from proxy.core.local_limits import complain, local_limit

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; asyncio's 100 refuses bursts."""
PAUSE: Final = 0.05
"""Seconds until the next look, once descriptors are short: others may have been given back."""
ENOUGH: Final = 1.0
"""Seconds after which a silent client makes room for others, where there is none left."""
_AT_ONCE: Final = 16
_GONE: Final = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EINTR})
"""The client has left while it waited (accept(2))."""


@dataclass(slots=True)
class Bounds:
    """Of all that accept for one proxy, which follow them as they change."""

    ceiling: int = 0
    """See ``Descriptors``; zero for none."""
    most: int = 0
    """How many may be on the way to a connection at a time, zero for no bound."""
    room: Callable[[], int] | None = None
    """How many more may be accepted now."""


class Acceptor:
    """Takes the connections of one listening socket."""

    __slots__ = (
        "_admit",
        "_bounds",
        "_evictable",
        "_loop",
        "_pause",
        "_tasks",
        "listening",
    )

    def __init__(
        self,
        listening: socket.socket,
        admit: Callable[[socket.socket], Awaitable[object]],
        bounds: Bounds,
    ) -> None:
        """``listening``: bound, and ours to close; ``admit``: makes a connection of a client."""
        self.listening = listening
        self._admit = admit
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._tasks: dict[asyncio.Task[object], socket.socket] = {}
        """Connections that are being admitted, by the task that does so."""
        self._evictable: dict[asyncio.Task[object], float] = {}
        """Those of them that may have to make room, with the time of their beginning; the first
        first."""
        listening.setblocking(False)
        listening.listen(BACKLOG)
        self._go_on()

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self.listening.fileno())
        self.listening.close()

    @property
    def admitting(self) -> int:
        """How many were accepted and are no connections yet."""
        return len(self._tasks)

    async def settle(self, seconds: float) -> None:
        """Wait for those that are being admitted, and close what is left of them then."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)
        self.cut()

    def cut(self) -> None:
        """Close those that are being admitted."""
        for task in self._tasks:
            task.cancel()

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self.listening.fileno(), self._accept)

    def _rest(self, limit: LocalLimit) -> None:
        complain(limit.kind, f"{limit.detail}; clients wait to be accepted")
        self._loop.remove_reader(self.listening.fileno())
        self._pause = self._loop.call_later(PAUSE, self._go_on)

    def _accept(self) -> None:
        bounds = self._bounds
        if bounds.room is not None and bounds.room() <= 0:  # and somebody waits
            self._evict(self._loop.time() - ENOUGH)
            self._rest(LocalLimit("no file descriptor is left for more clients", kind="accepted"))
            return
        for _ in range(_AT_ONCE):
            if bounds.room is not None and bounds.room() <= 0:
                return
            try:
                client, _ = self.listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _GONE:
                    # Whatever it is, trying again at once would only turn the processor.
                    self._rest(local_limit(error) or LocalLimit(str(error), kind="accept"))
                return
            client.setblocking(False)
            task: asyncio.Task[object] = self._loop.create_task(self._serve(client))
            self._tasks[task] = client
            task.add_done_callback(self._admitted)
            if bounds.most:
                self._make_room(task)
            if bounds.ceiling and client.fileno() >= bounds.ceiling:
                self._rest(LocalLimit("nearly all file descriptors are in use", kind="EMFILE"))
                return

    def _make_room(self, newcomer: asyncio.Task[object]) -> None:
        """If too many are being admitted, close the one that has had the most time."""
        now = self._loop.time()
        self._evictable[newcomer] = now
        if len(self._evictable) > self._bounds.most:
            self._evict(now)

    def _evict(self, before: float) -> None:
        """Close the first of those that began by then, if there is one."""
        oldest, began = next(iter(self._evictable.items()), (None, 0.0))
        if oldest is not None and began <= before:
            del self._evictable[oldest]  # it ends in the next turn: the next one cancels another
            oldest.cancel()

    def _admitted(self, task: asyncio.Task[object]) -> None:
        client = self._tasks.pop(task)
        self._evictable.pop(task, None)
        if task.cancelled():  # perhaps before its first step
            client.close()

    async def _serve(self, client: socket.socket) -> None:
        try:
            await self._admit(client)
        except (OSError, RuntimeError) as error:
            limit = local_limit(error) or LocalLimit(str(error), kind="accept")
            complain(limit.kind, f"{limit.detail}; a client was closed unanswered")
            client.close()
