"""What a worker serves on: sockets that its parent has bound, and its inbox."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from proxy.edge.connections import ConnectionTracker, Observer, Tracked
from proxy.edge.entrance import Admit
from proxy.net.sockets import drop_handshakes
from proxy.run.sockets.acceptor import Acceptor, Bounds
from proxy.run.sockets.listener import ADMITTING, CONNECTING, Listener
from proxy.run.workers.balance import Balance


class Accepting:
    """A worker's end of one address, or its inbox, as a ``Listener`` is without workers."""

    def __init__(self, sockets: Iterable[Any]) -> None:
        """``sockets``: ours to close."""
        self._sockets = list(sockets)
        self._acceptors: list[Acceptor] = []

    def open(self, admit: Admit, bounds: Bounds) -> None:
        """Accept; see ``Acceptor``."""
        self._acceptors = [Acceptor(one, admit, bounds) for one in self._sockets]

    @property
    def admitting(self) -> int:
        """How many were accepted and are no connections yet."""
        return sum(acceptor.admitting for acceptor in self._acceptors)

    async def retire(self) -> None:
        """Let those in who have begun to connect, nobody else, then close."""
        for one in self._sockets:
            drop_handshakes(one)
        await asyncio.sleep(CONNECTING)
        await self.leave()

    async def leave(self) -> None:
        """Accept no more, where another worker goes on; let those in who were accepted."""
        acceptors = self._stop()
        await asyncio.gather(*(acceptor.settle(ADMITTING) for acceptor in acceptors))

    def close(self) -> None:
        """Accept no more; connections go on, who is on the way to one does not."""
        for acceptor in self._stop():
            acceptor.cut()

    def _stop(self) -> list[Acceptor]:
        acceptors, self._acceptors = self._acceptors, []
        for acceptor in acceptors:
            acceptor.close()
        for one in self._sockets:  # they may never have been opened
            one.close()
        self._sockets = []
        return acceptors


class Inherited:
    """All of it."""

    def __init__(self, instance: str, listeners: Mapping[str, Accepting], balance: Balance) -> None:
        """``instance``: the id in Via, the same for all workers; ``listeners``: by address."""
        self.instance = instance
        self._inbox = Accepting([balance.inbox])
        self._named = dict(listeners)
        self._offered: dict[str, Accepting] = {}
        self._borrowed: dict[int, tuple[Accepting, Accepting]] = {}
        """Of slots without a worker, see ``loans``."""
        self._open: Callable[[Accepting], None]
        self._open_inbox: Callable[[Accepting], None]
        self._balance = balance

    @property
    def listeners(self) -> tuple[Accepting, ...]:
        """All, the inbox too."""
        borrowed = chain.from_iterable(self._borrowed.values())
        return *self._named.values(), *borrowed, self._inbox

    def tracker(self, limit: int, observers: tuple[Observer, ...]) -> ConnectionTracker:
        """One that says how many connections there are."""
        return CountedTracker(limit, observers, self._balance)

    def open(self, admit: Admit, bounds: Bounds) -> None:
        """Take connections; see ``Acceptor``. Raises CannotListen."""
        spread = self._balance.spread(admit)
        self._open = lambda listener: listener.open(spread, bounds)
        for address, listener in self._named.items():
            try:
                self._open(listener)
            except OSError as error:  # another listener may have it: the parent has only bound it
                raise Listener(address).cannot_listen(error) from error
        self._open_inbox = lambda inbox: inbox.open(self._balance.here(admit), bounds)
        self._open_inbox(self._inbox)
        self._balance.open()

    async def borrow(
        self, slot: int, sockets: Iterable[socket.socket], inbox: socket.socket
    ) -> None:
        """Take the connections of a slot without a worker, too. Raises OSError."""
        await self.give_back(slot)
        queues, handed = Accepting(sockets), Accepting([self._balance.inbox_of(slot, inbox)])
        self._borrowed[slot] = queues, handed
        self._open(queues)
        self._open_inbox(handed)

    async def give_back(self, *slots: int) -> None:
        """Leave them to others; of all where none is named."""
        ended: list[Accepting] = []
        for slot in slots or tuple(self._borrowed):
            ended += self._borrowed.pop(slot, ())
        await asyncio.gather(*(one.leave() for one in ended))

    def offer(self, listeners: Mapping[str, Accepting]) -> None:
        """Addresses that a reload may ask for, in the place of those that it was offered before."""
        before, self._offered = self._offered, dict(listeners)
        for listener in before.values():
            listener.close()

    def lacks(self, addresses: Iterable[str]) -> list[str]:
        """Those that there is no socket for."""
        return [each for each in addresses if each not in {*self._named, *self._offered}]

    async def follow(self, addresses: Iterable[str]) -> None:
        """Take connections at these addresses; where others were, let those in who wait there."""
        await self.give_back()
        before, self._named = self._named, {}
        for address in addresses:
            listener = before.pop(address, None)
            if listener is None:
                self._open(listener := self._offered.pop(address))
            self._named[address] = listener
        await asyncio.gather(*(listener.retire() for listener in before.values()))

    async def retire(self, *, replaced: bool) -> None:
        """Take no more. ``replaced``: another worker goes on with the sockets."""
        self._balance.close(replaced=replaced)
        if replaced:
            await self.give_back()
        queues = (*self._named.values(), *(queue for queue, _ in self._borrowed.values()))
        await asyncio.gather(*(one.leave() if replaced else one.retire() for one in queues))
        # What others sent before they saw that nothing is taken here.
        await asyncio.sleep(0 if replaced else CONNECTING)
        await self.give_back()
        await self._inbox.leave()

    def close(self) -> None:
        """Take no more, and cut who is on the way to a connection."""
        self._balance.close()
        for listener in (*self.listeners, *self._offered.values()):
            listener.close()


class CountedSet(set[Tracked]):
    """Says when a connection comes in."""

    def __init__(self, made: Callable[[], None]) -> None:
        super().__init__()
        self._made = made

    def add(self, connection: Tracked) -> None:
        """As of a set."""
        super().add(connection)
        self._made()


class CountedTracker(ConnectionTracker):
    """Says how many connections there are, whenever one has begun or ended."""

    __slots__ = ("_balance",)

    def __init__(self, limit: int, observers: tuple[Observer, ...], balance: Balance) -> None:
        super().__init__(limit, observers)
        self._balance = balance
        balance.connections = self.connections = CountedSet(balance.made)

    def disconnected(self, connection: Tracked) -> None:
        """A connection has ended."""
        super().disconnected(connection)
        self._balance.publish()
