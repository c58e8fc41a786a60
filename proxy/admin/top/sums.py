"""Sums over the last minute, and how a server is."""

from typing import Any, Final

from proxy.telemetry.buckets import add
from proxy.telemetry.phases import NAMES
from proxy.telemetry.why import spell

WELL: Final = ("well", "not asked")
ROUTE, SERVER = slice(0, 1), slice(1, 3)
_FAILS: Final = 0.9
"""The part of its calls from which on a server fails."""


class Sum:
    """Of one route, or of one server."""

    def __init__(self) -> None:
        self.calls = self.failed = 0
        self.covered = self.besides = 0
        """See ``telemetry/second.Cell``; a version before tells of neither."""
        self.phases = [0] * len(NAMES)
        self.counts: dict[int, int] = {}

    @property
    def asked(self) -> int:
        """How often a server was, for whomever."""
        return self.calls + self.besides

    @property
    def failures(self) -> int:
        """Of a server, those too that no client has seen."""
        return self.failed + self.covered


def sums(history: dict[str, Any], part: slice = ROUTE) -> dict[tuple[str, ...], Sum]:
    """By route, or by upstream and server."""
    found: dict[tuple[str, ...], Sum] = {}
    for step in history["steps"]:
        for number, calls, failed, _, _, _, phases, counts, *more in step["rows"]:
            series = history["series"][number]
            each = found.setdefault(tuple(series[part]), Sum())
            each.calls += calls
            each.failed += failed
            if more:
                each.covered += more[0]
                each.besides += more[1]
            # What asks no server and takes less than a millisecond has not waited: it was refused,
            # or stored.
            if series[SERVER.stop - 1] or sum(phases) >= calls:
                each.phases = [a + b for a, b in zip(each.phases, phases, strict=True)]
            add(each.counts, ((int(bucket), count) for bucket, count in counts.items()))
    return found


def state_of(server: dict[str, Any], breakers: list[dict[str, Any]], ended: Sum) -> str:
    """One word or a few, as on the page."""
    if server["withdrawn"]:
        return "drained"
    if not server["healthy"]:
        return "unhealthy"
    for each in breakers:
        if each["endpoint"] == server["endpoint"] and each["state"] != "closed":
            return "ejected" if each["state"] == "open" else "on trial"
    if server["paused_s"]:
        return f"paused for {spell(server['paused_s'])}"
    if ended.asked and ended.failures >= _FAILS * ended.asked:
        return "fails"
    return "well" if ended.asked else "not asked"
