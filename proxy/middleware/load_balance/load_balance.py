"""Which server gets an attempt, and what its outcome says about that server."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from proxy.core.errors import CertificateInvalid, NotAsked, Unavailable, UpstreamError
from proxy.core.exchange import Exchange
from proxy.core.options import Duration, Table, described, seconds
from proxy.core.outcome import UNANSWERED, Verdict, at_fault, failure_class, verdict
from proxy.core.reply import Ending, Reply
from proxy.core.request_key import PATTERN, key_of
from proxy.http.backpressure import retry_after
from proxy.http.logins import Ties
from proxy.policy.balance import (
    Hash,
    LeastRequest,
    PeakEwma,
    RoundRobin,
    eligible,
    slow_start_factor,
)
from proxy.policy.breaker import Breaker, Ticket
from proxy.policy.roads import Roads, Server, Ways

_SLOW: Final = 1.0  # seconds that a fast failure counts as: it must not attract traffic
_LONGEST_PAUSE: Final = 60.0
_OVERDUE: Final = 1.0
"""Seconds after which any request may be a trial: there may be none but POSTs."""
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
        described("In turn; the less busy of two; the faster of two; by hash_key."),
    ] = "round_robin"
    hash_key: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='What keeps requests together with "hash": "path", "client_addr", '
            '"header:NAME" or "cookie:NAME".',
        ),
    ] = "path"
    slow_start: Annotated[
        Duration, described("A server that is new or back gets its full share after this long.")
    ] = seconds(0)
    panic_threshold: Annotated[
        float,
        Meta(ge=0, le=100, description="With fewer percent usable, all are used; 0: never."),
    ] = 0.0


class LoadBalance:
    """Picks a server for each attempt, never one that was tried while another is left."""

    __slots__ = (
        "_calm",
        "_key",
        "_news",
        "_options",
        "_pick",
        "_repeatable",
        "_seen",
        "_timed",
        "_ways",
    )

    def __init__(
        self,
        ways: Ways,
        options: LoadBalanceOptions,
        rng: random.Random,
        repeatable: Callable[[Exchange], bool] = lambda _: True,
    ) -> None:
        """``repeatable``: whether running a request twice is the same as once."""
        self._ways = ways
        self._repeatable = repeatable
        self._options = options
        self._pick: Callable[[Sequence[Server], bytes | None, float], Server] = _POLICIES[
            options.policy
        ](rng).pick
        self._key = key_of(options.hash_key) if options.policy == "hash" else None
        self._timed = options.policy == "peak_ewma"
        self._news = ways.news
        self._seen = 0
        """What was new when ``_calm`` was set."""
        self._calm: Roads | None = None
        """What needs no second look: nothing speaks against any of these servers."""

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises Unavailable where there is no server to ask."""
        roads = self._ways.now
        news = self._news
        if (
            roads is not self._calm
            or news.count != self._seen
            or exchange.tries
            or (exchange.ties is not None and exchange.ties.held)
        ):
            servers = self._left(roads, exchange)
        else:
            servers = roads.servers
        # While all is well, nothing looks at a clock unless there is a choice to be made by it.
        began = 0.0
        if len(servers) == 1:
            server = servers[0]
        else:
            began = time.monotonic()
            key = self._key(exchange) if self._key is not None else None
            server = self._pick(servers, key, began)
        _, handle, breaker = roads.to[server]
        # In a panic a server is asked that its breaker would not admit: without a ticket.
        ticket = None
        if breaker is not None:
            ticket = breaker.admit(time.monotonic()) if breaker.open else breaker.shared
        server.in_flight += 1
        try:
            reply = await handle(exchange)
        except NotAsked:
            server.in_flight -= 1
            if ticket is not None:
                ticket.abandoned()
            raise
        except UpstreamError as error:
            server.in_flight -= 1
            server.outcomes[failure_class(error) or type(error).__name__] += 1
            exchange.elsewhere = _is_for_another(error, roads, exchange, server)
            self._broke(server, ticket, began)
            raise
        except BaseException:
            server.in_flight -= 1
            if ticket is not None:
                ticket.abandoned()
            raise
        status = reply.status
        server.outcomes[status] += 1
        row = 0
        if status in UNANSWERED:
            row = breaker.failures if breaker is not None else 0
            exchange.elsewhere = self._refused(roads, server, ticket, reply)
        elif (
            roads is not self._calm
            or news.count != self._seen
            or roads.counted
            or self._timed
            # A backup's: it is not looked at while all is well with the others.
            or (breaker is not None and (breaker.open or breaker.failures))
        ):
            row = breaker.failures if breaker is not None else 0
            self._answered(server, breaker, ticket, began)
        if reply.buffered is not None:
            server.in_flight -= 1
        else:
            reply.on_close(_Ended(self, server, breaker, row))
        return reply

    def _answered(
        self, server: Server, breaker: Breaker | None, ticket: Ticket | None, began: float
    ) -> None:
        """A reply says that the server is well."""
        now = time.monotonic()
        if began and self._timed:
            server.latency.observe(now - began, now)
        if breaker is not None and ticket is not None:
            back = breaker.open
            ticket.succeeded(now)
            if back and not breaker.open:
                server.welcome()

    def _broke(self, server: Server, ticket: Ticket | None, began: float) -> None:
        """An attempt failed: however fast that was, it must not attract traffic."""
        self._calm = None
        now = time.monotonic()
        server.latency.penalise(now, max(_SLOW, now - began) if began else _SLOW)
        if ticket is not None:
            ticket.failed(now)

    def _refused(self, roads: Roads, server: Server, ticket: Ticket | None, reply: Reply) -> bool:
        """A reply says that the server is not well. Whether another could be asked at once.

        A fast refusal is no fast server; one that names a time is left alone until then.
        """
        self._calm = None
        now = time.monotonic()
        if ticket is not None:
            if at_fault(reply.status):
                ticket.failed(now)
            else:
                ticket.succeeded(now)
        if verdict(reply) is Verdict.OVERLOADED:
            server.latency.penalise(now, _SLOW)
            wait = retry_after(reply.headers)
            if wait is not None:
                server.pause(now + min(wait, _LONGEST_PAUSE))
        return any(other is not server and road.usable(now) for other, road in roads.to.items())

    def disturb(self) -> None:
        """Look again before the next attempt."""
        self._calm = None

    def _left(self, roads: Roads, exchange: Exchange) -> Sequence[Server]:
        """Those that may be asked."""
        if exchange.ties is not None and (own := _own(roads, exchange.ties)):
            return own
        now = time.monotonic()
        full = self._warmed(roads, now)
        usable = eligible(
            roads.servers,
            roads.spares,
            lambda server: roads.to[server].usable(now),
            self._options.panic_threshold,
        )
        if full and usable is roads.servers and all(map(roads.settled, usable)):
            self._calm, self._seen = roads, self._news.count
        tried = {attempt.endpoint for attempt in exchange.tries}
        # One that asked for a pause is better than one that failed, and than no answer.
        paused = [server for server, road in roads.to.items() if road.usable(now, pauses=False)]
        spares = [server for server in roads.spares if roads.to[server].usable(now)]
        for servers in (usable, spares, paused):
            if fresh := [server for server in servers if server.name not in tried]:
                # A trial that is due is made at once, lest its latency put it off for ever; by a
                # request that has one try only after it has been waited for.
                waited = now if self._repeatable(exchange) else now - _OVERDUE
                due = [server for server in fresh if roads.due(server, waited)]
                return due[:1] or list(filter(roads.well, fresh)) or fresh
        if not (usable or paused):
            until = [road.breaker.until for road in roads.to.values() if road.breaker is not None]
            wait = max(min(until, default=now) - now, 1.0)
            raise Unavailable(_why(roads, now), retry_after=wait)
        return usable or paused

    def _warmed(self, roads: Roads, now: float) -> bool:
        """Whether every server has its full weight, which it is given bit by bit."""
        window = self._options.slow_start
        for server in roads.servers if window else ():
            server.weight = server.full_weight * slow_start_factor(now - server.since, window)
        return all(server.weight == server.full_weight for server in roads.servers)


