"""The addresses that clients speak to: all of them, and how they change."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.edge.connections import ConnectionTracker
from proxy.edge.entrance import Admit, entrance
from proxy.edge.http1.connection import Connection
from proxy.edge.options import ServerOptions
from proxy.net.accepted import connect
from proxy.run.descriptors import Descriptors
from proxy.run.reasons import CannotListen
from proxy.run.sockets.acceptor import Bounds
from proxy.run.sockets.listener import Listener
from proxy.run.sockets.unix import Undo, put_back

if TYPE_CHECKING:
    from proxy.run.workers.inherited import Inherited

_ENTRANCE: Final = (
    "tls",
    "proxy_protocol",
    "trusted_proxies",
    "request_headers_timeout",
    "write_idle_timeout",
)
"""Options that ``edge/entrance`` reads."""


class Opened(NamedTuple):
    """What it takes to listen by other options."""

    server: ServerOptions
    admit: Admit | None
    new: dict[str, Listener]
    undo: list[Undo]
    """What puts back mode and owner of unix sockets that stay: they were changed at once, since
    that may fail."""


class Listeners:
    """The listeners of ``[server] listen``."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        tracker: ConnectionTracker,
        descriptors: Descriptors | None,
        inherited: "Inherited | None",
    ) -> None:
        """``connect`` makes connections, by the options of the moment.

        ``descriptors``: where the process has no more than those. ``inherited``: what a worker
        serves on in place of addresses of its own.
        """
        self._inherited = inherited
        self._connect = connect
        self._tracker = tracker
        self._descriptors = descriptors
        self._bounds = Bounds()
        self._by_address: dict[str, Listener] = {}
        self._server: ServerOptions | None = None
        self._admit: Admit | None = None

    @property
    def addresses(self) -> list[str]:
        """As they are, see ``Listener.addresses``."""
        return [each for one in self._by_address.values() for each in one.addresses]

    @property
    def by_address(self) -> dict[str, list[str]]:
        """The same, by what was asked for."""
        return {asked: one.addresses for asked, one in self._by_address.items()}

    async def prepare(self, server: ServerOptions) -> Opened:
        """Listen on those addresses that are new.

        Raises CannotListen, and OSError or ValueError where a certificate cannot be used.
        """
        before = self._server
        if before is not None and _same_entrance(before, server):
            admit = self._admit
        else:
            admit = entrance(self._connect, server)
        opened = Opened(server, admit, {}, [])
        if before is None:
            self._bound(opened)
        if self._inherited is not None and (lacking := self._inherited.lacks(server.addresses)):
            raise CannotListen(f"cannot listen on {lacking[0]}: the parent has not handed it over")
        try:
            for address in server.addresses if self._inherited is None else ():
                if (known := self._by_address.get(address)) is not None:
                    opened.undo.append(known.change_rights(server))
                    continue
                listener = opened.new[address] = Listener(address, server)
                await listener.open(self._connect, admit, self._bounds)
        except BaseException:
            self.abandon(opened)
            raise
        return opened

    def _bound(self, opened: Opened) -> None:
        """Let in, and have on the way in, as many as these options and the descriptors allow."""
        asked, found, bounds = opened.server.max_connections, self._descriptors, self._bounds
        # Only what may be silent has to make room; others are connections in a moment.
        bounds.most = asked if opened.admit is not None else 0
        self._tracker.limit = asked
        if found is None:
            return
        self._tracker.limit = found.connections(asked)
        scarce = found.scarce(asked)
        bounds.ceiling = found.ceiling if scarce else 0
        bounds.room = partial(self._room, found.refused) if scarce else None
        if self._server is None or self._server.max_connections != asked:
            found.warn_if_few(asked)

    def _room(self, refused: int) -> int:
        """How many more clients may be accepted: to be served, and so many to be refused."""
        tracker = self._tracker
        left = tracker.limit - len(tracker.connections) + refused - len(tracker.refused)
        own = list(self._by_address.values())
        listeners = own if self._inherited is None else self._inherited.listeners
        return left - sum(listener.admitting for listener in listeners)

    def abandon(self, opened: Opened) -> None:
        """They are not wanted after all."""
        put_back(opened.undo)
        for listener in opened.new.values():
            listener.close()

    async def follow(self, opened: Opened) -> None:
        """Listen where these options say, and as they say; nobody on the way in is lost."""
        before, scarce = self._server, self._bounds.ceiling
        if before is not None:
            self._bound(opened)
        self._server = opened.server
        admitted, self._admit = self._admit, opened.admit
        if self._inherited is not None:
            if before is None:
                self._inherited.open(self._let_in, self._bounds)
            else:
                await self._inherited.follow(opened.server.addresses)
            return
        found = {**self._by_address, **opened.new}
        self._by_address = {address: found[address] for address in opened.server.addresses}
        entrance_changed = admitted is not opened.admit
        leaving: list[Listener] = []
        for address, listener in found.items():
            if address not in self._by_address:
                leaving.append(listener)
            elif before is None:
                continue
            elif scarce != self._bounds.ceiling or (address not in opened.new and entrance_changed):
                await listener.follow(self._connect, opened.admit)
        await _retire(leaving)

    async def _let_in(self, client: socket.socket) -> None:
        if self._admit is not None:
            await self._admit(client)
        else:
            await connect(self._connect, client)

    async def retire(self, *, replaced: bool = False) -> None:
        """Let those in who have begun to connect, nobody else.

        ``replaced``: another worker goes on with the sockets.
        """
        if self._inherited is not None:
            await self._inherited.retire(replaced=replaced)
        await _retire(self._by_address.values())

    def close(self) -> None:
        """Accept no more."""
        if self._inherited is not None:
            self._inherited.close()
        for listener in self._by_address.values():
            listener.close()


async def _retire(listeners: Iterable[Listener]) -> None:
    await asyncio.gather(*(listener.retire() for listener in listeners))


def _same_entrance(before: ServerOptions, after: ServerOptions) -> bool:
    """Whether clients come in as before."""
    return all(getattr(before, name) == getattr(after, name) for name in _ENTRANCE)
