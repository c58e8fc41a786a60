"""Changes of state, found by looking at the samples of one second and of the one before."""

from collections.abc import Iterable
from typing import Final

from proxy.core.samples import Sample, Value
from proxy.telemetry.second import Event
from proxy.telemetry.why import place, spell

_WATCHED: Final = {
    "breaker_state": "breaker",
    "endpoint_healthy": "health",
    "endpoint_withdrawn": "operator",
    "endpoint_paused_seconds": "pause",
    "concurrency_limit": "limit",
}
"""What is watched, and the kind of its events."""
_MOVED: Final = 0.2
"""An adaptive limit moves all the time: a share that is worth an event."""
_MOST: Final = 2000
"""Things that are watched at a time."""


class Changes:
    """Knows what was."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, str], Value] = {}

    def look(self, samples: Iterable[Sample], at: float) -> list[Event]:
        """What has changed since the last look; ``at`` in seconds since 1970."""
        events: list[Event] = []
        seen: dict[tuple[str, str, str, str], Value] = {}
        for sample in samples:
            kind = _WATCHED.get(sample.name)
            if kind is None or len(seen) >= _MOST:
                continue
            labels = sample.labels
            route, upstream = labels.get("route", ""), labels.get("upstream", "")
            server = labels.get("endpoint", "")
            key = (sample.name, route, upstream, server)
            value: Value = sample.value
            if kind == "pause":
                value = 1 if isinstance(value, float) and value > 0 else 0
            known = self._known.get(key)
            if kind == "limit" and known is not None and not _moved(known, value):
                value = known
            seen[key] = value
            if known is not None and known != value:
                text = _text(kind, known, value, sample, place(upstream, server))
                event = Event(at=at, kind=kind, text=text)
                event.route, event.upstream, event.server = route, upstream, server
                events.append(event)
        self._known = seen
        return events


def _moved(known: Value, value: Value) -> bool:
    return abs(float(value) - float(known)) > _MOVED * float(known)


def _text(kind: str, before: Value, now: Value, sample: Sample, where: str) -> str:
    if kind == "breaker":
        words = {"open": "ejected", "closed": "back", "half-open": "on trial"}
        return f"{where}: {words.get(str(now), now)} (breaker {before} -> {now})"
    if kind == "health":
        return f"{where}: {'healthy again' if now else 'fails its health checks'}"
    if kind == "operator":
        return f"{where}: {'withdrawn by an operator' if now else 'restored by an operator'}"
    if kind == "pause":
        left = spell(float(sample.value)) if now else ""
        return f"{where}: {f'asked to be left alone for {left}' if now else 'may be asked again'}"
    return f"{where}: the limit of requests moved from {before:g} to {now:g}"
