"""How connections are made: by the connector of aiohttp, with a protocol and a shortcut of ours."""

import asyncio
import functools
import socket
from collections.abc import Sequence
from typing import Any

from aiohttp import (
    BaseConnector,
    ClientConnectorError,
    ClientRequest,
    TCPConnector,
)
from aiohttp.abc import ResolveResult
from aiohttp.tracing import Trace

from proxy.upstream.http1.protocol import UpstreamProtocol


class Connector(TCPConnector):
    """Has the loop connect to a plain address: a third of the cost of a new connection.

    aiohttp makes a socket, races addresses and hands the winner to the loop, which is for names
    with several.
    """

    def __init__(self, **options: Any) -> None:
        """As TCPConnector."""
        super().__init__(**options)
        self.alternatives: dict[str, tuple[str, ...]] = {}
        """Addresses of the other family, by address: tried a little later (RFC 8305)."""

    async def _resolve_host(
        self, host: str, port: int, traces: Sequence[Trace] | None = None
    ) -> list[ResolveResult]:
        found = await super()._resolve_host(host, port, traces)
        others = self.alternatives.get(host)
        if not others:
            return found
        more: list[Any] = [{**found[0], "hostname": ip, "host": ip} for ip in others]
        return [*found, *more]

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
