"""Connections of sockets that were accepted."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any


async def connect(factory: Callable[[], asyncio.BaseProtocol], client: socket.socket) -> None:
    """As ``loop.connect_accepted_socket``; cancelling it ends the connection properly.

    uvloop only closes the socket then. A protocol that was told of its connection is not told of
    its end, and would hold for ever what it has taken.
    """
    loop = asyncio.get_running_loop()
    making = loop.create_task(loop.connect_accepted_socket(factory, client))
    try:
        await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_abort)
        raise


def _abort(making: asyncio.Task[tuple[Any, Any]]) -> None:
    if not making.cancelled() and making.exception() is None:
        transport, _ = making.result()
        transport.abort()
