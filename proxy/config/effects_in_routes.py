"""Why an option of a route does nothing there; ``without_effect`` asks, and says it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from proxy.config.model import Config, Route
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
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.load_balance.ejection import CircuitBreakerOptions
from proxy.middleware.retry.options import RetryOptions

Reason: TypeAlias = Callable[[Config, Route, Any], str]
"""Why an option does nothing in a route that has its table, which is the last argument; empty where
it does something."""

_SENT: Final = {"reset", "timeout"}
"""What of ``[retry] on`` allows ``last_chance``."""


def _on(_: Config, __: Route, retry: RetryOptions) -> str:
    if retry.on and retry.attempts > 1:
        return ""
    if retry.attempts == 1:
        return "nothing is tried again with attempts = 1"
    return "nothing is tried again; retry = false says so too"


def _backoff_base(_: Config, __: Route, retry: RetryOptions) -> str:
    if not retry.backoff_base > retry.backoff_max > 0:
        return ""
    return f"longer than backoff_max ({retry.backoff_max}), which is then waited"


def _wait_for_connect(_: Config, route: Route, retry: RetryOptions) -> str:
    total = route.timeouts.total
    if not 0 < total <= retry.wait_for_connect:
        return ""
    return f"[timeouts] total ({total}) ends the wait before"


def _retry_budget(_: Config, __: Route, retry: RetryOptions) -> str:
    if retry.budget.percent or retry.budget.min_per_second:
        return ""
    return "nothing is tried again: percent and min_per_second are 0"


def _max_retry_after(_: Config, __: Route, retry: RetryOptions) -> str:
    if retry.respect_retry_after:
        return ""
    return "no Retry-After is waited for with respect_retry_after = false"


def _last_chance(_: Config, route: Route, retry: RetryOptions) -> str:
    if not retry.last_chance:
        return ""
    if not _SENT & set(retry.on):
        return 'nothing that was sent is tried again: expected "reset" or "timeout" in on'
    if route.timeouts.per_try:
        return "[timeouts] per_try acts earlier"
    return "[hedge] acts earlier" if route.hedge is not None else ""


def _max_body(_: Config, __: Route, retry: RetryOptions) -> str:
    if retry.max_body <= IN_MEMORY:
        return ""
    most = Size(IN_MEMORY)
    return f'all bodies together have {most} of memory, did you mean "{most}"?'


def _queue(config: Config, route: Route, clocks: TimeoutsOptions) -> str:
    upstreams = {upstream.name: upstream for upstream in config.upstreams}
    used = [upstreams.get(name) for name in route.upstreams]
    if all(upstream is not None and upstream.concurrency is None for upstream in used):
        return "nothing ever waits: expected [concurrency] max_requests and [queue]"
    return _beyond_total("queue", config, route, clocks)


def _beyond_total(name: str, _: Config, route: Route, clocks: TimeoutsOptions) -> str:
    """A clock of ``[timeouts]`` that ``total`` ends before it can run out."""
    limit, total = getattr(clocks, name), clocks.total
    if _goes_on(route) or not 0 < total < limit:
        return ""
    return f"longer than total ({total}), so it never runs out"


def _max_wait(_: Config, route: Route, limit: RateLimitOptions) -> str:
    total = route.timeouts.total
    if _goes_on(route) or not 0 < total < limit.max_wait:
        return ""
    return f"[timeouts] total ({total}) ends the wait before: expected at most {total}"


def _goes_on(route: Route) -> bool:
    """Whether the upstream may be asked for longer than ``total`` of one exchange."""
    resumes = route.stream is not None and route.stream.resume > 0
    return route.cache is not None or route.coalesce is not None or resumes


def uncounted(_: Config, __: Route, limit: RateLimitOptions) -> str:
    """A rate that counts nothing; not where ``average`` is written, which may be 0."""
    if limit.average or not limit.period:
        return ""
    return "no request is counted: expected average beside it"


def _heartbeat(_: Config, route: Route, stream: StreamOptions) -> str:
    clocks, heartbeat = route.timeouts, stream.heartbeat
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


def _post(_: Config, route: Route, cache: CacheOptions) -> str:
    if not cache.post or takes(route, "POST"):
        return ""
    return f"the route takes no POST, only {', '.join(route.methods)}"


def _reserve(_: Config, __: Route, deadline: DeadlineOptions) -> str:
    if deadline.forward or not deadline.reserve:
        return ""
    return 'no upstream is told the time with forward = ""'


def _commit(_: Config, __: Route, stream: StreamOptions) -> str:
    kind, size = stream.commit.partition(":")[::2]
    if kind != "body" or Size.parse(size) <= MOST_HELD:
        return ""
    most = Size(MOST_HELD)
    return f'all replies that are held have {most} of memory, did you mean "body:{most}"?'


def _commit_wait(_: Config, __: Route, stream: StreamOptions) -> str:
    if stream.commit != "headers":
        return ""
    return 'commit = "headers" holds nothing'


def _max_size(config: Config, route: Route, cache: CacheOptions) -> str:
    if config.store is not None and config.store.url.startswith(("redis", "unix:")):
        return "Redis bounds itself what it keeps: see its maxmemory"
    usual = cache.max_object == CacheOptions().max_object  # then it may not be written
    return _max_object(config, route, cache) if usual else ""


def _per_try(_: Config, route: Route, clocks: TimeoutsOptions) -> str:
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


def _hedge(_: Config, route: Route, hedge: HedgeOptions) -> str:
    if not hedge.budget_percent:
        return "no copy is ever sent with budget_percent = 0"
    rules = route.retry or RetryOptions()
    key = rules.idempotency_header
    if set(route.methods or rules.methods) & set(rules.methods):
        return ""
    if key and key != RetryOptions().idempotency_header:  # copies are for what carries it
        return ""
    may = f", but for what carries {key}" if key else ""
    taken = ", ".join(route.methods) or "any method"
    return f"nothing of {taken} may be repeated{may}: see [retry] methods"


def _hedge_delay(_: Config, route: Route, hedge: HedgeOptions) -> str:
    first_byte = route.timeouts.first_byte
    if not hedge.delay[:1].isdigit():
        return ""
    try:
        delay = Duration.parse(hedge.delay)
    except ValueError:
        return ""
    if not 0 < first_byte <= delay:
        return ""
    return f"first_byte ({first_byte}) ends before delay"


def _ejections(_: Config, __: Route, breaker: CircuitBreakerOptions) -> str:
    if breaker.consecutive_failures or breaker.failure_ratio:
        return ""
    return "no server is ever ejected: expected consecutive_failures or failure_ratio"


def _base_ejection_time(_: Config, __: Route, breaker: CircuitBreakerOptions) -> str:
    if not breaker.base_ejection_time > breaker.max_ejection_time > 0:
        return ""
    return f"longer than max_ejection_time ({breaker.max_ejection_time})"


def _ratio(_: Config, __: Route, breaker: CircuitBreakerOptions) -> str:
    if breaker.failure_ratio:
        return ""
    return "no ratio is counted: expected failure_ratio beside it"


def _resume(_: Config, route: Route, stream: StreamOptions) -> str:
    if not stream.resume or takes(route, "GET"):
        return ""
    return f"nothing of {', '.join(route.methods)} is resumed, only GET"


def _coalesce(_: Config, route: Route, __: CoalesceOptions) -> str:
    if takes(route, "GET", "QUERY"):
        return ""
    return f"nothing of {', '.join(route.methods)} is shared, only GET and QUERY"


def _cache(_: Config, route: Route, cache: CacheOptions) -> str:
    if takes(route, *LOOKED_UP, "QUERY", *(("POST",) if cache.post else ())):
        return ""
    near = " (POST with post = true)" if "POST" in route.methods else ""
    return f"nothing of {', '.join(route.methods)} is stored, only GET and QUERY{near}"


def _max_object(config: Config, _: Route, cache: CacheOptions) -> str:
    workers, in_memory = config.server.workers, config.store is None or config.store.in_memory
    if not in_memory or workers in ("auto", 1):
        return ""
    sizes = [each.cache.max_size for each in config.routes if each.cache is not None]
    part = max(sizes) // int(workers) if all(sizes) else 0
    if not 0 < part <= cache.max_object:
        return ""
    return f"each of the {workers} workers has {Size(part)} of max_size: nothing so long is stored"


def takes(route: Route, *methods: str) -> bool:
    """Whether a request with one of these methods can come to the route."""
    return not route.methods or not set(methods).isdisjoint(route.methods)


ROUTE: Final[Mapping[tuple[str, str], Reason]] = {
    ("retry", "on"): _on,
    ("retry", "backoff_base"): _backoff_base,
    ("retry", "wait_for_connect"): _wait_for_connect,
    ("retry", "budget"): _retry_budget,
    ("retry", "max_retry_after"): _max_retry_after,
    ("retry", "last_chance"): _last_chance,
    ("retry", "max_body"): _max_body,
    ("timeouts", "per_try"): _per_try,
    ("timeouts", "queue"): _queue,
    ("timeouts", "idle"): partial(_beyond_total, "idle"),
    ("rate_limit", "max_wait"): _max_wait,
    ("rate_limit", "period"): uncounted,
    ("rate_limit", "key"): uncounted,
    ("hedge", ""): _hedge,
    ("hedge", "delay"): _hedge_delay,
    ("circuit_breaker", ""): _ejections,
    ("circuit_breaker", "base_ejection_time"): _base_ejection_time,
    ("circuit_breaker", "min_requests"): _ratio,
    ("circuit_breaker", "interval"): _ratio,
    ("stream", "resume"): _resume,
    ("coalesce", ""): _coalesce,
    ("cache", ""): _cache,
    ("cache", "max_size"): _max_size,
    ("deadline", "reserve"): _reserve,
    ("stream", "commit"): _commit,
    ("stream", "commit_wait"): _commit_wait,
    ("stream", "heartbeat"): _heartbeat,
    ("cache", "post"): _post,
    ("cache", "max_object"): _max_object,
}
"""Table and option; no option is for the table itself."""
