"""Servers with a connection to spare, where ``[[upstreams]] limit`` says how many there may be.

Of those that the choice gives, the ones are asked that have one. Where none of them has, others are
asked that may be: backups, and what was tried before and is worth another try. Where these have
none either, the request waits, above the choice, for whichever of them has one first. Then it looks
again: something may speak against that server by then. It also looks again, and keeps its places in
the lines of the servers, when other servers may be asked than before: one is back, or new, or its
pause or ejection has ended.
"""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.outcome import CONNECT_FAILURE
from proxy.core.permit_wait import Line, at_limit
from proxy.core.record import CONNECTION, HEDGED
from proxy.core.scope import UpstreamScope
from proxy.core.timeouts import TimeoutsOptions
from proxy.middleware.load_balance.alternatives import OVERDUE, logged_in_at
from proxy.middleware.load_balance.targets import Targets, TargetSet
from proxy.policy.endpoint import Endpoint
from proxy.policy.permits import Permits

Asked: TypeAlias = Collection[Endpoint]
Look: TypeAlias = Callable[[Targets, Exchange, Asked], Sequence[Endpoint]]
"""Chooses those that may be asked, but for some. Raises NoEndpointAvailable."""
Found: TypeAlias = tuple[Targets, Sequence[Endpoint]]

_IN_VAIN: Final = frozenset({CONNECT_FAILURE, HEDGED})
"""Outcomes of attempts at a server that is not worth another one while others can be waited for: it
cannot be connected to, or has the same request already."""


def room_of(scope: UpstreamScope, targets: TargetSet[Any]) -> "Room":
    """Of the servers of an upstream that a route asks."""
    timeouts = scope.find(TimeoutsOptions) or TimeoutsOptions()
    return Room(targets, timeouts.connect, upstream=scope.upstream, clock=scope.shared.clock)


class Room:
    """Finds servers that have a connection to spare."""

    __slots__ = ("_clock", "_patience", "_targets", "_upstream", "_waiting")

    def __init__(
        self, targets: TargetSet[Any], patience: float, *, upstream: str = "", clock: Clock
    ) -> None:
        """``patience``: seconds that a request may wait, ``[timeouts] connect``; 0: no limit."""
        self._targets = targets
        self._patience = patience
        self._upstream = upstream
        self._clock = clock
        self._waiting: dict[Line, Sequence[Endpoint]] = {}
        """Who waits, the longest first, and who could be asked when they looked last."""
        targets.on_state.append(self._state_changed)

    def _state_changed(self) -> None:
        """Have those look again to whom it makes a difference."""
        if self._waiting:
            usable = self._targets.now.usable(self._clock())
            for line, seen in self._waiting.items():
                if seen != usable:
                    line.look_again()

    async def find(
        self,
        targets: Targets,
        exchange: Exchange,
        candidates: Sequence[Endpoint],
        asked: Asked,
        look: Look,
    ) -> Found:
        """Whom to choose from, of ``candidates`` in the first place, and of which snapshot.

        After a wait that is one, with a permit set aside for this task. Raises ServerAtLimit, and
        what ``look`` raises.
        """
        began, line = self._clock(), None
        known: dict[Permits, Endpoint] = {}
        try:
            while True:
                if room := with_room(candidates):
                    return targets, room
                others = self._others(targets, exchange, candidates, asked)
                if room := _best(with_room(others), exchange):
                    return targets, room
                line = line or Line()
                now = [*candidates, *others]
                known.update({each.permits: each for each in now if each.permits is not None})
                self._waiting[line] = targets.usable(self._clock())
                permits = await self._wait(exchange, targets, now, line, began)
                targets = self._targets.now
                candidates = look(targets, exchange, asked)
                if permits is not None:
                    endpoint = known[permits]
                    others = self._others(targets, exchange, candidates, asked)
                    if endpoint in candidates or endpoint in others:
                        line.keep()
                        return targets, [endpoint]
                    line.forgo()
        finally:
            if line is not None:
                self._waiting.pop(line, None)
                line.leave()

    def _others(
        self, targets: Targets, exchange: Exchange, candidates: Sequence[Endpoint], asked: Asked
    ) -> list[Endpoint]:
        """Who else may be asked where all of these are at their limit."""
        if exchange.ties is not None and logged_in_at(targets, exchange.ties):
            return []
        log = exchange.record.attempt_log
        in_vain = {attempt.endpoint for attempt in log if attempt.outcome in _IN_VAIN}
        return [
            endpoint
            for endpoint in targets.usable(self._clock(), but=asked)
            if endpoint not in candidates
            and endpoint.name not in in_vain
            and targets.is_closed(endpoint)
        ]

    async def _wait(
        self,
        exchange: Exchange,
        targets: Targets,
        endpoints: Sequence[Endpoint],
        line: Line,
        began: float,
    ) -> Permits | None:
        """Of the first that has a connection to spare; None where it is time to look again."""
        server = endpoints[0].name if len(endpoints) == 1 else ""
        now = self._clock()
        left = began + self._patience - now if self._patience else math.inf
        if left <= 0:
            raise at_limit(server or f"a server of {self._upstream}", self._patience)
        again = min(targets.changes_at(now), targets.changes_at(now - OVERDUE) + OVERDUE)
        several = [each.permits for each in endpoints if each.permits is not None]
        with exchange.record.waiting(CONNECTION, self._clock, self._upstream, server):
            return await line.wait(several, min(left, again - now))


def with_room(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """The endpoints to which another connection may be made."""
    return [each for each in endpoints if each.permits is None or not each.permits.full]


def _best(endpoints: list[Endpoint], exchange: Exchange) -> list[Endpoint]:
    """Those that were not tried, where there are such; primaries rather than backups."""
    tried = {attempt.endpoint for attempt in exchange.record.attempt_log}
    ranks = [(each.name in tried, each.backup) for each in endpoints]
    return [each for each, rank in zip(endpoints, ranks, strict=True) if rank == min(ranks)]
