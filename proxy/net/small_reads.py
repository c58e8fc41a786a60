"""Small reads from a peer whose bytes somebody else may take slowly.

uvloop reads up to 256 KB at a time, and what was read is somebody's to hold until it has been
written: a reply of 30 MB that its client did not read cost 520 KiB. Long bodies are read through
``SmallReads`` instead. A read has 128 KiB while there is room; the more all bodies together have in
hand (``IN_HAND``), the smaller it is. A body whose last read is not written yet is not read further
(``limit_read_ahead``). Each body may always read ``SMALLEST``, so that it goes on whatever other
peers do; beyond ``TOTAL`` each holds that and no more.

A body counts what it reads when it reads it. When its reader comes back for more, all that it took
before is written, and what is unread is all that is in hand; nothing is at its end
(``SmallReads.written``).

When a FIN comes, TLS of the loops drops what it has received and not passed on yet: what did not
fit into a buffer of ours, and all where reading is paused. A client that sends one waits for
nothing more, but a server may close behind its reply. So replies over TLS are passed on without a
buffer, and nothing is read from the socket as long as anything is not passed on; ``net/below_tls``
keeps those reads small.
"""

import asyncio
from typing import Final, Protocol, cast

from proxy.net.between import Between

LARGEST: Final = 128 << 10
"""Bytes of a read. Half of it costs a fifth more processor time for each byte of a long body."""
SMALLEST: Final = 4 << 10
"""Bytes of a read where others have taken all the room there is."""
TOTAL: Final = 8 << 20
"""Bytes that bodies may have in hand before each of them reads no more than ``SMALLEST``."""
SHARE: Final = 32
"""A read is at most this part of the room that is left."""
CROWDED: Final = TOTAL - SHARE * LARGEST
"""Bytes in hand from which on reads are smaller than ``LARGEST``."""
HIGH_WATER: Final = 4 << 10
"""Bytes that may wait to be written before whoever writes has to wait: less than one read."""

_BUFFER: Final = memoryview(bytearray(LARGEST))
"""Where a read goes. One for all: what has been read leaves it before anything else is read."""


class InHand:
    """What was read of all bodies and has not been written yet."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0

    def next_read(self) -> int:
        """Bytes that the next read may have."""
        share = (TOTAL - self.bytes) // SHARE
        return max(SMALLEST, min(LARGEST, share))


IN_HAND: Final = InHand()
"""Of this process; there is one memory."""


def limit_read_ahead(reader: object) -> None:
    """Have aiohttp read no more ahead of who reads this body than one read is, where it is crowded.

    For good: what it costs a body that goes on is a pause of its transport at each read.
    """
    most = getattr(reader, "_high_water", 0)  # an empty body has none
    size = IN_HAND.next_read() // 2  # the pause comes when there is more
    if most > size:
        reader._high_water = size  # type: ignore[attr-defined]


class SmallReads(Between):
    """Stands there while a long body comes."""

    __slots__ = ("held",)

    def __init__(self, protocol: asyncio.Protocol, held: int) -> None:
        """``held``: bytes that were read before."""
        super().__init__(protocol)
        self.held = held
        """Bytes of this body that are in hand: counted in ``IN_HAND`` too."""
        IN_HAND.bytes += held

    def written(self, unread: int = 0) -> None:
        """What was read is not held any more, but for so many bytes that nobody has taken."""
        IN_HAND.bytes += unread - self.held
        self.held = unread


class PieceReads(SmallReads, asyncio.BufferedProtocol):
    """Says how much is read at a time."""

    __slots__ = ()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next read goes."""
        if IN_HAND.bytes <= CROWDED:
            return _BUFFER
        return _BUFFER[: IN_HAND.next_read()]

    def buffer_updated(self, nbytes: int) -> None:
        """So much has been read."""
        self.held += nbytes
        IN_HAND.bytes += nbytes
        self._protocol.data_received(bytes(_BUFFER[:nbytes]))


class WholeReads(SmallReads, asyncio.Protocol):
    """Takes all that TLS has decrypted."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """So much has been read."""
        self.held += len(data)
        IN_HAND.bytes += len(data)
        self._protocol.data_received(data)


class Reads(Protocol):
    """A protocol that knows its transport."""

    transport: asyncio.Transport | None


def read_small(protocol: Reads, held: int, *, to_the_end: bool = False) -> SmallReads | None:
    """Read what comes to this protocol in small pieces; ``held`` bytes of it were read before.

    ``to_the_end``: over TLS, what comes before a FIN is not dropped.
    """
    transport = protocol.transport
    if transport is None:
        return None
    if to_the_end:
        reads: SmallReads = WholeReads(cast(asyncio.Protocol, protocol), held)
        transport.set_read_buffer_limits(high=1)  # type: ignore[attr-defined]
    else:
        reads = PieceReads(cast(asyncio.Protocol, protocol), held)
    transport.set_protocol(reads)
    return reads


def read_large(protocol: Reads) -> None:
    """Read as much at a time as there is."""
    if protocol.transport is not None:
        protocol.transport.set_protocol(cast(asyncio.Protocol, protocol))
