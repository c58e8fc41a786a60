"""What is going on at the listener: connections, tunnels, requests in flight."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from proxy.core.errors import ConnectionLimit, EndedByOperator, ShuttingDown
from proxy.core.exchange import Exchange
from proxy.core.local_limits import complain
from proxy.core.samples import Sample, counter, gauge
from proxy.edge.longest_rested import LongestRested, Resting
from proxy.net.hangups import HangupWatcher
from proxy.net.lost_hosts import LostHosts
from proxy.net.sockets import GONE, TcpInfo

_CLOSING: Final = 2.5
"""Seconds for tunnels to end politely, more than each of them takes for itself."""

Observer = Callable[[Exchange, float], None]
"""Is told of every exchange once, when it has ended, with the loop's time."""


class Tracked(Resting, Protocol):
    """A client connection, as far as draining it and making room go."""

    @property
    def served(self) -> Exchange | None:
        """What is being asked on it."""

    @property
    def unfinished(self) -> bool:
        """Whether a request waits, its reply is still being read, or its upload is ignored."""

    @property
    def resting(self) -> bool:
        """Whether nothing is being asked on it, and nothing is still to be read."""

    def retire(self) -> None:
        """Take one more request at most, and that within a second."""

    def expire(self) -> None:
        """Close now, whatever is being asked on it."""


class Tunnel(Protocol):
    """An upgraded connection, as far as draining and looking at it go."""

    def close_politely(self, *, unheard: bool = False) -> None:
        """End it politely, within a second. ``unheard``: nobody reads what its client says."""

    def describe(self, now: float) -> Iterable[Sample]:
        """What operators are shown; ``now`` is monotonic."""


class UnderWay(NamedTuple):
    """What has not ended yet."""

    requests: int
    """Those whose end is missed, replies that are still being read included."""
    streams: int
    """Streams of events: they have no end of their own."""
    tunnels: int

    def __str__(self) -> str:
        counted = [
            f"{number} {name if number == 1 else more}"
            for number, name, more in (
                (self.requests, "request", "requests"),
                (self.streams, "stream of events", "streams of events"),
                (self.tunnels, "tunnel", "tunnels"),
            )
            if number
        ]
        return " and ".join(filter(None, (", ".join(counted[:-1]), *counted[-1:]))) or "nothing"


class ConnectionTracker:
    """Shared by all connections of a listener."""

    __slots__ = (
        "_idle",
        "_no_tunnels",
        "_rested",
        "connections",
        "draining",
        "evicted",
        "hangups",
        "in_flight",
        "limit",
        "lost_hosts",
        "observers",
        "opened",
        "refused",
        "retiring",
        "tunnels",
        "unheard",
    )

    def __init__(self, limit: int, observers: tuple[Observer, ...] = ()) -> None:
        """``limit``: connections at a time."""
        self.limit = limit
        self.connections: set[Tracked] = set()
        self.refused: set[object] = set()
        """Those that have no place, and a descriptor until they are closed: refused before anything
        was read, and still to read that, or closed to make room for others."""
        self.tunnels: set[Tunnel] = set()
        self.in_flight = 0
        """Requests that have come in and not ended; whoever takes one in counts it."""
        self.draining = False
        """Whether each reply says that it is the last one on its connection."""
        self.retiring = False
        """Whether connections may rest for a moment only."""
        self.unheard = False
        """Whether nobody reads what clients send any more."""
        self.opened = 0
        """Connections that were let in since the start."""
        self.evicted = 0
        """Those of them that rested, and were closed to make room for others."""
        self._rested = LongestRested()
        loop = asyncio.get_running_loop()
        self.hangups = HangupWatcher(loop)
        self.lost_hosts = LostHosts(loop, _patience)
        self.observers = observers
        self._idle: asyncio.Future[None] | None = None
        self._no_tunnels: asyncio.Future[None] | None = None

    def make_room(self, now: float) -> ConnectionLimit | None:
        """Why there is no room for another connection. ``now``: the loop's time.

        At the limit, the connection that has rested longest is closed for it.
        """
        while (count := len(self.connections)) >= self.limit:
            closed = self._rested.close_one(self.connections, now)
            if closed is None:
                open_ = f"{count} connections are open"
                complain("max_connections", f"{open_}, more are refused with 503")
                return ConnectionLimit(f"{open_}, which is the limit")
            complain("idle", f"{count} connections are open, the longest idle ones make room")
            self.evicted += 1
            self.refused.add(closed)  # until it is lost
            self.connections.discard(closed)
        return None

    def finished(self, exchange: Exchange, now: float) -> None:
        """A request has ended, one way or another."""
        self.in_flight -= 1
        for observer in self.observers:
            observer(exchange, now)

    def record(self, exchange: Exchange, now: float) -> None:
        """Tell the observers of an exchange that never was in flight."""
        for observer in self.observers:
            observer(exchange, now)

    def exchanges(self) -> Iterator[Exchange]:
        """Those that have not ended."""
        return (
            served for connection in self.connections if (served := connection.served) is not None
        )

    def cancel(self, request_id: str) -> bool:
        """End the exchange with this id, with 503 or by a cut. False where there is none."""
        for connection in self.connections:
            served = connection.served
            if served is not None and served.request_id == request_id:
                served.ended_by = EndedByOperator("ended by an operator")
                connection.expire()
                return True
        return False

    def close(self) -> None:
        """Let go of the loop."""
        self.hangups.close()

    def connected(self, connection: Tracked) -> None:
        """A connection has been let in."""
        self.connections.add(connection)
        self.opened += 1

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield gauge("requests_in_flight", self.in_flight)
        yield gauge("client_connections", len(self.connections))
        yield gauge("client_connections_limit", self.limit)
        yield counter("client_connections_opened", self.opened)
        yield counter("client_connections_evicted", self.evicted)
        yield gauge("tunnels_open", len(self.tunnels))
        yield gauge("draining", int(self.draining))

    def disconnected(self, connection: Tracked) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        self.refused.discard(connection)
        self._rested.forget(connection)
        if not self.connections and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def tunnel_closed(self, tunnel: Tunnel) -> None:
        """A tunnel has ended."""
        self.tunnels.discard(tunnel)
        if not self.tunnels and self._no_tunnels is not None and not self._no_tunnels.done():
            self._no_tunnels.set_result(None)

    @property
    def under_way(self) -> UnderWay:
        """What would be cut now."""
        requests = streams = 0
        for connection in self.connections:
            served = connection.served
            if served is None:
                requests += not connection.resting and connection.unfinished
            elif served.endless:
                streams += 1
            else:
                requests += 1
        return UnderWay(requests - len(self.tunnels), streams, len(self.tunnels))

    def expire(self) -> None:
        """Cut what is left."""
        for connection in list(self.connections):
            if (served := connection.served) is not None:
                served.ended_by = served.ended_by or ShuttingDown("the proxy is shutting down")
            connection.expire()

    async def tunnels_closed(self) -> None:
        """End all tunnels politely, and wait until they have ended, for a bounded time."""
        if not self.tunnels:
            return
        self._no_tunnels = asyncio.get_running_loop().create_future()
        for tunnel in list(self.tunnels):
            tunnel.close_politely(unheard=self.unheard)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._no_tunnels

    async def emptied(self, seconds: float) -> bool:
        """Whether all connections end within these seconds, zero for no limit."""
        if self.connections:
            self._idle = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds or None):
                    await self._idle
            except TimeoutError:
                return False
        return True


def _patience(_: TcpInfo) -> float:
    """Seconds for which a client may acknowledge nothing of what it is sent."""
    return GONE
