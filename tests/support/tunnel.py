"""A client that has gone over to another protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.client import RawClient
from tests.support.peer import Peer, Speak
from tests.support.proxy import Proxy, proxied

OFFER = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
WEBSOCKET = OFFER % b"websocket"
GOING_AWAY = b"\x88\x02\x03\xe9"


def frame(payload: bytes, *, opcode: int = 2, mask: bytes = b"") -> bytes:
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes([0x80 | opcode, bit | size])
    elif size < 1 << 16:
        head = bytes([0x80 | opcode, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, bit | 127]) + size.to_bytes(8, "big")
    return head + mask + payload


@asynccontextmanager
async def tunnel(
    speak: Speak,
    protocol: bytes = b"websocket",
    *,
    early: bytes = b"",
    sent: bytes = b"",
    **tables: Any,
) -> AsyncIterator[tuple[RawClient, Peer, Proxy]]:
    """A client that has come through its handshake; ``sent`` in one piece with its request."""
    async with (
        Peer(speak, protocol, early=early) as peer,
        proxied(peer.url, **tables) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(OFFER % protocol + sent)
        head = await client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n"), head
        assert b"\r\nConnection: Upgrade\r\n" in head
        assert b"\r\nUpgrade: %b\r\n" % protocol in head
        yield client, peer, proxy
