"""A connection as the proxy has it to an upstream, without the proxy around it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientRequest, ClientTimeout
from yarl import URL

from proxy.upstream.connector import Connector, install
from proxy.upstream.http1.protocol import UpstreamProtocol


@asynccontextmanager
async def connected_to(url: str, **request: Any) -> AsyncIterator[UpstreamProtocol]:
    """A connection that a connector has made; ``request``: as ``ClientRequest`` has it."""
    connector = Connector(limit=0)
    install(connector)
    made = ClientRequest("POST", URL(url), **request)
    connection = await connector.connect(made, [], ClientTimeout(connect=30))
    assert isinstance(connection.protocol, UpstreamProtocol)
    try:
        yield connection.protocol
    finally:
        connection.close()
        await connector.close()


@asynccontextmanager
async def connected_pair() -> AsyncIterator[tuple[UpstreamProtocol, socket.socket]]:
    """Our side of a connection, and the socket of a server that does what the test has it do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with connected_to(f"http://127.0.0.1:{listener.getsockname()[1]}") as protocol:
            peer, _ = listener.accept()
            with peer:
                yield protocol, peer
