"""Clients that leave a connection on which we do not read for now."""

import asyncio
import select
from collections.abc import Callable


class HangupWatcher:
    """Sees a FIN or RST behind bytes that are held back, where a paused transport sees nothing.

    An epoll of its own, asked for the end only, stands in the loop as one readable descriptor.
    Linux; elsewhere the clocks of the body end such an exchange.
    """

    __slots__ = ("_loop", "_poll", "_told")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told: dict[int, Callable[[], None]] = {}
        self._poll = select.epoll() if hasattr(select, "epoll") else None
        if self._poll is not None:
            loop.add_reader(self._poll.fileno(), self._ready)

    def watch(self, descriptor: int, told: Callable[[], None], *, ended: bool = False) -> None:
        """Call ``told`` when the peer ends the connection.

        ``ended``: it has ended its own side already; only when it is gone for good.
        """
        if self._poll is not None and (ended or descriptor not in self._told):
            self.forget(descriptor)
            self._told[descriptor] = told
            # Resets are reported unasked, and so is a unix socket that is closed.
            self._poll.register(descriptor, 0 if ended else select.EPOLLRDHUP)

    def forget(self, descriptor: int) -> None:
        """Watch it no more; to be called before it is closed."""
        if self._told.pop(descriptor, None) is not None and self._poll is not None:
            self._poll.unregister(descriptor)

    def close(self) -> None:
        """Let go of the loop."""
        if self._poll is not None:
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None

    def _ready(self) -> None:
        assert self._poll is not None
        for descriptor, _ in self._poll.poll(0):
            told = self._told.get(descriptor)
            self.forget(descriptor)
            if told is not None:
                told()
