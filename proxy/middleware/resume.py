"""Streams of events that are read on while their client is away, for it to come back to."""

import asyncio
import time
from functools import partial
from typing import Any, Final, TypeAlias

from proxy.core.body import EMPTY
from proxy.core.exchange import Exchange
from proxy.core.fields import RawHeaders
from proxy.core.handler import Handler
from proxy.core.kept import HALF, KeptStream
from proxy.core.reply import Ending, Reply
from proxy.core.sameness import TRACES
from proxy.core.secrets import CREDENTIALS, digest
from proxy.core.sse import streams_events

MOST: Final = 1_000
"""Streams that are kept without a client; each holds 256 KiB at the most, and a connection."""
OF_ONE: Final = 8
"""As many of them may be one client's: a page that is loaded again and again leaves one each time.
"""

_LAST_EVENT_ID: Final = b"last-event-id"
_PASSING: Final = TRACES | {_LAST_EVENT_ID, b"cache-control", b"pragma"}
"""What differs between two requests of one client, and gives no right to anything."""

Key: TypeAlias = tuple[Any, ...]


class Resume:
    """Gives a client that comes back with Last-Event-ID the stream that it lost."""

    __slots__ = ("_by_address", "_half", "_inner", "_seconds", "_shelf")

    def __init__(
        self,
        inner: Handler,
        seconds: float,
        shelf: "Shelf",
        *,
        by_address: bool = False,
        half: int = HALF,
    ) -> None:
        """``by_address``: a client is known by its address too, whatever credentials it shows."""
        self._inner = inner
        self._seconds = seconds
        self._shelf = shelf
        self._by_address = by_address
        self._half = half

    async def handle(self, exchange: Exchange) -> Reply:
        """Only what is safe to be answered from before: GET without a body."""
        if exchange.method != "GET" or exchange.body is not EMPTY:
            return await self._inner(exchange)
        key = key_of(exchange, by_address=self._by_address)
        if key is not None and (wanted := _last_event_id(exchange.headers)):
            place = self._shelf.find((self, key), wanted)
            if place is not None:
                exchange.upstream, exchange.endpoint = place.upstream, place.endpoint
                exchange.first_byte = time.monotonic()
                return _shown(place.stream, exchange, length=None)
        reply = await self._inner(exchange)
        if key is None or reply.buffered is not None or not _resumable(reply):
            return reply
        place = Place((self, key), exchange, self._seconds)
        stream = self._shelf.put(place, reply, self._half)
        return _shown(stream, exchange, length=reply.length)


class Place:
    """Where a stream stands on the shelf."""

    __slots__ = ("endpoint", "key", "seconds", "stream", "taken", "timer", "upstream")

    def __init__(self, key: Key, exchange: Exchange, seconds: float) -> None:
        self.key = key
        self.upstream = exchange.upstream
        self.endpoint = exchange.endpoint
        self.seconds = seconds
        self.taken: float | None = None
        """When it was taken from a client that was there."""
        self.timer: asyncio.TimerHandle | None = None
        self.stream: KeptStream


