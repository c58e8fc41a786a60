"""What has happened since start, by route."""

from collections import defaultdict
from functools import partial
from typing import Any, Final

from proxy.core.exchange import HEDGED, Exchange

_SWITCHED: Final = 101
_OK: Final = 400


class Counters:
    """An observer that counts."""

    __slots__ = ("_routes",)

    def __init__(self) -> None:
        self._routes: defaultdict[str, defaultdict[str, int]] = defaultdict(
            partial(defaultdict, int)
        )

    def record(self, exchange: Exchange, _: float) -> None:
        """Count an exchange that has ended."""
        counts = self._routes[exchange.route]
        counts["requests"] += 1
        counts["attempts"] += exchange.attempts
        if exchange.status == _SWITCHED:
            counts["tunnels"] += 1
        if exchange.status >= _OK or exchange.error:
            counts[f"status {exchange.status}"] += 1
            if exchange.error:
                counts[f"error {exchange.error}"] += 1
        for attempt in exchange.tries[:-1]:
            name = HEDGED if attempt.outcome == HEDGED else f"retry {attempt.outcome}"
            counts[name] += 1

    def report(self) -> dict[str, dict[str, Any]]:
        """Counts by route; the empty name stands for requests that found none."""
        return {route: dict(counts) for route, counts in self._routes.items()}
