"""Which client connections have rested longest: found out when somebody wants their place.

An order that is kept up to date would cost each request something. So all connections are looked at
once the limit is reached, a second later again at the soonest, and put in their order; each place
that is wanted until then takes the next one. Whoever has asked something meanwhile has a place
behind all of these, and is left out. So it is always the one that has rested longest that goes.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Final, Protocol

ENOUGH: Final = 1.0
"""Seconds after which a connection has rested: before, its client may be about to ask. New ones
that say nothing have as long (``run/sockets/acceptor``)."""


class Clock(Protocol):
    """How long a connection has rested between its requests."""

    @property
    def since(self) -> float:
        """The loop's time since which it rests; infinite while it does not."""


class Resting(Protocol):
    """A connection, as far as this goes."""

    @property
    def clock(self) -> Clock:
        """Knows since when it rests."""

    def give_way(self) -> bool:
        """Close, if nothing is under way in either direction; whether that is so."""


class LongestRested:
    """Finds which connections of one listener have rested for longest."""

    __slots__ = ("_looked_at", "_ordered")

    def __init__(self) -> None:
        self._ordered: dict[Resting, float] = {}
        """Since when each had rested at the last look; the one that had rested longest is last."""
        self._looked_at = float("-inf")

    def close_one(self, connections: Iterable[Resting], now: float) -> Resting | None:
        """The connection that was closed; None where each of them is in use, or may be soon."""
        latest = now - ENOUGH
        if not self._ordered and self._looked_at <= latest:
            self._look(connections, now)
        ordered = self._ordered
        while ordered:
            connection, since = ordered.popitem()
            if since > latest:
                ordered[connection] = since
                break
            if connection.clock.since == since and connection.give_way():
                return connection
        return None

    def _look(self, connections: Iterable[Resting], now: float) -> None:
        resting = [(each, at) for each in connections if (at := each.clock.since) <= now]
        self._ordered = dict(sorted(resting, key=itemgetter(1), reverse=True))
        self._looked_at = now

    def forget(self, connection: Resting) -> None:
        """It has ended."""
        self._ordered.pop(connection, None)
