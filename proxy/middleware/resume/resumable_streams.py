"""All streams of events that can be resumed, and which of them give way."""

import asyncio
from collections import OrderedDict
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.middleware.resume.resumable_stream import ResumableStream
from proxy.policy.most import Most

MOST: Final = 1_000
"""Streams that are kept without a client; each holds 256 KiB at the most, and a connection."""
OF_ONE: Final = 8
"""As many of them may be for one request: a page that is loaded again and again leaves one each
time. As many with a client are looked at, too.
"""

Key: TypeAlias = tuple[Any, ...]


class Entry:
    """Where a stream stands on the shelf."""

    __slots__ = ("client", "endpoint", "key", "seconds", "stream", "taken", "timer", "upstream")

    def __init__(self, key: Key, exchange: Exchange, seconds: float) -> None:
        self.key = key
        self.client = exchange.client
        self.upstream = exchange.record.upstream
        self.endpoint = exchange.record.endpoint
        self.seconds = seconds
        self.taken: float | None = None
        """When it was taken from a client that was there."""
        self.timer: asyncio.TimerHandle | None = None
        self.stream: ResumableStream


class _Alike:
    """The streams of one key, the oldest first."""

    __slots__ = ("attached", "waiting")

    def __init__(self) -> None:
        self.attached: OrderedDict[Entry, None] = OrderedDict()
        self.waiting: OrderedDict[Entry, None] = OrderedDict()


class ResumableStreams:
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
        self._of: dict[str, OrderedDict[Entry, None]] = {}
        """Those that wait, by address."""
        self._clients = Most()
        """How many wait, by address."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def put(self, place: Entry, reply: Reply, half: int) -> ResumableStream:
        """Begin to read."""
        stream = place.stream = ResumableStream(reply, partial(self._left, place), half)
        self._tasks.add(stream.task)
        stream.task.add_done_callback(self._tasks.discard)
        self._places.setdefault(place.key, _Alike()).attached[place] = None
        self._count += 1
        return stream

    def find(self, key: Key, wanted: bytes) -> Entry | None:
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

    def _left(self, place: Entry, ending: Ending) -> None:
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

    def _unwait(self, place: Entry) -> None:
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

    def _drop(self, place: Entry, ending: Ending = Ending.ABANDONED) -> None:
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
