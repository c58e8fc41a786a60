"""All streams of events that can be resumed. ``resume.py`` says how."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.core.samples import Sample, gauge
from proxy.core.tasks import keep
from proxy.middleware.resume.resumable_stream import ResumableStream
from proxy.policy.most import Most

MAX_WAITING: Final = 1_000
"""Streams that wait for a client. Each holds up to two windows, 256 KiB, and a connection."""
MAX_WAITING_PER_KEY: Final = 8
"""Streams with one key that wait: a page that is loaded again and again leaves one each time. Of
those that have a client, as many are searched for an id.
"""

Key: TypeAlias = tuple[Any, ...]


class Entry:
    """A stream, with the key of the request that began it."""

    __slots__ = (
        "client",
        "endpoint",
        "keep_s",
        "key",
        "stream",
        "taken_over_at",
        "timer",
        "upstream",
    )

    def __init__(self, key: Key, exchange: Exchange, keep_s: float) -> None:
        self.key = key
        self.client = exchange.client
        self.upstream = exchange.record.upstream
        self.endpoint = exchange.record.endpoint
        self.keep_s = keep_s
        self.taken_over_at: float | None = None
        """When a client was last given the stream of one that still had it."""
        self.timer: asyncio.TimerHandle | None = None
        self.stream: ResumableStream


class _SameKey:
    """The streams of one key, the oldest first."""

    __slots__ = ("attached", "waiting")

    def __init__(self) -> None:
        self.attached: OrderedDict[Entry, None] = OrderedDict()
        self.waiting: OrderedDict[Entry, None] = OrderedDict()


class ResumableStreams:
    """All streams that can be resumed, with a client or waiting for one.

    If too many wait, one of the client address with the most waiting streams is dropped, the one
    that has waited longest. (A client could vary all else that it says.)
    """

    __slots__ = (
        "_by_key",
        "_clock",
        "_closing",
        "_count",
        "_max_waiting",
        "_tasks",
        "_waiting",
        "_waiting_by_address",
        "_waiting_counts",
    )

    def __init__(self, max_waiting: int = MAX_WAITING, *, clock: Clock) -> None:
        """``max_waiting``: how many streams may wait for a client."""
        self._max_waiting = max_waiting
        self._clock = clock
        self._by_key: dict[Key, _SameKey] = {}
        self._count = 0
        self._waiting = 0
        self._waiting_by_address: dict[str, OrderedDict[Entry, None]] = {}
        """The waiting streams of each client address, the longest waiting first."""
        self._waiting_counts = Most()
        """How many wait of each client address."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def add(self, entry: Entry, reply: Reply, window: int) -> ResumableStream:
        """Start to read a reply."""
        stream = entry.stream = ResumableStream(reply, partial(self._on_client_end, entry), window)
        keep(stream.task, self._tasks)
        self._by_key.setdefault(entry.key, _SameKey()).attached[entry] = None
        self._count += 1
        return stream

    def reclaim(self, key: Key, last_event_id: bytes) -> Entry | None:
        """The stream that has an event with this id, rewound to the end of that event.

        A waiting stream is preferred to one that has a client. A stream that was taken over from
        another client is not taken over again for ``keep_s``: two clients that are both there would
        take it from each other for ever.
        """
        same_key = self._by_key.get(key)
        if same_key is None:
            return None
        for entry in reversed(same_key.waiting):
            if entry.stream.rewind(last_event_id):
                self._stop_waiting(entry)
                return entry
        now = self._clock()
        for entry in islice(reversed(same_key.attached), MAX_WAITING_PER_KEY):
            taken_over = entry.taken_over_at
            just_taken_over = taken_over is not None and now - taken_over < entry.keep_s
            if not just_taken_over and entry.stream.rewind(last_event_id):
                entry.taken_over_at = now
                return entry
        return None

    def _on_client_end(self, entry: Entry, ending: Ending) -> None:
        """A client's reply has ended: wait for a client that has left, forget any other."""
        if ending is not Ending.ABANDONED or self._closing or not entry.stream.resumable:
            self._remove(entry, ending)
            return
        loop = asyncio.get_running_loop()
        entry.timer = loop.call_later(entry.keep_s, self._remove, entry)
        same_key = self._by_key[entry.key]
        del same_key.attached[entry]
        same_key.waiting[entry] = None
        self._waiting_by_address.setdefault(entry.client, OrderedDict())[entry] = None
        self._waiting_counts.more(entry.client)
        self._waiting += 1
        if len(same_key.waiting) > MAX_WAITING_PER_KEY:
            self._remove(next(iter(same_key.waiting)))
        if self._waiting > self._max_waiting:
            self._remove(next(iter(self._waiting_by_address[str(self._waiting_counts.key())])))

    def _stop_waiting(self, entry: Entry) -> None:
        if entry.timer is None:
            return
        entry.timer.cancel()
        entry.timer = None
        self._waiting -= 1
        self._waiting_counts.less(entry.client)
        own = self._waiting_by_address[entry.client]
        del own[entry]
        if not own:
            del self._waiting_by_address[entry.client]
        same_key = self._by_key[entry.key]
        del same_key.waiting[entry]
        same_key.attached[entry] = None

    def _remove(self, entry: Entry, ending: Ending = Ending.ABANDONED) -> None:
        self._stop_waiting(entry)
        same_key = self._by_key.get(entry.key)
        if same_key is not None and entry in same_key.attached:
            del same_key.attached[entry]
            self._count -= 1
            if not same_key.attached and not same_key.waiting:
                del self._by_key[entry.key]
        entry.stream.stop(ending)

    def describe(self, _: float) -> Iterator[Sample]:
        """How many there are, and how many of them wait for a client."""
        yield gauge("resumable_streams", self._count)
        yield gauge("resumable_streams_waiting", self._waiting)

    def retire(self) -> None:
        """A drain has begun: drop all that wait, and let none wait from now on."""
        self._closing = True
        for own in list(self._waiting_by_address.values()):
            for entry in list(own):
                self._remove(entry)

    async def close(self) -> None:
        """End all streams and the tasks that read them."""
        self.retire()
        for same_key in list(self._by_key.values()):
            for entry in list(same_key.attached):
                self._remove(entry)
        if self._tasks:
            await asyncio.wait(self._tasks)
