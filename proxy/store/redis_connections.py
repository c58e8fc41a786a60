"""Connections to Redis by TCP: its name is looked up as all others are."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Final

import redis.asyncio

from proxy.net.look_ups import connected


class Connection(redis.asyncio.Connection):
    """Made on a socket that is connected already."""

    _socket: socket.socket | None = None

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            self._socket = await connected(self.host, self.port)
        try:
            await super()._connect()  # type: ignore[no-untyped-call]  # redis-py says no types
        except BaseException:
            self._socket.close()
            raise
        finally:
            self._socket = None

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {"sock": self._socket}


class TlsConnection(Connection, redis.asyncio.SSLConnection):
    """The same, over TLS."""

    def _connection_arguments(self) -> Mapping[str, Any]:
        context = self.ssl_context.get()
        return {**super()._connection_arguments(), "ssl": context, "server_hostname": self.host}


OURS: Final[dict[Any, Any]] = {
    redis.asyncio.Connection: Connection,
    redis.asyncio.SSLConnection: TlsConnection,
}
"""What takes the place of a class of theirs."""
