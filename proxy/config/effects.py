"""Why an option does nothing where it is written; ``without_effect`` asks, and says it.

Each function is of one table, and names those of its options that do nothing in a route, or for an
upstream, that has it; the option ``""`` is the table itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from proxy.config.model import Config, Route, Upstream
from proxy.core.cache_options import CacheOptions
from proxy.core.duration import Duration
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.size import Size
from proxy.core.stream_options import StreamOptions
from proxy.core.timeouts import TimeoutsOptions
from proxy.edge.http1.spool import IN_MEMORY
from proxy.middleware.cache.problems import LOOKED_UP
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.commit import MOST_HELD
from proxy.middleware.concurrency.options import ConcurrencyOptions, QueueOptions
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.load_balance.ejection import CircuitBreakerOptions
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.retry.options import RetryOptions
from proxy.policy.balance import POLICIES

Reasons: TypeAlias = Iterator[tuple[str, str]]
"""Options of a table that do nothing, each with why."""

_SENT: Final = {"reset", "timeout"}
"""What of ``[retry] on`` allows ``last_chance``."""
_UNSENT: Final = ("connect-failure", "stale-connection")
"""What of it is certain to have reached no server, so that any method may be tried again."""


def _retry(_: Config, route: Route, retry: RetryOptions) -> Reasons:
    total = route.timeouts.total
    if retry.attempts == 1:
        yield "on", "nothing is tried again with attempts = 1"
    elif not retry.on:
        yield "on", "nothing is tried again; retry = false says so too"
    elif any(each[0].isdigit() for each in retry.on) and (
        why := _unrepeatable(route, retry) or _replaced(retry.on)
    ):
        yield "on", why
    if retry.backoff_base > retry.backoff_max > 0:
        yield "backoff_base", f"longer than backoff_max ({retry.backoff_max}), which is then waited"
    if 0 < total <= retry.wait_for_connect:
        yield "wait_for_connect", f"[timeouts] total ({total}) ends the wait before"
    if not (retry.budget.percent or retry.budget.min_per_second):
        yield "budget", "nothing is tried again: percent and min_per_second are 0"
    if not retry.respect_retry_after:
        yield "max_retry_after", "no Retry-After is waited for with respect_retry_after = false"
    if retry.last_chance:
        if not _SENT & set(retry.on):
            why = 'nothing that was sent is tried again: expected "reset" or "timeout" in on'
            yield "last_chance", why
        elif route.timeouts.per_try:
            yield "last_chance", "[timeouts] per_try acts earlier"
        elif route.hedge is not None:
            yield "last_chance", "[hedge] acts earlier"
    if retry.max_body > IN_MEMORY:
        most = Size(IN_MEMORY)
        yield "max_body", f'all bodies together have {most} of memory, did you mean "{most}"?'


def _timeouts(config: Config, route: Route, clocks: TimeoutsOptions) -> Reasons:
    if why := _per_try(route, clocks):
        yield "per_try", why
    upstreams = {upstream.name: upstream for upstream in config.upstreams}
    used = [upstreams.get(name) for name in route.upstreams]
    never_waits = all(each is not None and each.concurrency is None for each in used)
    if never_waits:
        yield "queue", "nothing ever waits: expected [concurrency] max_requests and [queue]"
    for name in ("idle",) if never_waits else ("queue", "idle"):
        if not _goes_on(route) and 0 < clocks.total < getattr(clocks, name):
            yield name, f"longer than total ({clocks.total}), so it never runs out"


def _per_try(route: Route, clocks: TimeoutsOptions) -> str:
    retry = route.retry
    if not clocks.per_try or 0 < clocks.total < clocks.per_try:
        return ""  # the last is a problem of its own
    if clocks.per_try > clocks.first_byte > 0:
        longer = f"per_try ({clocks.per_try}) is longer than first_byte ({clocks.first_byte})"
        return f"{longer}, so it never runs out"
    within = 0.0 if retry is None or route.others else retry.only_if_failed_within
    if 0 < within < clocks.per_try:
        return "nothing is tried again so late: see [retry] only_if_failed_within"
    if (retry is None or retry.attempts == 1) and not route.others:
        return "no other attempt follows: expected [retry] attempts above 1"
    return ""


def _goes_on(route: Route) -> bool:
    """Whether the upstream may be asked for longer than ``total`` of one exchange."""
    resumes = route.stream is not None and route.stream.resume > 0
    return route.cache is not None or route.coalesce is not None or resumes


def _rate_limit(_: Config, route: Route, limit: RateLimitOptions) -> Reasons:
    total = route.timeouts.total
    if not _goes_on(route) and 0 < total < limit.max_wait:
        why = f"[timeouts] total ({total}) ends the wait before: expected at most {total}"
        yield "max_wait", why
    if limit.period and not limit.average:
        for name in UNCOUNTED:
            yield name, "no request is counted: expected average beside it"
    elif not limit.count_hits and route.cache is None:
        yield "count_hits", "nothing is stored without [cache]: there are no hits"


UNCOUNTED: Final = ("period", "key", "count_hits")
"""What does nothing beside an ``average`` of 0; not where that is written, which may be meant."""


def _replaced(on: Sequence[str]) -> str:
    """What a list that was meant to add a status takes away."""
    default = RetryOptions().on
    if not all(each[0] in "45" for each in on) or set(on) <= {*default, "5xx"}:
        return ""
    left = " and ".join(_UNSENT)
    named = " and ".join(f'"{each}"' for each in _UNSENT)
    return f"{left} are not tried again now, though nothing was sent: expected {named} in on"


def _unrepeatable(route: Route, rules: RetryOptions) -> str:
    """Why nothing that may have been done is sent again, whatever failed."""
    key = rules.idempotency_header
    # Copies are for what carries it.
    keyed = key and key != RetryOptions().idempotency_header
    if set(route.methods or rules.methods) & set(rules.methods) or keyed:
        return ""
    may = f", but for what carries {key}" if key else ""
    taken = ", ".join(route.methods) or "any method"
    return f"nothing of {taken} may be repeated{may}: see [retry] methods"


def _hedge(_: Config, route: Route, hedge: HedgeOptions) -> Reasons:
    if not hedge.budget_percent:
        yield "", "no copy is ever sent with budget_percent = 0"
    elif why := _unrepeatable(route, route.retry or RetryOptions()):
        yield "", why
    if route.retry is not None and 1 < route.retry.attempts <= hedge.max:
        left = route.retry.attempts - 1
        most = "one copy" if left == 1 else f"{left} copies"
        expected = f"expected max = {left}, or attempts = {hedge.max + 1}"
        yield "max", f"[retry] attempts ({left + 1}) leaves {most} at most: {expected}"
    first_byte = route.timeouts.first_byte
    try:
        delay = Duration.parse(hedge.delay) if hedge.delay[:1].isdigit() else 0
    except ValueError:
        return
    if 0 < first_byte <= delay:
        yield "delay", f"first_byte ({first_byte}) ends before delay"


def _circuit_breaker(_: Config, __: Route, breaker: CircuitBreakerOptions) -> Reasons:
    longest = breaker.max_ejection_time
    if not (breaker.consecutive_failures or breaker.failure_ratio):
        yield "", "no server is ever ejected: expected consecutive_failures or failure_ratio"
    if breaker.base_ejection_time > longest > 0:
        yield "base_ejection_time", f"longer than max_ejection_time ({longest})"
    if not breaker.failure_ratio:
        for name in ("min_requests", "interval"):
            yield name, "no ratio is counted: expected failure_ratio beside it"


def _stream(_: Config, route: Route, stream: StreamOptions) -> Reasons:
    if stream.resume and not takes(route, "GET"):
        yield "resume", f"nothing of {', '.join(route.methods)} is resumed, only GET"
    kind, size = stream.commit.partition(":")[::2]
    if kind == "body" and Size.parse(size) > MOST_HELD:
        most = Size(MOST_HELD)
        why = f'all replies that are held have {most} of memory, did you mean "body:{most}"?'
        yield "commit", why
    if stream.commit == "headers":
        yield "commit_wait", 'commit = "headers" holds nothing'
    clocks, heartbeat = route.timeouts, stream.heartbeat
    if heartbeat and 0 < clocks.total <= heartbeat:
        yield "heartbeat", f"[timeouts] total ({clocks.total}) ends every stream before"
    elif 0 < clocks.first_byte <= heartbeat:  # before its head, a stream may be silent so long
        for name in ("idle", "progress"):
            limit = getattr(clocks, name)
            if 0 < limit < heartbeat:
                why = f"[timeouts] {name} ({limit}) cuts a stream that is silent for so long"
                yield "heartbeat", why
                break


def _coalesce(_: Config, route: Route, __: CoalesceOptions) -> Reasons:
    if not takes(route, "GET", "QUERY"):
        yield "", f"nothing of {', '.join(route.methods)} is shared, only GET and QUERY"


def _cache(config: Config, route: Route, cache: CacheOptions) -> Reasons:
    methods = ", ".join(route.methods)
    if not takes(route, *LOOKED_UP, "QUERY", *(("POST",) if cache.post else ())):
        near = " (POST with post = true)" if "POST" in route.methods else ""
        yield "", f"nothing of {methods} is stored, only GET and QUERY{near}"
    if cache.post and not takes(route, "POST"):
        yield "post", f"the route takes no POST, only {methods}"
    if config.store is not None and config.store.url.startswith(("redis", "unix:")):
        yield "max_size", "Redis bounds itself what it keeps: see its maxmemory"
    workers, in_memory = config.server.workers, config.store is None or config.store.in_memory
    sizes = [each.cache.max_size for each in config.routes if each.cache is not None]
    if in_memory and workers not in ("auto", 1) and all(sizes):
        part = max(sizes) // int(workers)
        if 0 < part <= cache.max_object:
            each_has = f"each of the {workers} workers has {Size(part)} of max_size"
            # A largest object that is the default may not be written.
            usual = cache.max_object == CacheOptions().max_object
            for name in ("max_size", "max_object") if usual else ("max_object",):
                yield name, f"{each_has}: nothing so long is stored"


def _deadline(_: Config, __: Route, deadline: DeadlineOptions) -> Reasons:
    if deadline.reserve and not deadline.forward:
        yield "reserve", 'no upstream is told the time with forward = ""'


def takes(route: Route, *methods: str) -> bool:
    """Whether a request with one of these methods can come to the route."""
    return not route.methods or not set(methods).isdisjoint(route.methods)


def _load_balance(config: Config, upstream: Upstream, balance: LoadBalanceOptions) -> Reasons:
    policy = POLICIES[balance.policy]
    named = f'policy is "{balance.policy}"'
    if not policy.by_key:
        yield "hash_key", f'{named}: expected policy = "hash" beside it'
    if balance.min_share < 100 and not policy.less_for_slow:
        yield "min_share", f'{named}: only "least_request" gives less to a slow server'
    routes = [route for route in config.routes if upstream.name in route.upstreams]
    if (
        balance.ejection_time
        and routes
        and all(each.circuit_breaker is not None for each in routes)
    ):
        yield "ejection_time", "[circuit_breaker] takes the place of it"


def _concurrency(_: Config, __: Upstream, limits: ConcurrencyOptions) -> Reasons:
    if limits.adaptive == "off":
        yield "min", 'the limit does not move: expected adaptive = "gradient" beside it'
    elif limits.min == (most := limits.max_requests):
        expected = f"min below max_requests ({most})" if most > 1 else "max_requests above 1"
        yield "adaptive", f"the limit does not move: expected {expected}"


def _queue(config: Config, upstream: Upstream, queue: QueueOptions) -> Reasons:
    retries = [route.retry for route in config.routes if route.retry is not None]
    if upstream.concurrency is None and not any(retry.wait_for_connect for retry in retries):
        yield "", "nothing ever waits here: expected [concurrency] max_requests beside it"
    if queue.order != "fair":
        yield "key", f'order is "{queue.order}": only "fair" tells clients apart'


EFFECTS: Final[Mapping[str, Mapping[str, Callable[[Config, Any, Any], Reasons]]]] = {
    "routes": {
        "retry": _retry,
        "timeouts": _timeouts,
        "rate_limit": _rate_limit,
        "hedge": _hedge,
        "circuit_breaker": _circuit_breaker,
        "stream": _stream,
        "coalesce": _coalesce,
        "cache": _cache,
        "deadline": _deadline,
    },
    "upstreams": {
        "load_balance": _load_balance,
        "concurrency": _concurrency,
        "queue": _queue,
    },
}
"""By the list of the entries, and the table."""
