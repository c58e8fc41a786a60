"""Clients that leave a connection on which we do not read for now."""

import asyncio
import contextlib
import select
from collections.abc import Callable


class HangupWatcher:
    """Sees a FIN or RST behind bytes that are held back, where a paused transport sees nothing.

    An epoll of its own, asked for the end only, stands in the loop as one readable descriptor.
    Linux; elsewhere the clocks of the body end such an exchange.

    Over TLS a loop closes the descriptor before it says that the connection is lost, and the next
    connection may have the same number by then. So each one forgets what is its own, by ``of``.
    """

    __slots__ = ("_loop", "_poll", "_told")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told: dict[int, tuple[Callable[[], None], object]] = {}
        self._poll = select.epoll() if hasattr(select, "epoll") else None
        if self._poll is not None:
            loop.add_reader(self._poll.fileno(), self._ready)

    def watch(
        self,
        descriptor: int,
        told: Callable[[], None],
        *,
        ended: bool = False,
        of: object = None,
    ) -> None:
        """Call ``told`` when the peer ends the connection.

        ``ended``: it has ended its own side already; only when it is gone for good. ``of``: whose
        descriptor it is.
        """
        if self._poll is None:
            return
        known = self._told.get(descriptor)
        if known is not None:
            if known[1] is of and not ended:
                return
            self._drop(descriptor)
        self._told[descriptor] = told, of
        # Resets are reported unasked, and so is a unix socket that is closed.
        self._poll.register(descriptor, 0 if ended else select.EPOLLRDHUP)

    def forget(self, descriptor: int, of: object = None) -> None:
        """Watch it no more, if it is watched for this one; it may be closed by now."""
        known = self._told.get(descriptor)
        if known is not None and known[1] is of:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        del self._told[descriptor]
        if self._poll is not None:
            with contextlib.suppress(OSError):  # a closed one has left by itself
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
            known = self._told.get(descriptor)
            if known is not None:
                self._drop(descriptor)
                known[0]()
