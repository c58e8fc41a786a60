"""Calls of one second that were slow or failed, by their cause and by what tells them apart."""

from collections.abc import Container
from typing import Final, TypeAlias

from proxy.core.exchange import Exchange
from proxy.telemetry.call import named, told_apart, where
from proxy.telemetry.covered import FALLBACK, STALE
from proxy.telemetry.second import Hit
from proxy.telemetry.usual import Usual

MOST: Final = 256
"""Hits of a second that are told apart."""
_Place: TypeAlias = tuple[str, str, str]
"""Upstream, server, and what exactly is waited for."""


class Hits:
    """Adds them up."""

    __slots__ = ("_failing", "_hits", "troubled")

    def __init__(self) -> None:
        self._hits: dict[tuple[str, str, str, str, str], Hit] = {}
        self._failing: dict[tuple[str, str], _Place] = {}
        """By cause and route: who was the last to fail a call that has ended well."""
        self.troubled = set[str]()
        """Routes on which something was wrong in this second."""

    def add(self, cause: str, exchange: Exchange, now: float, example: str, usual: Usual) -> None:
        """Count one more exchange; ``example``: its request id."""
        route, seconds = exchange.route, now - exchange.started_at
        self.troubled.add(route)
        upstream, server, about = key = self._told_apart(cause, exchange, now)
        cause = named(cause, exchange, now)
        hit = self._hits.get((cause, route, *key))
        if hit is None:
            if len(self._hits) < MOST:
                worst, usually = round(seconds, 4), usual.mean(cause)
                self._hits[cause, route, *key] = Hit(
                    cause, route, upstream, server, 1, worst, example, usually, about
                )
            return
        hit.number += 1
        if seconds > hit.worst:
            hit.worst, hit.example = round(seconds, 4), example or hit.example
        hit.example = hit.example or example

    def add_alike(self, exchange: Exchange, now: float) -> None:
        """One more of a flood: its cause is that of those before it."""
        record = exchange.record
        servers = {"", where(record, now)[1], *(each.endpoint for each in record.attempt_log)}
        for hit in self._hits.values():
            if hit.route == exchange.route and hit.server in servers:
                hit.number += 1
                break

    def keep(self, routes: Container[str]) -> None:
        """Forget who has failed calls of other routes."""
        self._failing = {kind: who for kind, who in self._failing.items() if kind[1] in routes}

    def take(self) -> list[Hit]:
        """All of them; the next second begins without."""
        taken, self._hits, self.troubled = list(self._hits.values()), {}, set()
        return taken

    def _told_apart(self, cause: str, exchange: Exchange, now: float) -> _Place:
        found = told_apart(cause, exchange, now)
        if cause not in (STALE, FALLBACK):
            return found
        kind = cause, exchange.route
        if found[1] and (kind in self._failing or len(self._failing) < MOST):
            self._failing[kind] = found
        # One that has just failed is not asked for a while: those calls are its own too.
        return found if found[1] else self._failing.get(kind, found)