def _why(roads: Roads, now: float) -> str:
    """Why no server may be asked."""
    parts = []
    for server, road in roads.to.items():
        what = "is unhealthy" if not server.healthy else "is on trial"
        if server.healthy and road.breaker is not None and road.breaker.until > now:
            until = datetime.now(UTC) + timedelta(seconds=road.breaker.until - now)
            what = f"is ejected until {until:%H:%M:%S} UTC"
        parts.append(f"{server.name} {what}")
    return "no server may be asked: " + (", ".join(parts) or "there is none")


def _own(roads: Roads, ties: Ties) -> Sequence[Server]:
    """The server that the client of a connection is logged in at, whatever speaks against it."""
    known = ties.servers
    return [server for server in roads.to if server.name in known][:1]


def _is_for_another(error: UpstreamError, roads: Roads, exchange: Exchange, server: Server) -> bool:
    """Whether it is wrong with this server for good, and another one was not asked yet."""
    if not isinstance(error, CertificateInvalid):
        return False
    tried = {server.name, *[attempt.endpoint for attempt in exchange.tries]}
    return any(other.name not in tried for other in roads.to)


class _Ended:
    """Waits for the end of a reply's body."""

    __slots__ = ("_balance", "_breaker", "_row", "_server")

    def __init__(
        self, balance: LoadBalance, server: Server, breaker: Breaker | None, row: int
    ) -> None:
        """``row``: failures before its head, which looked like the end of them."""
        self._balance = balance
        self._server = server
        self._breaker = breaker
        self._row = row

    def __call__(self, reply: Reply, ending: Ending) -> None:
        self._server.in_flight -= 1
        if ending is Ending.BROKEN:
            self._balance.disturb()
            self._server.outcomes["broken"] += 1
            if self._breaker is not None:
                self._breaker.failures = max(self._breaker.failures, self._row)
                self._breaker.note_failure(time.monotonic())
