"""The servers of an upstream, and the way of one route to each."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from proxy.core.exchange import Handler
from proxy.policy.breaker import Breaker
from proxy.policy.ewma import Ewma


class Server(Protocol):
    """A server as balancing sees it."""

    weight: float
    full_weight: float
    in_flight: int
    latency: Ewma
    healthy: bool
    paused_until: float
    since: float
    backup: bool
    outcomes: defaultdict[str | int, int]

    @property
    def name(self) -> str:
        """Its address."""

    def pause(self, until: float) -> None:
        """It asked to be left alone until then."""

    def welcome(self) -> None:
        """It is back."""


class Road(NamedTuple):
    """The way of one route to one server."""

    server: Server
    handle: Handler
    breaker: Breaker | None

    def usable(self, now: float, *, pauses: bool = True) -> bool:
        """Whether nothing speaks against it; its own Retry-After, where ``pauses`` count."""
        if not self.server.healthy or (pauses and self.server.paused_until > now):
            return False
        return self.breaker is None or self.breaker.admits(now)


class Roads:
    """The ways of one route to the servers of an upstream, as they are for now."""

    __slots__ = ("counted", "servers", "spares", "to")

    def __init__(self, roads: Sequence[Road]) -> None:
        self.to = {road.server: road for road in roads}
        self.servers = [server for server in self.to if not server.backup]
        self.spares = [server for server in self.to if server.backup]
        self.counted = any(road.breaker is not None and road.breaker.counts for road in roads)
        """Whether a breaker wants to know of every success."""

    def well(self, server: Server) -> bool:
        """Whether its breaker is closed; a trial is only for one."""
        breaker = self.to[server].breaker
        return breaker is None or not breaker.open

    def settled(self, server: Server) -> bool:
        """Whether nothing at all speaks against it, no failure that may be the first in a row."""
        breaker = self.to[server].breaker
        return breaker is None or not (breaker.open or breaker.failures)

    def due(self, server: Server, now: float) -> bool:
        """Whether it waits for a trial."""
        breaker = self.to[server].breaker
        return breaker is not None and breaker.open and breaker.admits(now)


class News:
    """Counts what is new about the servers of an upstream: pauses, checks, trials.

    Whoever keeps a choice that was made by these compares one number. Tables of servers are made
    anew only where there are other servers: an API that says with each reply how little is left
    would otherwise have the tables of all routes made anew with each reply.
    """

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def told(self) -> None:
        """One of them may be asked no more, or again."""
        self.count += 1


class Ways(Protocol):
    """Where the servers of an upstream are found."""

    now: Roads
    """Another object whenever there are other servers."""
    news: News
