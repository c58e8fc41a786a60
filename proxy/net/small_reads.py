"""Small reads from a peer whose bytes somebody else may take slowly.

uvloop reads up to 256 KB at a time, and what was read is somebody's to hold: a reply of 30 MB that
its client does not read cost 520 KiB, one read waiting to be written and one behind it. Bodies
that go on and on are read through ``SmallReads`` instead: 128 KiB at a time, and the more peers
stall at the same time, the less, so that all of them together stay within what one process may
take. No more than that is read ahead of the writer (``limit_read_ahead``). Nobody waits for a
stranger that stalls: a peer that takes its bytes is served, in smaller pieces.
"""

import asyncio
from typing import Final, Protocol, cast

LARGEST: Final = 128 << 10
"""Bytes of a read. Half of it costs a fifth more processor time for each byte of a long body."""
SMALLEST: Final = 4 << 10
"""Bytes of a read while thousands stall."""
TOTAL: Final = 8 << 20
"""Bytes that the reads of all that stall may come to: from 64 of them on each is smaller."""
HIGH_WATER: Final = 4 << 10
"""Bytes that may wait to be written before whoever writes has to wait: less than one read."""

_ROOM: Final = memoryview(bytearray(LARGEST))
"""Where a read goes. One for all: what has been read leaves it before anything else is read."""


class StalledPeers:
    """How many exchanges wait for a peer to take what was written."""

    __slots__ = ("count", "size")

    def __init__(self) -> None:
        self.count = 0
        self.size = LARGEST
        """Bytes of the next read."""

    def __enter__(self) -> None:
        self._moved(1)

    def __exit__(self, *_: object) -> None:
        self._moved(-1)

    def _moved(self, by: int) -> None:
        self.count += by
        self.size = max(SMALLEST, min(LARGEST, TOTAL // max(self.count, 1)))


STALLED_PEERS: Final = StalledPeers()
"""Of this process; there is one memory."""


def limit_read_ahead(reader: object) -> None:
    """Have aiohttp read no more ahead of who reads this body than one read is, while others stall.

    For good: what it costs a body that goes on is a pause of its transport at each read.
    """
    most = getattr(reader, "_high_water", 0)  # an empty body has none
    if most > STALLED_PEERS.size:
        reader._high_water = STALLED_PEERS.size  # type: ignore[attr-defined]


class SmallReads(asyncio.BufferedProtocol):
    """Stands between a transport and its protocol, while a long body comes."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next read goes."""
        size = STALLED_PEERS.size
        return _ROOM if size == LARGEST else _ROOM[:size]

    def buffer_updated(self, nbytes: int) -> None:
        """So much has been read."""
        self._protocol.data_received(bytes(_ROOM[:nbytes]))

    def eof_received(self) -> bool | None:
        """As the protocol says."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Too much waits to be written."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """It has gone out."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._protocol.connection_lost(exc)


class Reads(Protocol):
    """A protocol that knows its transport."""

    transport: asyncio.Transport | None


def read_small(protocol: Reads) -> None:
    """Read what comes to this protocol in small pieces."""
    if protocol.transport is not None:
        protocol.transport.set_protocol(SmallReads(cast(asyncio.Protocol, protocol)))


def read_large(protocol: Reads) -> None:
    """Read as much at a time as there is."""
    if protocol.transport is not None:
        protocol.transport.set_protocol(cast(asyncio.Protocol, protocol))
