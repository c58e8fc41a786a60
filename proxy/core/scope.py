"""What a link of a chain is made from; ``run/chains`` has the links and their order.

There is a scope for each route, one under it for each upstream that the route asks, and one under
that for each endpoint. Chains are built from the inside outwards, so a link may leave something in
its scope for the links above it: ``has_headroom`` and ``hold``. What a link above leaves for those
below it is asked when they work: ``has_server_left``.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from proxy.core.body import Body
from proxy.core.clock import Clock, monotonic
from proxy.core.credentials import Credentials
from proxy.core.deck import Deck
from proxy.core.errors import ProxyError
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.samples import Described, Sample
from proxy.core.sharing import Sharing
from proxy.http.fields import RawHeaders
from proxy.policy.budget import Budget
from proxy.policy.endpoint import Endpoint

if TYPE_CHECKING:
    from proxy.core.stored import Store

T = TypeVar("T")

Hold: TypeAlias = Callable[[Exchange, Reply], Awaitable[None]]
"""Waits until a reply is good enough to be shown. Raises ReplyBroken where it breaks before."""
ErrorEvent: TypeAlias = Callable[..., bytes]
"""The last event of a stream: what failed, the request id, ``[stream] on_error`` (``shape``)."""


class Watched(NamedTuple):
    """Something whose state operators are shown."""

    thing: Described
    labels: dict[str, str]


class Uses(NamedTuple):
    """What the links of one route took from what is shared, and had shown."""

    keys: list[Hashable]
    watched: list[Watched]


class UpstreamNames(NamedTuple):
    """How the servers that may answer a route are called."""

    origins: tuple[str, ...]
    """What they may call themselves."""
    servers: tuple[tuple[str, str], ...]
    """Scheme and host that each is asked for."""
    renamed: bool
    """Whether one of them is asked for by another host than the client named."""
    tell_prefix: bool
    """Whether they are told which prefix was stripped."""


@runtime_checkable
class Ends(Protocol):
    """Something shared that runs by itself, and is told of the end."""

    def retire(self) -> None:
        """A drain begins."""

    async def close(self) -> None:
        """Nobody uses it any more."""


class Shared:
    """What all chains of one configuration share.

    A configuration that follows another takes over what it shares under equal keys: ``share`` finds
    it, and ``begin`` makes it the new one's. Until then the one before has lost nothing.
    """

    __slots__ = (
        "_adaptations",
        "_before",
        "_shown",
        "_things",
        "clock",
        "deck",
        "rng",
        "show_keys",
        "store",
        "tasks",
        "traced",
        "uses",
        "watched",
    )

    def __init__(
        self,
        rng: random.Random,
        show_keys: tuple[str, ...] = (),
        clock: Clock = monotonic,
        before: "Shared | None" = None,
    ) -> None:
        """``show_keys``: ``[admin] show_keys``; ``before``: of the configuration that ends."""
        self.rng = rng
        self.clock = clock
        self.show_keys = show_keys
        self.store: Store | None = None
        """Where replies are stored, if a route has ``[cache]``."""
        self.deck: Deck | None = None
        """What is recorded or replayed, with those commands."""
        self.tasks: set[asyncio.Task[None]] = set() if before is None else before.tasks
        """Tasks that belong to no request; what is left of them at the end is cancelled."""
        self.traced = False
        """Whether spans are made, with ``[tracing]``."""
        self.watched: list[Watched] = []
        self._shown: set[int] = set()
        """Identities of what is watched: with hundreds of routes there are thousands."""
        self.uses = Uses([], [])
        """What has been taken and shown since whoever builds a route put this here."""
        self._things: dict[Hashable, Any] = {}
        self._before = before
        self._adaptations: list[Callable[[], None]] = []

    def share(
        self, key: Hashable, make: Callable[[], T], adapt: Callable[[T], None] | None = None
    ) -> T:
        """What stands under this key, made by the first that asks for it.

        It may come from the configuration before. What may differ between the two stands in the
        key, or ``adapt`` is told of what there was when this configuration begins.
        """
        self.uses.keys.append(key)
        if key not in self._things:
            known = None if self._before is None else self._before._things.get(key)
            if known is not None and adapt is not None:
                self._adaptations.append(partial(adapt, known))
            self._things[key] = make() if known is None else known
        found: T = self._things[key]
        return found

    def had(self, key: Hashable) -> bool:
        """Whether the configuration before has something here that may have to be told of this."""
        return self._before is not None and key in self._before._things

    def do_without(self, key: Hashable, adapt: Callable[[T], None]) -> None:
        """``adapt`` is told of what the configuration before had here, when this one begins."""
        known = None if self._before is None else self._before._things.get(key)
        if known is not None:
            self._adaptations.append(partial(adapt, known))

    def watch(self, thing: Described, **labels: str) -> None:
        """Show operators the state of ``thing``, once; ``labels`` say which one it is."""
        self.uses.watched.append(Watched(thing, labels))
        if id(thing) not in self._shown:
            self._shown.add(id(thing))
            self.watched.append(Watched(thing, labels))

    def keep(self, uses: Uses) -> None:
        """A route stays as it is, with what it took from the configuration before."""
        assert self._before is not None
        for key in uses.keys:
            self._things.setdefault(key, self._before._things[key])
        for thing, labels in uses.watched:
            self.watch(thing, **labels)

    def begin(self) -> None:
        """This configuration applies from now on."""
        for adapt in self._adaptations:
            adapt()
        self._adaptations.clear()
        before, self._before = self._before, None
        if before is not None:
            before.tasks = set()
            for key in self._things:
                before._things.pop(key, None)

    def describe(self, now: float) -> Iterator[Sample]:
        """The samples of all that is watched; ``now`` is monotonic."""
        for thing, labels in self.watched:
            for sample in thing.describe(now):
                yield sample._replace(labels={**labels, **sample.labels})

    def retire(self) -> None:
        """A drain begins."""
        for thing in self._things.values():
            if isinstance(thing, Ends):
                thing.retire()

    def abandon(self) -> None:
        """This configuration will never begin, or has ended: hold nothing of its chains."""
        self._things = {}
        self._adaptations.clear()
        self.watched.clear()
        self._shown.clear()
        self.uses = Uses([], [])

    async def close(self) -> None:
        """End all that runs by itself and that no other configuration has taken over."""
        things = list(self._things.values())
        self.abandon()
        for thing in things:
            if isinstance(thing, Ends):
                await thing.close()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)


@dataclass(kw_only=True)
class Scope:
    """Of a route."""

    shared: Shared
    options: tuple[object, ...]
    """The tables of the route, and what else ``find`` gives."""
    route: str
    """Its name."""
    identity: Hashable
    """What it takes: tells it from others, and finds it again in the next configuration."""
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
    """Whether a request may be given another attempt; of no method where ``[retry]`` is off."""
    has_deadlines: bool
    """Whether an exchange may have a deadline: ``[deadline]`` or ``[timeouts] total``."""
    field_changes: bytes
    """How the rules of the route change the fields of requests, those with credentials too: other
    bytes for other changes, in every process; empty where there are none."""
    error_event: ErrorEvent
    covered: Callable[[Exchange, ProxyError], str]
    """Logs a failure in whose place another reply is given; its token."""
    main_upstream: str = ""
    """The name of the upstream that is asked first."""
    others: Sequence[Handler] = ()
    """The chains of the upstreams that take over."""
    sharing: Sharing | None = None
    """How equal requests share one call; left by the coalescer for the cache above it."""
    own_fields: Callable[[RawHeaders], RawHeaders] | None = None
    """What every answer on the route carries, by the fields of its request; left by ``[cors]``."""

    def find(self, kind: type[T]) -> T | None:
        """The table of this class; None where it is switched off."""
        return next((table for table in self.options if isinstance(table, kind)), None)


class Servers(Protocol):
    """The servers of an upstream, as far as connections to them go."""

    on_connect: list[Callable[[], None]]
    """Called when a new connection to one of them works."""

    @property
    def connects(self) -> bool:
        """Whether connections to any of them are made, as far as is known."""


@dataclass(kw_only=True)
class UpstreamScope(Scope):
    """Of an upstream that a route asks."""

    upstream: str
    """Its name."""
    servers: Servers
    may_follow: Callable[[Exchange], bool]
    """Whether another attempt may take the place of one that is under way now."""
    may_follow_later: Callable[[Exchange], bool] = lambda _: False
    """Whether it may as soon as there is a server for it."""
    retry_budget: Budget
    """What retries may add to the load, shared by all routes to this upstream."""
    has_headroom: list[Callable[[], bool]] = field(default_factory=list)
    """What has to hold for one more request than was asked for."""
    has_server_left: list[Callable[[Exchange], bool]] = field(default_factory=list)
    """What has to hold for another attempt to take the place of one that is under way."""
    sends_copies: bool = False
    """Whether a request that takes long is sent a second time beside the first; left by the link
    that does so."""
    hold: Hold | None = None
    """To be called by whoever tries again, with each reply that is not here as a whole."""


@dataclass(kw_only=True)
class EndpointScope(UpstreamScope):
    """Of an endpoint of an upstream, as one route reaches it."""

    endpoint: Endpoint
    own_credentials: bytes
    """The field in which the proxy shows credentials of its own; empty where it has none."""
    credentials: Credentials | None = None
    """The proxy's own for this upstream."""
