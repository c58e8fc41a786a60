"""How connections are made: by the connector of aiohttp, with a protocol and a shortcut of ours."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, TypeAlias

import aiohappyeyeballs
import aiohttp
from aiohttp import (
    BaseConnector,
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientRequest,
    ClientTimeout,
    TCPConnector,
)
from aiohttp.abc import ResolveResult
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.tracing import Trace

from proxy.net.below_tls import stand_below
from proxy.net.lost_hosts import LostHosts
from proxy.net.sockets import GONE, TcpInfo
from proxy.upstream.http1.protocol import UpstreamProtocol

Factory: TypeAlias = Callable[[], UpstreamProtocol]

FIRST_WORDS: Final[ContextVar[bytes]] = ContextVar("first_words", default=b"")
"""What the connection that is being made says ahead of its TLS handshake."""
UNACKNOWLEDGED: Final = 60.0
"""Seconds after which a server that acknowledges nothing is gone. However long an API thinks about
a request, its kernel has taken it, and another server can be asked; by then it was sent six times
as a rule. A connection on which nothing at all was taken may wait in the queue of a server that is
busy, which drops what is sent on it, for 63 s as a rule (tcp_synack_retries): it has ``GONE``."""
_SYN: Final = 1
"""Counts as a byte that was acknowledged."""
RACE: Final = 0.25
"""Seconds after which the next address of a name is tried beside the first (RFC 8305)."""


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
        factory = args[0]
        first_words = FIRST_WORDS.get()
        if context := kwargs.pop("ssl", None):
            return await self._over_tls(
                factory, context, first_words, addr_infos=addr_infos, req=req, **kwargs
            )
        if first_words:
            introduce = partial(self._introduced, first_words, addr_infos, req, **kwargs)
            return await _connected(factory, introduce)
        (family, _, _, _, address), *others = addr_infos
        if others or family != socket.AF_INET:
            connect = super()._wrap_create_connection
            return await _connected(
                factory, lambda made: connect(made, addr_infos=addr_infos, req=req, **kwargs)
            )
        try:
            return await _connected(
                factory, lambda made: self._loop.create_connection(made, *address)
            )
        except OSError as error:
            raise ClientConnectorError(req.connection_key, error) from error

    async def _over_tls(
        self,
        factory: Any,
        context: ssl.SSLContext,
        first_words: bytes,
        *,
        req: ClientRequest,
        server_hostname: str | None,
        **kwargs: Any,
    ) -> Any:
        """In two steps: what a lost connection holds is read below TLS, see ``net/below_tls``."""
        tcp, _ = await super()._wrap_create_connection(asyncio.Protocol, req=req, **kwargs)
        protocol = factory()
        if first_words and not tcp.is_closing():
            tcp.write(first_words)
        try:
            if tcp.is_closing():  # a handshake on it fails in a callback: nobody learns of it
                raise ConnectionResetError("the server ended the connection at once")
            shaking = self._loop.start_tls(tcp, protocol, context, server_hostname=server_hostname)
            transport = await shaking
        except ssl.CertificateError as error:
            raise ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise ClientConnectorSSLError(req.connection_key, error) from error
        except OSError as error:
            raise ClientConnectorError(req.connection_key, error) from error
        stand_below(tcp)
        protocol.connection_made(transport)
        return transport, protocol

    async def _introduced(
        self,
        first_words: bytes,
        infos: list[Any],
        req: ClientRequest,
        factory: Any,
        *,
        client_error: type[OSError] = ClientConnectorError,
        **_: Any,
    ) -> Any:
        """Connect as aiohttp does, and say something before anything else."""
        try:
            sock = await aiohappyeyeballs.start_connection(
                infos, happy_eyeballs_delay=RACE, loop=self._loop
            )
            try:
                await self._loop.sock_sendall(sock, first_words)
            except BaseException:
                sock.close()
                raise
            return await self._loop.create_connection(factory, sock=sock)
        except OSError as error:
            if error.errno is None and isinstance(error, TimeoutError):
                raise
            raise client_error(req.connection_key, error) from error


class UnixConnector(aiohttp.UnixConnector):
    """As aiohttp's, and lets go of a connection whose attempt is cancelled while it is made."""

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - as aiohttp has it
    ) -> Any:
        try:
            _, protocol = await _connected(
                self._factory,
                lambda made: self._loop.create_unix_connection(made, self.path),
            )
        except OSError as error:
            raise UnixClientConnectorError(self.path, req.connection_key, error) from error
        return protocol


async def _connected(
    factory: Any, connect: Callable[[Factory], Awaitable[tuple[Any, Any]]]
) -> tuple[Any, Any]:
    """What ``connect`` makes: a transport and its protocol.

    If the attempt is cancelled at the moment at which the connection stands, uvloop closes it and
    does not call ``connection_lost``: the protocol is told here.
    """
    made: list[UpstreamProtocol] = []

    def make() -> UpstreamProtocol:
        made.append(factory())
        return made[-1]

    try:
        return await connect(make)
    except BaseException:
        for protocol in made:
            protocol.never_used()
        raise


def install(connector: BaseConnector) -> None:
    """Have a connector of aiohttp make connections of ours."""
    loop = asyncio.get_running_loop()
    connector._factory = partial(  # type: ignore[assignment]
        UpstreamProtocol, loop=loop, lost_hosts=LostHosts(loop, _patience)
    )


def _patience(info: TcpInfo) -> float:
    """Seconds for which a server may acknowledge nothing of what it is sent."""
    return UNACKNOWLEDGED if info.acknowledged > _SYN else GONE
