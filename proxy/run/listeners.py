"""The addresses that clients speak to: all of them, and how they change."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.edge.entrance import Admit, entrance
from proxy.edge.http1.connection import Connection
from proxy.edge.options import ServerOptions
from proxy.run.listener import CannotListen, Listener, rights

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

    def __init__(self, connect: Callable[[], Connection], ceiling: int = 0) -> None:
        """``connect`` makes connections, by the options of the moment.

        ``ceiling``: see ``Listener.open``.
        """
        self._connect = connect
        self._ceiling = ceiling
        self._by_address: dict[str, Listener] = {}
        self._server: ServerOptions | None = None
        self._admit: Admit | None = None
        self._leaving: set[asyncio.Task[None]] = set()

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
                    listener = Listener(address, server)
                    await listener.open(self._connect, self._ceiling, admit)
                    opened.new[address] = listener
        except BaseException:
            self.abandon(opened)
            raise
        return opened

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
        for address, listener in found.items():
            if address not in self._by_address:
                task = asyncio.get_running_loop().create_task(listener.retire())
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)
            elif before is None or address in opened.new:
                continue
            elif admitted is not opened.admit or rights(before) != rights(opened.server):
                try:
                    await listener.follow(opened.server, self._connect, opened.admit)
                except CannotListen as error:
                    log.error("reload: %s", error)

    async def retire(self) -> None:
        """Let those in who have begun to connect, nobody else."""
        await asyncio.gather(
            *self._leaving, *(listener.retire() for listener in self._by_address.values())
        )

    def close(self) -> None:
        """Accept no more."""
        for listener in self._by_address.values():
            listener.close()


def _same_entrance(before: ServerOptions, after: ServerOptions) -> bool:
    """Whether clients come in as before."""
    return all(getattr(before, name) == getattr(after, name) for name in _ENTRANCE)
