"""Connections to Redis: one that has ended is seen before it is used. By TCP, the name of Redis is
looked up as all others are."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Final

import redis.asyncio

from proxy.net.look_ups import connected
from proxy.net.trust import same_on_every_python


class _Living(redis.asyncio.connection.AbstractConnection):
    """Made anew where it has ended while nobody used it, or where it is to (`make_anew`).

    redis-py sees that only of some, and hands the others out: no reader that failed is at its end,
    and where Redis may announce its maintenance, the end of a reader is taken for such a message.
    """

    is_to_end = False

    async def connect(self) -> None:
        """Before each use."""
        if self.is_connected and (self.is_to_end or self._has_ended()):
            await self.disconnect(nowait=True)
        self.is_to_end = False
        await super().connect()  # type: ignore[no-untyped-call]  # redis-py says no types

    def _has_ended(self) -> bool:
        reader: Any = self._reader
        writer: Any = self._writer
        return bool(reader.exception() or reader.at_eof() or writer.is_closing())


class Connection(_Living, redis.asyncio.Connection):
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
        context = same_on_every_python(self.ssl_context.get())
        return {**super()._connection_arguments(), "ssl": context, "server_hostname": self.host}


class UnixConnection(_Living, redis.asyncio.UnixDomainSocketConnection):
    """To a Redis on the same machine."""


OURS: Final[dict[Any, Any]] = {
    redis.asyncio.Connection: Connection,
    redis.asyncio.SSLConnection: TlsConnection,
    redis.asyncio.UnixDomainSocketConnection: UnixConnection,
}
"""What takes the place of a class of theirs."""


def make_anew(pool: Any) -> None:
    """Have a name looked up again: idle connections end now, the others before their next use."""
    for connection in pool._in_use_connections:
        connection.is_to_end = True
    for connection in pool._available_connections:
        connection._close()
