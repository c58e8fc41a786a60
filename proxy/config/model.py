"""The root of the option tree."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from msgspec import field

from proxy.admin.options import AdminOptions
from proxy.core.cache_options import CacheOptions, StoreOptions
from proxy.core.duration import AutoDuration, Duration
from proxy.core.options import Table, described
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.stream_options import StreamOptions
from proxy.core.timeouts import TimeoutsOptions
from proxy.edge.options import ServerOptions, ShutdownOptions
from proxy.edge.responses import ErrorsOptions
from proxy.edge.router import RouteOptions
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.concurrency.options import ConcurrencyOptions, QueueOptions
from proxy.middleware.cors import CorsOptions
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.fallback import FixedReply
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.load_balance.ejection import CircuitBreakerOptions
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.rewrite.options import (
    AddPrefix,
    RequestHeaders,
    ResponseHeaders,
    RewriteLocation,
    RewriteTable,
    StripPrefix,
)
from proxy.telemetry.options import LogOptions, TracingOptions
from proxy.upstream.health import HealthCheckOptions
from proxy.upstream.options import UpstreamOptions

# msgspec cannot put a table with durations into a JSON Schema as a default: hence the factories.


class Upstream(UpstreamOptions, frozen=True, kw_only=True):
    """A named service that requests are forwarded to."""

    health_check: HealthCheckOptions | None = None
    load_balance: LoadBalanceOptions | None = None
    concurrency: ConcurrencyOptions | None = None
    queue: QueueOptions | None = None


class Route(RouteOptions, frozen=True, kw_only=True):
    """Which requests go to which upstream. The most specific route wins; ties go to the first."""

    strip_prefix: StripPrefix = ""
    add_prefix: AddPrefix = ""
    rewrite: RewriteTable = None
    rewrite_location: RewriteLocation = True
    request_headers: RequestHeaders = None
    response_headers: ResponseHeaders = None
    timeouts: TimeoutsOptions = field(default_factory=TimeoutsOptions)
    retry: RetryOptions | None = field(default_factory=RetryOptions)
    deadline: DeadlineOptions | None = None
    hedge: HedgeOptions | None = None
    rate_limit: RateLimitOptions | None = None
    circuit_breaker: CircuitBreakerOptions | None = None
    coalesce: CoalesceOptions | None = None
    cache: CacheOptions | None = None
    cors: CorsOptions | None = None
    stream: StreamOptions | None = None
    errors: ErrorsOptions | None = field(default_factory=ErrorsOptions)
    fallback: Annotated[
        tuple[str, ...] | FixedReply,
        described(
            "Upstreams that take over in turn when this one has failed for a request "
            "(502, 503, 504 or no reply at all), or { status, file } for a fixed reply."
        ),
    ] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """The upstreams that take over."""
        return self.fallback if isinstance(self.fallback, tuple) else ()

    @property
    def upstreams(self) -> tuple[str, ...]:
        """All that it may ask, in this order."""
        return (self.upstream, *self.others)


class Config(Table, frozen=True, kw_only=True):
    """A whole configuration file. Each route carries its own merged tables."""

    server: ServerOptions = field(default_factory=ServerOptions)
    shutdown: ShutdownOptions = field(default_factory=ShutdownOptions)
    admin: AdminOptions | None = None
    log: LogOptions = field(default_factory=LogOptions)
    tracing: TracingOptions | None = None
    store: StoreOptions | None = None
    timeouts: TimeoutsOptions = field(default_factory=TimeoutsOptions)
    retry: RetryOptions | None = field(default_factory=RetryOptions)
    deadline: DeadlineOptions | None = None
    hedge: HedgeOptions | None = None
    concurrency: ConcurrencyOptions | None = None
    queue: QueueOptions | None = None
    rate_limit: RateLimitOptions | None = None
    health_check: HealthCheckOptions | None = None
    load_balance: LoadBalanceOptions | None = None
    circuit_breaker: CircuitBreakerOptions | None = None
    coalesce: CoalesceOptions | None = None
    cache: CacheOptions | None = None
    cors: CorsOptions | None = None
    stream: StreamOptions | None = None
    errors: ErrorsOptions | None = field(default_factory=ErrorsOptions)
    upstreams: tuple[Upstream, ...] = ()
    routes: tuple[Route, ...] = ()


LISTS: Final = ("upstreams", "routes")
"""Tables of the top that are written in double brackets."""

INHERITED: Final = tuple(
    name for name in Route.__struct_fields__ if name in Config.__struct_fields__
)
"""Tables whose values at the top are the defaults of every route."""

SHARED: Final = tuple(
    name for name in Upstream.__struct_fields__ if name in Config.__struct_fields__
)
"""Likewise of every upstream."""

MERGED: Final = {"routes": INHERITED, "upstreams": SHARED}

ALWAYS: Final = ("server", "shutdown", "log", "timeouts", "retry", "errors", "admin")
"""Tables that apply, or stand in the sample, without being asked for."""

DEFAULTED: Final[dict[str, type[Table]]] = {
    "load_balance": LoadBalanceOptions,
    "stream": StreamOptions,
    "store": StoreOptions,
}
"""Tables whose defaults apply also where nobody wrote them, that of the store with ``[cache]``."""

SWITCHES: Final[dict[type, tuple[str, ...]]] = {
    Config: (*INHERITED, *SHARED, "admin"),
    Upstream: SHARED,
    Route: INHERITED,
}
"""Tables that ``= false`` switches off."""

_LONGEST: Final = 1e9  # about 30 years; event loops go wrong somewhere beyond
_LARGEST: Final = 2**63


def read_unit(kind: Callable[[Any], Any], raw: object) -> Any:
    """A duration or a size from its text: msgspec's hook for types of our own."""
    try:
        value = kind.parse(raw)  # type: ignore[attr-defined]
    except OverflowError:
        value = _LARGEST
    if value >= (_LONGEST if kind in (Duration, AutoDuration) else _LARGEST):
        raise ValueError("too large")
    return value
