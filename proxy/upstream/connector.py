"""How connections are made: by the connector of aiohttp, with a protocol and a shortcut of ours."""

import asyncio
import collections
import functools
import socket
from typing import Any

from aiohttp import (
    BaseConnector,
    ClientConnectorError,
    ClientRequest,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import ResolveResult

from proxy.upstream.wire import UpstreamProtocol


class WatchedResolver(ThreadedResolver):
    """Knows what it is looking up, so that a look-up that hangs can be told from a connect."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: collections.Counter[str] = collections.Counter()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look up ``host``; see ThreadedResolver."""
        self.pending[host] += 1
        try:
            return await super().resolve(host, port, family)
        finally:
            self.pending[host] -= 1
            if not self.pending[host]:
                del self.pending[host]


class Connector(TCPConnector):
    """Has the loop connect to a plain address: a third of the cost of a new connection.

    aiohttp makes a socket, races addresses and hands the winner to the loop, which is for names
    with several.
    """

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: list[Any], req: ClientRequest, **kwargs: Any
    ) -> Any:
        (family, _, _, _, address), *others = addr_infos
        if others or family != socket.AF_INET or kwargs.get("ssl"):
            return await super()._wrap_create_connection(
                *args, addr_infos=addr_infos, req=req, **kwargs
            )
        try:
            return await self._loop.create_connection(args[0], *address)
        except OSError as error:
            raise ClientConnectorError(req.connection_key, error) from error


def install(connector: BaseConnector) -> None:
    """Have a connector of aiohttp make connections of ours."""
    connector._factory = functools.partial(  # type: ignore[assignment]
        UpstreamProtocol, loop=asyncio.get_running_loop()
    )
