"""Options that the file writes and that never do anything beside what else it writes.

An option of the top counts for all that inherit it: where it does something in one of them, nothing
is said.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from proxy.config.model import Config, Route, Upstream
from proxy.core.findings import Finding, Place, Written
from proxy.core.size import Size
from proxy.edge.http1.spool import IN_MEMORY
from proxy.middleware.retry.options import RetryOptions

Reason: TypeAlias = Callable[[Config, Any], str]
"""Why an option does nothing in a route or an upstream; empty where it does."""

_SENT: Final = {"reset", "timeout"}
"""What of ``[retry] on`` allows ``last_chance``."""


def without_effect(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """The messages of warnings; ``raw`` tells what the file writes."""
    yield from _log(config, raw.get("log") or {})
    yield from _store(config, raw.get("store") or {})
    for kind, entries, reasons in (
        ("routes", config.routes, _ROUTE),
        ("upstreams", config.upstreams, _UPSTREAM),
    ):
        written = [
            Written(raw, (kind, index), entry, set(), RetryOptions())
            for index, entry in enumerate(entries)
        ]
        for (table, option), reason in reasons.items():
            found: dict[Place, list[str]] = {}
            for each in written:
                place = each.at(table, option)
                if place and not (reason is _uncounted and each.at("rate_limit", "average")):
                    found.setdefault(place, []).append(reason(config, each.options))
            for place, whys in found.items():
                if all(whys):
                    yield Finding(place, whys[0])


def _log(config: Config, written: Mapping[str, Any]) -> Iterator[Finding]:
    log = config.log
    if "slow" not in written or not log.slow or config.tracing is not None:
        return
    if not log.access:
        yield Finding(("log", "slow"), "nothing is logged with access = false")
    elif log.sample >= 1:
        yield Finding(("log", "slow"), "every request is logged: expected sample below 1 beside it")


def _store(config: Config, written: Mapping[str, Any]) -> Iterator[Finding]:
    if config.store is None:
        return
    kind = config.store.url.partition(":")[0]
    for name in ("namespace", "timeout"):
        if name in written and kind == "memory":
            message = f'a store in memory has none: expected url beside it, this one is "{kind}:"'
            yield Finding(("store", name), message)
        elif name in written and name == "namespace" and kind == "sqlite":
            yield Finding(("store", name), "only a store in Redis has namespaces")


def _max_retry_after(_: Config, route: Route) -> str:
    if route.retry is None or route.retry.respect_retry_after:
        return ""
    return "no Retry-After is waited for with respect_retry_after = false"


def _last_chance(_: Config, route: Route) -> str:
    retry = route.retry
    if retry is None or not retry.last_chance:
        return ""
    if not _SENT & set(retry.on):
        return 'nothing that was sent is tried again: expected "reset" or "timeout" in on'
    if route.timeouts.per_try:
        return "[timeouts] per_try acts earlier"
    return "[hedge] acts earlier" if route.hedge is not None else ""


def _max_body(_: Config, route: Route) -> str:
    if route.retry is None or route.retry.max_body <= IN_MEMORY:
        return ""
    most = Size(IN_MEMORY)
    return f'all bodies together have {most} of memory, did you mean "{most}"?'


def _queue(config: Config, route: Route) -> str:
    upstreams = {upstream.name: upstream for upstream in config.upstreams}
    others = route.fallback if isinstance(route.fallback, tuple) else ()
    used = [upstreams.get(name) for name in (route.upstream, *others)]
    if all(upstream is not None and upstream.concurrency is None for upstream in used):
        return "nothing ever waits: expected [concurrency] max_requests and [queue]"
    return _beyond_total("queue", config, route)


def _beyond_total(name: str, _: Config, route: Route) -> str:
    """A clock of ``[timeouts]`` that ``total`` ends before it can run out."""
    limit, total = getattr(route.timeouts, name), route.timeouts.total
    if _goes_on(route) or not 0 < total < limit:
        return ""
    return f"longer than total ({total}), so it never runs out"


def _max_wait(_: Config, route: Route) -> str:
    total = route.timeouts.total
    if route.rate_limit is None or _goes_on(route) or not 0 < total < route.rate_limit.max_wait:
        return ""
    return f"[timeouts] total ({total}) ends the wait before, with 504: expected at most {total}"


def _goes_on(route: Route) -> bool:
    """Whether the upstream may be asked for longer than ``total`` of one exchange."""
    resumes = route.stream is not None and route.stream.resume > 0
    return route.cache is not None or route.coalesce is not None or resumes


def _uncounted(_: Config, route: Route) -> str:
    limit = route.rate_limit
    if limit is None or limit.average or not limit.period:
        return ""
    return "no request is counted: expected average beside it"


def _heartbeat(_: Config, route: Route) -> str:
    clocks = route.timeouts
    heartbeat = 0.0 if route.stream is None else route.stream.heartbeat
    if not heartbeat:
        return ""
    if 0 < clocks.total <= heartbeat:
        return f"[timeouts] total ({clocks.total}) ends every stream before"
    # Before its head, a stream may be silent for first_byte.
    if not 0 < clocks.first_byte <= heartbeat:
        return ""
    for name in ("idle", "progress"):
        limit = getattr(clocks, name)
        if 0 < limit < heartbeat:
            return f"[timeouts] {name} ({limit}) cuts a stream that is silent for so long"
    return ""


def _post(_: Config, route: Route) -> str:
    if route.cache is None or not route.cache.post or not route.methods or "POST" in route.methods:
        return ""
    return f"the route takes no POST, only {', '.join(route.methods)}"


def _min_share(_: Config, upstream: Upstream) -> str:
    balance = upstream.load_balance
    if balance is None or balance.policy == "least_request" or balance.min_share >= 100:
        return ""
    return f'policy is "{balance.policy}": only "least_request" gives less to a slow server'


def _ejection_time(config: Config, upstream: Upstream) -> str:
    balance = upstream.load_balance
    if balance is None or not balance.ejection_time:
        return ""
    routes = [
        route
        for route in config.routes
        if upstream.name == route.upstream
        or (isinstance(route.fallback, tuple) and upstream.name in route.fallback)
    ]
    if not routes or any(route.circuit_breaker is None for route in routes):
        return ""
    return "[circuit_breaker] takes the place of it"


_ROUTE: Final[Mapping[tuple[str, str], Reason]] = {
    ("retry", "max_retry_after"): _max_retry_after,
    ("retry", "last_chance"): _last_chance,
    ("retry", "max_body"): _max_body,
    ("timeouts", "queue"): _queue,
    ("timeouts", "idle"): partial(_beyond_total, "idle"),
    ("rate_limit", "max_wait"): _max_wait,
    ("rate_limit", "period"): _uncounted,
    ("rate_limit", "key"): _uncounted,
    ("stream", "heartbeat"): _heartbeat,
    ("cache", "post"): _post,
}
_UPSTREAM: Final[Mapping[tuple[str, str], Reason]] = {
    ("load_balance", "min_share"): _min_share,
    ("load_balance", "ejection_time"): _ejection_time,
}
