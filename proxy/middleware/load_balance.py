"""Which server gets an attempt, and what its outcome says about that server."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol

from msgspec import Meta

from proxy.core.errors import ClientError, Unavailable, UpstreamError
from proxy.core.exchange import Exchange
from proxy.core.handler import Handler
from proxy.core.options import Duration, Table, described, seconds
from proxy.core.outcome import failure_class
from proxy.core.reply import Ending, Reply
from proxy.core.retry_after import retry_after
from proxy.policy.breaker import Breaker
from proxy.policy.ewma import Ewma
from proxy.policy.pick import Hash, LeastRequest, PeakEwma, RoundRobin, slow_start_factor

_OVERLOADED: Final = frozenset({429, 503})
_FAILED: Final = 500
_SLOW: Final = 1.0
"""Seconds that a fast failure counts as in the latency of a server: it must not attract traffic."""
_LONGEST_PAUSE: Final = 60.0
_POLICIES: Final[dict[str, Callable[[random.Random], Any]]] = {
    "round_robin": lambda _: RoundRobin(),
    "least_request": LeastRequest,
    "peak_ewma": PeakEwma,
    "hash": Hash,
}


class LoadBalanceOptions(Table, frozen=True, kw_only=True):
    """How requests are spread over the servers of an upstream."""

    policy: Annotated[
        Literal["round_robin", "least_request", "peak_ewma", "hash"],
        described(
            "In turn; the less busy of two; the one of two that answers sooner; or by hash_key."
        ),
    ] = "round_robin"
    hash_key: Annotated[
        str,
        Meta(
            pattern="^(path|client_addr|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$",
            description='What keeps requests together with "hash": "path", "client_addr", '
            '"header:NAME" or "cookie:NAME".',
        ),
    ] = "path"
    slow_start: Annotated[
        Duration, described("A server that is new or back gets its full share after this long.")
    ] = seconds(0)
    panic_threshold: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="Percentage of servers: with fewer healthy ones all are used, 0 for never.",
        ),
    ] = 0.0


class Server(Protocol):
    """A server as balancing sees it."""

    weight: float
    full_weight: float
    in_flight: int
    latency: Ewma
    healthy: bool
    paused_until: float
    since: float
    backup: bool
    outcomes: Counter[str]

    @property
    def name(self) -> str:
        """Its address."""


class Road(NamedTuple):
    """The way of one route to one server."""

    server: Server
    handle: Handler
    breaker: Breaker | None
    # What the policies read.

    @property
    def name(self) -> str:
        """See ``policy.pick.Candidate``, likewise below."""
        return self.server.name

    @property
    def weight(self) -> float:
        """Share."""
        return self.server.weight

    @property
    def in_flight(self) -> int:
        """Load."""
        return self.server.in_flight

    @property
    def latency(self) -> Ewma:
        """Speed."""
        return self.server.latency

    def usable(self, now: float, *, pauses: bool = True) -> bool:
        """Whether nothing speaks against it; its own Retry-After, where ``pauses`` count."""
        server = self.server
        return (
            server.healthy
            and (server.paused_until <= now or not pauses)
            and (self.breaker is None or self.breaker.admits(now))
        )


class LoadBalance:
    """Picks a server for each attempt, never one that was tried while another is left."""

    __slots__ = ("_key", "_options", "_policy", "_roads", "_slow")

    def __init__(
        self,
        roads: Callable[[], Sequence[Road]],
        options: LoadBalanceOptions,
        rng: random.Random,
    ) -> None:
        """``roads``: those that there are now, the same object while they are the same."""
        self._roads = roads
        self._options = options
        self._policy = _POLICIES[options.policy](rng)
        self._key = _key(options.hash_key) if options.policy == "hash" else None
        self._slow = bool(options.slow_start)

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises Unavailable where there is no server to ask."""
        now = time.monotonic()
        road = self._pick(exchange, now)
        ticket = None
        if road.breaker is not None and (ticket := road.breaker.admit(now)) is None:
            raise Unavailable("breaker half open", retry_after=1.0)
        server = road.server
        server.in_flight += 1
        server.latency.asked(now)
        try:
            reply = await road.handle(exchange)
        except UpstreamError as error:
            server.in_flight -= 1
            after = time.monotonic()
            server.outcomes[failure_class(error) or type(error).__name__] += 1
            server.latency.penalise(after, max(_SLOW, after - now))
            if ticket is not None:
                ticket.failed(after)
            raise
        except BaseException as error:
            server.in_flight -= 1
            if ticket is not None:
                ticket.abandoned()
            if isinstance(error, ClientError):
                server.outcomes["client"] += 1
            raise
        after = time.monotonic()
        failed = reply.status >= _FAILED
        if failed or reply.status in _OVERLOADED:
            self._failed(server, reply, after, after - now)
            exchange.elsewhere = sum(road.usable(after) for road in self._roads()) > 1
        else:
            server.latency.observe(after - now, after)
        if ticket is not None:
            if failed:
                ticket.failed(after)
            else:
                ticket.succeeded(after)
        server.outcomes[_CLASSES[reply.status // 100]] += 1
        if reply.buffered is not None:
            server.in_flight -= 1
        else:
            reply.on_close(_Ended(server, road.breaker))
        return reply

    def _failed(self, server: Server, reply: Reply, now: float, took: float) -> None:
        """A fast refusal is no fast server; one that names a time is left alone until then."""
        if reply.status not in _OVERLOADED:
            server.latency.observe(took, now)
            return
        server.latency.penalise(now, max(_SLOW, took))
        wait = retry_after(reply.headers)
        if wait is not None:
            server.paused_until = max(server.paused_until, now + min(wait, _LONGEST_PAUSE))

    def _pick(self, exchange: Exchange, now: float) -> Road:
        roads = self._roads()
        if self._slow:
            window = self._options.slow_start
            for road in roads:
                server = road.server
                server.weight = server.full_weight * slow_start_factor(now - server.since, window)
        usable = [road for road in roads if not road.server.backup and road.usable(now)]
        if len(usable) < len(roads):
            usable = self._fallen(roads, usable, now)
        if exchange.tries:
            tried = {attempt.endpoint for attempt in exchange.tries}
            usable = [road for road in usable if road.name not in tried] or usable
        if len(usable) == 1:
            return usable[0]
        key = self._key(exchange) if self._key is not None else None
        picked: Road = self._policy.pick(usable, key, now)
        return picked

    def _fallen(self, roads: Sequence[Road], usable: list[Road], now: float) -> list[Road]:
        """What is used while not all servers are: those left, then backups, or all in a panic."""
        primaries = [road for road in roads if not road.server.backup]
        if len(usable) * 100 < self._options.panic_threshold * len(primaries):
            backups = [road for road in roads if road.server.backup and road.usable(now)]
            return usable + backups if len(backups) >= len(primaries) else primaries
        if usable:
            return usable
        backups = [road for road in roads if road.server.backup and road.usable(now)]
        # One that asked for a pause is still better than no answer.
        usable = backups or [road for road in roads if road.usable(now, pauses=False)]
        if usable:
            return usable
        until = [road.breaker.until for road in roads if road.breaker is not None]
        raise Unavailable(
            "no endpoint may be asked", retry_after=max(min(until, default=now) - now, 1.0)
        )


class _Ended:
    """Waits for the end of a reply's body."""

    __slots__ = ("_breaker", "_server")

    def __init__(self, server: Server, breaker: Breaker | None) -> None:
        self._server = server
        self._breaker = breaker

    def __call__(self, reply: Reply, ending: Ending) -> None:
        self._server.in_flight -= 1
        if ending is Ending.BROKEN:
            self._server.outcomes["broken"] += 1
            if self._breaker is not None:
                self._breaker.note_failure(time.monotonic())


_CLASSES: Final = ("", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx", "7xx", "8xx", "9xx")


def _key(text: str) -> Callable[[Exchange], bytes | None]:
    """What a request is kept together by."""
    kind, _, name = text.partition(":")
    wanted = name.lower().encode()
    if kind == "path":
        return lambda exchange: exchange.path.encode()
    if kind == "client_addr":
        return lambda exchange: exchange.client.encode()

    def field(exchange: Exchange) -> bytes | None:
        return next((value for n, value in exchange.headers if n.lower() == wanted), None)

    def cookie(exchange: Exchange) -> bytes | None:
        for n, value in exchange.headers:
            if n.lower() == b"cookie":
                for pair in value.split(b";"):
                    key, _, content = pair.strip().partition(b"=")
                    if key.lower() == wanted:
                        return content
        return None

    return field if kind == "header" else cookie
