"""Streams of events that are read on while their client is away, for it to come back to."""

import asyncio
import time
from collections import OrderedDict
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

from proxy.core.body import EMPTY
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Ending, Reply
from proxy.core.secrets import CREDENTIALS, digest
from proxy.http.equivalence import TRACES
from proxy.http.fields import RawHeaders, values
from proxy.http.sse import streams_events
from proxy.middleware.resume.resumable_stream import HALF, KeptStream
from proxy.policy.most import Most

MOST: Final = 1_000
"""Streams that are kept without a client; each holds 256 KiB at the most, and a connection."""
OF_ONE: Final = 8
"""As many of them may be for one request: a page that is loaded again and again leaves one each
time. As many with a client are looked at, too.
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
        """Only what is safe to be answered from before: GET without a body.

        Nothing of a client that is logged in by its connection: the next one that says the same is
        not that user.
        """
        if exchange.method != "GET" or exchange.body is not EMPTY or exchange.bound:
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

    __slots__ = ("client", "endpoint", "key", "seconds", "stream", "taken", "timer", "upstream")

    def __init__(self, key: Key, exchange: Exchange, seconds: float) -> None:
        self.key = key
        self.client = exchange.client
        self.upstream = exchange.upstream
        self.endpoint = exchange.endpoint
        self.seconds = seconds
        self.taken: float | None = None
        """When it was taken from a client that was there."""
        self.timer: asyncio.TimerHandle | None = None
        self.stream: KeptStream


class _Alike:
    """The streams of one key, the oldest first."""

    __slots__ = ("attached", "waiting")

    def __init__(self) -> None:
        self.attached: OrderedDict[Place, None] = OrderedDict()
        self.waiting: OrderedDict[Place, None] = OrderedDict()


class Shelf:
    """All streams that can be resumed, with a client or waiting for one.

    Where too many wait, the longest waiting one of the address that has the most gives way: what
    else a client says, it can vary.
    """

    __slots__ = ("_clients", "_closing", "_count", "_most", "_of", "_places", "_tasks", "_waiting")

    def __init__(self, most: int = MOST) -> None:
        """``most``: streams that wait for a client at a time."""
        self._most = most
        self._places: dict[Key, _Alike] = {}
        self._count = 0
        self._waiting = 0
        self._of: dict[str, OrderedDict[Place, None]] = {}
        """Those that wait, by address."""
        self._clients = Most()
        """How many wait, by address."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def put(self, place: Place, reply: Reply, half: int) -> KeptStream:
        """Begin to read."""
        stream = place.stream = KeptStream(reply, partial(self._left, place), half)
        self._tasks.add(stream.task)
        stream.task.add_done_callback(self._tasks.discard)
        self._places.setdefault(place.key, _Alike()).attached[place] = None
        self._count += 1
        return stream

    def find(self, key: Key, wanted: bytes) -> Place | None:
        """The stream that goes on after this id; it is set to do so.

        One that waits before one with a client; and none that has been taken from a client a moment
        ago: two clients that are both there would take it from each other for ever.
        """
        alike = self._places.get(key)
        if alike is None:
            return None
        for place in reversed(alike.waiting):
            if place.stream.rewind(wanted):
                self._unwait(place)
                return place
        now = asyncio.get_running_loop().time()
        for place in islice(reversed(alike.attached), OF_ONE):
            fresh = place.taken is not None and now - place.taken < place.seconds
            if not fresh and place.stream.rewind(wanted):
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
        alike = self._places[place.key]
        del alike.attached[place]
        alike.waiting[place] = None
        self._of.setdefault(place.client, OrderedDict())[place] = None
        self._clients.more(place.client)
        self._waiting += 1
        if len(alike.waiting) > OF_ONE:
            self._drop(next(iter(alike.waiting)))
        if self._waiting > self._most:
            self._drop(next(iter(self._of[str(self._clients.key())])))

    def _unwait(self, place: Place) -> None:
        if place.timer is None:
            return
        place.timer.cancel()
        place.timer = None
        self._waiting -= 1
        self._clients.less(place.client)
        own = self._of[place.client]
        del own[place]
        if not own:
            del self._of[place.client]
        alike = self._places[place.key]
        del alike.waiting[place]
        alike.attached[place] = None

    def _drop(self, place: Place, ending: Ending = Ending.ABANDONED) -> None:
        self._unwait(place)
        alike = self._places.get(place.key)
        if alike is not None and place in alike.attached:
            del alike.attached[place]
            self._count -= 1
            if not alike.attached and not alike.waiting:
                del self._places[place.key]
        place.stream.end(ending)

    def report(self) -> dict[str, int]:
        """How many there are, and how many of them wait for a client."""
        return {
            "resumable": self._count,
            "waiting": self._waiting,
        }

    def retire(self) -> None:
        """Nobody can come back any more: let go of what waits, and keep no more."""
        self._closing = True
        for own in list(self._of.values()):
            for place in list(own):
                self._drop(place)

    async def close(self) -> None:
        """End all of them, and what reads them."""
        self.retire()
        for alike in list(self._places.values()):
            for place in list(alike.attached):
                self._drop(place)
        if self._tasks:
            await asyncio.wait(self._tasks)


def _shown(stream: KeptStream, exchange: Exchange, *, length: int | None) -> Reply:
    """A stream as its next client gets it."""
    source = stream.attach(reset=exchange.version < (1, 1))
    kept = stream.reply
    reply = Reply(
        kept.status, kept.headers, source, reason=kept.reason, length=length, version=kept.version
    )
    reply.encoded = kept.encoded
    reply.trailers_of(kept)
    return reply


def _resumable(reply: Reply) -> bool:
    """Of an encoded stream ids cannot be read, and half of it is of no use."""
    return reply.status == 200 and streams_events(reply.headers)


def _last_event_id(fields: RawHeaders) -> bytes:
    found = values(fields, _LAST_EVENT_ID)
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