class Shelf:
    """All streams that can be resumed, with a client or waiting for one."""

    __slots__ = ("_closing", "_most", "_places", "_tasks", "_waiting")

    def __init__(self, most: int = MOST) -> None:
        """``most``: streams that wait for a client at a time; the longest waiting one gives way."""
        self._most = most
        self._places: dict[Key, list[Place]] = {}
        self._waiting: dict[Place, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def put(self, place: Place, reply: Reply, half: int) -> KeptStream:
        """Begin to read."""
        stream = place.stream = KeptStream(reply, partial(self._left, place), half)
        self._tasks.add(stream.task)
        stream.task.add_done_callback(self._tasks.discard)
        self._places.setdefault(place.key, []).append(place)
        return stream

    def find(self, key: Key, wanted: bytes) -> Place | None:
        """The stream that goes on after this id; it is set to do so.

        One that waits before one with a client; and none that has been taken from a client a moment
        ago: two clients that are both there would take it from each other for ever.
        """
        places = self._places.get(key, ())
        for place in reversed(places):
            if not place.stream.attached and place.stream.rewind(wanted):
                self._unwait(place)
                return place
        now = asyncio.get_running_loop().time()
        for place in places:
            fresh = place.taken is not None and now - place.taken < place.seconds
            if place.stream.attached and not fresh and place.stream.rewind(wanted):
                place.taken = now
                return place
        return None

    def _left(self, place: Place, ending: Ending) -> None:
        """A client has ended; one that has left may come back."""
        if ending is not Ending.ABANDONED or self._closing or not place.stream.resumable:
            self._drop(place, ending)
            return
        loop = asyncio.get_running_loop()
        place.timer = loop.call_later(place.seconds, self._drop, place)
        self._waiting[place] = None
        own = [other for other in self._places[place.key] if other.timer is not None]
        if len(own) > OF_ONE:
            self._drop(min(own, key=_waiting_until))
        if len(self._waiting) > self._most:
            self._drop(next(iter(self._waiting)))

    def _unwait(self, place: Place) -> None:
        self._waiting.pop(place, None)
        if place.timer is not None:
            place.timer.cancel()
            place.timer = None

    def _drop(self, place: Place, ending: Ending = Ending.ABANDONED) -> None:
        self._unwait(place)
        places = self._places.get(place.key, [])
        if place in places:
            places.remove(place)
            if not places:
                del self._places[place.key]
        place.stream.end(ending)

    def report(self) -> dict[str, int]:
        """How many there are, and how many of them wait for a client."""
        return {
            "resumable": sum(map(len, self._places.values())),
            "waiting": len(self._waiting),
        }

    def retire(self) -> None:
        """Nobody can come back any more: let go of what waits, and keep no more."""
        self._closing = True
        for place in list(self._waiting):
            self._drop(place)

    async def close(self) -> None:
        """End all of them, and what reads them."""
        self.retire()
        for places in list(self._places.values()):
            for place in list(places):
                self._drop(place)
        if self._tasks:
            await asyncio.wait(self._tasks)


def _waiting_until(place: Place) -> float:
    assert place.timer is not None
    return place.timer.when()


def _shown(stream: KeptStream, exchange: Exchange, *, length: int | None) -> Reply:
    """A stream as its next client gets it."""
    source = stream.attach(reset=exchange.version < (1, 1))
    kept = stream.reply
    reply = Reply(
        kept.status, kept.headers, source, reason=kept.reason, length=length, version=kept.version
    )
    reply.encoded = kept.encoded
    return reply


def _resumable(reply: Reply) -> bool:
    """Of an encoded stream ids cannot be read, and half of it is of no use."""
    return reply.status == 200 and streams_events(reply.headers)


def _last_event_id(fields: RawHeaders) -> bytes:
    found = [value for name, value in fields if name.lower() == _LAST_EVENT_ID]
    return found[0].strip(b" \t") if len(found) == 1 else b""


def key_of(exchange: Exchange, *, by_address: bool = False) -> bytes | None:
    """What two requests have to share for one to be given the stream of the other; None: never.

    All that the client says, so that credentials of any kind are among it; and its address, where
    it shows none that we know as such.
    """
    fields = []
    known = bool(exchange.proxy_credentials)
    for name, value in exchange.headers:
        low = name.lower()
        if low not in _PASSING:
            fields.append((low, value))
            if low in CREDENTIALS and value.strip():
                known = True
    address = ""
    if not known or by_address:
        address = exchange.client
        if not address:
            return None
    fields.sort(key=_name)  # those of one name stay in their order
    words = (exchange.scheme, exchange.host, address)
    said = [part for field in fields for part in field]
    return digest(
        exchange.target, exchange.proxy_credentials, *[word.encode() for word in words], *said
    )


def _name(field: tuple[bytes, bytes]) -> bytes:
    return field[0]
