"""What a link of a chain is made from; ``run/chains`` has the links and their order.

There is a scope for each route, one under it for each upstream that the route asks, and one under
that for each endpoint. Chains are built from the inside outwards, so a link may leave something in
its scope for those above it:

- ``has_headroom``: by concurrency and load_balance, for hedge, which asks it before each copy;
- ``hold``: by commit, for retry, which waits until a reply is good enough;
- ``sends_copies``: by hedge, for retry, which then ends no attempt that has stalled;
- ``sharing``: by coalesce, for cache, whose misses are shared;
- ``others``: by ``run/tree``, for fallback: the upstreams that take over;
- ``fixed``: by fallback, for deadline and total, which answer with it when the time is over;
- ``own_fields``: by cors, for the edge, which gives them to answers that no chain has made.

What a link above leaves for those below it is a list, which is asked when they work:
``has_server_left``, by load_balance, and with it ``servers_left`` of the route.

The scope below is a copy that is made when it begins (``UpstreamScope(**vars(route))``): the two
share their lists, but what is set in one after that the other does not see.
"""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from proxy.core.body import Body
from proxy.core.credentials import Credentials
from proxy.core.errors import ProxyError, UpstreamError
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.shared import Shared
from proxy.core.sharing import Sharing
from proxy.http.fields import RawHeaders
from proxy.policy.budget import Budget
from proxy.policy.endpoint import Endpoint

T = TypeVar("T")

Hold: TypeAlias = Callable[[Exchange, Reply], Awaitable[None]]
"""Waits until a reply is good enough to be shown. Raises ReplyBroken where it breaks before."""
ErrorEvent: TypeAlias = Callable[..., bytes]
"""The last event of a stream: what failed, the request id, ``[stream] on_error`` (``shape``)."""


class UpstreamNames(NamedTuple):
    """By which names the servers of a route are known."""

    origins: tuple[str, ...]
    """Origins that the servers may use for themselves, in redirects for instance."""
    servers: tuple[tuple[str, str], ...]
    """Scheme and Host with which each server is asked."""
    renamed: bool
    """Whether one of them is asked with another Host than the client sent."""
    tell_prefix: bool
    """Whether they are told which prefix was stripped."""
    mount: str = ""
    """The path where the proxy is mounted; it was taken off before routing."""


@dataclass(kw_only=True)
class Scope:
    """What the links of a route are built from."""

    shared: Shared
    options: tuple[object, ...]
    """The tables of the route, and what else ``find`` gives."""
    route: str
    """Its name."""
    identity: Hashable
    """Which requests it takes; by this it is found again in the next configuration."""
    repeatable: Callable[[Exchange], bool]
    """Whether running a request twice is the same as once, as ``[retry]`` says; its defaults where
    it is switched off."""
    wait_for_connect: float
    """Seconds that a request may wait for a server that can be connected to; 0: it does not."""
    keep: Callable[[Body], None]
    """Has a body kept for being sent again, as far as ``[retry]`` allows."""
    retries: bool
    """Whether failed attempts are repeated."""
    has_more_attempts: Callable[[Exchange], bool]
    """Whether a request may be given another attempt; never where ``[retry]`` is off."""
    may_follow_reply: Callable[[Exchange], bool] | None
    """Whether another attempt, or what ``fallback`` names, may take the place of a reply that has
    broken unseen; None where nothing ever does."""
    has_deadlines: bool
    """Whether an exchange may have a deadline: ``[deadline]`` or ``[timeouts] total``."""
    field_changes: bytes
    """How the rules of the route change the fields of requests, those with credentials too: other
    bytes for other changes, in every process; empty where there are none."""
    error_event: ErrorEvent
    covered: Callable[[Exchange, ProxyError], str]
    """Logs a failure that another reply hides from the client; returns its token."""
    main_upstream: str = ""
    """The name of the upstream that is asked first."""
    others: Sequence[Handler] = ()
    """The chains of the upstreams that take over."""
    servers_left: list[list[Callable[[Exchange], bool]]] = field(default_factory=list)
    """``has_server_left`` of each upstream that the route asks, in their order."""
    sharing: Sharing | None = None
    """How equal requests share one call; left by the coalescer for the cache above it."""
    fixed: Callable[[Exchange, ProxyError], Reply] | None = None
    """Gives the fixed reply of ``fallback`` in the place of a failure."""
    own_fields: Callable[[RawHeaders], RawHeaders] | None = None
    """What every answer on the route carries, by the fields of its request; left by ``[cors]``."""

    def find(self, kind: type[T]) -> T | None:
        """The table of this class; None where it is switched off."""
        return next((table for table in self.options if isinstance(table, kind)), None)


class Servers(Protocol):
    """The servers of an upstream: whether connections to them work."""

    on_connect: list[Callable[[], None]]
    """Called when a new connection to one of them works."""

    @property
    def unreachable(self) -> UpstreamError | None:
        """The reason if servers could be asked but none can be connected to; else None."""


class TakesOver(Protocol):
    """Whether another upstream would go on with a request whose attempt is ended now."""

    def __call__(self, exchange: Exchange) -> bool:
        """Whether it has a server that may be asked now."""

    def later(self, exchange: Exchange) -> bool:
        """Whether it would once it has such a server."""


@dataclass(kw_only=True)
class UpstreamScope(Scope):
    """The same for one upstream of a route."""

    upstream: str
    """Its name."""
    servers: Servers
    may_follow: Callable[[Exchange], bool]
    """Whether another attempt may take the place of one that is under way now."""
    may_follow_later: Callable[[Exchange], bool] = lambda _: False
    """Whether it may as soon as there is a server for it."""
    takes_over: TakesOver | None = None
    """None for the last upstream of a route."""
    retry_budget: Budget
    """What retries may add to the load; shared by those routes to this upstream whose
    ``[retry.budget]`` is the same."""
    has_headroom: list[Callable[[], bool]] = field(default_factory=list)
    """Conditions under which one more request may be sent than clients asked for."""
    has_server_left: list[Callable[[Exchange], bool]] = field(default_factory=list)
    """Conditions under which another attempt may replace one that is under way."""
    sends_copies: bool = False
    """Whether a request that takes long is sent a second time beside the first; left by the link
    that does so."""
    hold: Hold | None = None
    """The link that retries calls it with each reply whose body is still coming."""


@dataclass(kw_only=True)
class EndpointScope(UpstreamScope):
    """The same for one endpoint of that upstream."""

    endpoint: Endpoint
    own_credentials: bytes
    """The field in which the proxy shows credentials of its own; empty where it has none."""
    credentials: Credentials | None = None
    """Credentials of the proxy itself for this upstream."""
