"""Rules between the options of what lets requests wait."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from proxy.config import values as fields
from proxy.config.model import Config, Route, Upstream
from proxy.config.problems import WARNING, Finding, Place


def waits(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong; where it is inherited, the top is to blame."""
    yield from _each(raw, "upstreams", config.upstreams, _UPSTREAM)
    yield from _each(raw, "routes", config.routes, _ROUTE)


Check: TypeAlias = Callable[[Any, Place], Iterator[Finding]]
"""Is given what carries the table, and the place where the table is written."""


def _each(
    raw: Mapping[str, Any],
    kind: str,
    entries: tuple[Upstream, ...] | tuple[Route, ...],
    checks: Mapping[str, Check],
) -> Iterator[Finding]:
    written = raw.get(kind) or [{}] * len(entries)
    for name, check in checks.items():
        blamed = False
        for index, entry in enumerate(entries):
            if getattr(entry, name) is None:
                continue
            if isinstance(written[index].get(name), Mapping):
                yield from check(entry, (kind, index, name))
            elif not blamed and isinstance(raw.get(name), Mapping):
                blamed = True
                yield from check(entry, (name,))


def _concurrency(upstream: Upstream, place: Place) -> Iterator[Finding]:
    limits = upstream.concurrency
    assert limits is not None
    if limits.min > limits.max_requests:
        message = f"min ({limits.min}) is more than max_requests ({limits.max_requests})"
        yield Finding((*place, "min"), message)


def _queue(upstream: Upstream, place: Place) -> Iterator[Finding]:
    queue = upstream.queue
    assert queue is not None
    if upstream.concurrency is None:
        message = "nothing ever waits here: expected [concurrency] max_requests beside it"
        yield Finding(place, f"{WARNING} {message}")
    if queue.priority_header and (fault := fields.token_fault(queue.priority_header)):
        yield Finding((*place, "priority_header"), fault)


def _deadline(route: Route, place: Place) -> Iterator[Finding]:
    deadline = route.deadline
    assert deadline is not None
    if not deadline.accept:
        yield Finding((*place, "accept"), "expected at least one field")
    for index, name in enumerate(deadline.accept):
        if fault := fields.token_fault(name):
            yield Finding((*place, "accept", index), fault)
    if deadline.forward and (fault := fields.owned_fault(deadline.forward)):
        yield Finding((*place, "forward"), fault)
    if 0 < deadline.max <= deadline.reserve:
        message = f"reserve ({deadline.reserve}) leaves nothing of max ({deadline.max})"
        yield Finding((*place, "reserve"), message)


def _rate_limit(route: Route, place: Place) -> Iterator[Finding]:
    limit = route.rate_limit
    assert limit is not None
    if not limit.period:
        yield Finding((*place, "period"), "a time to count in is needed")
    if limit.burst and not limit.average:
        yield Finding((*place, "burst"), "of what? expected average beside it")
    if not limit.average and not limit.learn:
        yield Finding(place, "nothing is limited: expected average, or learn = true")


_UPSTREAM: Final[Mapping[str, Check]] = {"concurrency": _concurrency, "queue": _queue}
_ROUTE: Final[Mapping[str, Check]] = {"deadline": _deadline, "rate_limit": _rate_limit}
