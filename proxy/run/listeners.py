"""The addresses that clients speak to: all of them, and how they change."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from proxy.edge.connections import ConnectionTracker
from proxy.edge.entrance import Admit, entrance
from proxy.edge.http1.connection import Connection
from proxy.edge.options import ServerOptions
from proxy.run.descriptors import Descriptors
from proxy.run.listener import CannotListen, Listener

log = logging.getLogger(__name__)


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


def asked(server: ServerOptions) -> tuple[str, ...]:
    """The addresses of ``[server] listen``."""
    return (server.listen,) if isinstance(server.listen, str) else server.listen


class Listeners:
    """Those of ``[server] listen``."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        tracker: ConnectionTracker,
        descriptors: Descriptors | None = None,
    ) -> None:
        """``connect`` makes connections, by the options of the moment.

        ``descriptors``: where the process has no more than those.
        """
        self._connect = connect
        self._tracker = tracker
        self._ceiling = self._refused = 0
        if descriptors is not None and descriptors.scarce:
            self._ceiling, self._refused = descriptors.ceiling, descriptors.refused
        self._by_address: dict[str, Listener] = {}
        self._server: ServerOptions | None = None
        self._admit: Admit | None = None

    @property
    def addresses(self) -> list[str]:
        """As they are: with the real ports where 0 was asked for."""
        return [listener.address for listener in self._by_address.values()]

    async def prepare(self, server: ServerOptions) -> Opened:
        """Listen on those addresses that are new.

        Raises CannotListen, and OSError or ValueError where a certificate cannot be used.
        """
        before = self._server
        if before is not None and _same_entrance(before, server):
            admit = self._admit
        else:
            admit = entrance(self._connect, server)
        opened = Opened(server, admit, {})
        try:
            for address in asked(server):
                if address not in self._by_address:
                    listener = opened.new[address] = Listener(address, server)
                    room = self._room if self._refused else None
                    await listener.open(self._connect, self._ceiling, admit, room)
        except BaseException:
            self.abandon(opened)
            raise
        return opened

    def _room(self) -> int:
        """How many more clients may be accepted: to be served, and to be refused."""
        tracker = self._tracker
        left = tracker.limit - len(tracker.connections) + self._refused - len(tracker.refused)
        return left - sum(listener.admitting for listener in self._by_address.values())

    def abandon(self, opened: Opened) -> None:
        """They are not wanted after all."""
        for listener in opened.new.values():
            listener.close()

    async def follow(self, opened: Opened) -> None:
        """Listen where these options say, and as they say; nobody on the way in is lost."""
        found = {**self._by_address, **opened.new}
        self._by_address = {address: found[address] for address in asked(opened.server)}
        before, self._server = self._server, opened.server
        admitted, self._admit = self._admit, opened.admit
        leaving: list[Listener] = []
        for address, listener in found.items():
            if address not in self._by_address:
                leaving.append(listener)
            elif before is None or address in opened.new:
                continue
            elif admitted is not opened.admit or _rights(before) != _rights(opened.server):
                try:
                    await listener.follow(opened.server, self._connect, opened.admit)
                except CannotListen as error:
                    log.error("reload: %s", error)
        await _retire(leaving)

    async def retire(self) -> None:
        """Let those in who have begun to connect, nobody else."""
        await _retire(self._by_address.values())

    def close(self) -> None:
        """Accept no more."""
        for listener in self._by_address.values():
            listener.close()


async def _retire(listeners: Iterable[Listener]) -> None:
    await asyncio.gather(*(listener.retire() for listener in listeners))


def _same_entrance(before: ServerOptions, after: ServerOptions) -> bool:
    """Whether clients come in as before."""
    return all(getattr(before, name) == getattr(after, name) for name in _ENTRANCE)


def _rights(options: ServerOptions) -> tuple[str, str]:
    """Who may use a unix socket."""
    return options.unix_mode, options.unix_owner
