"""Whether another server could do what one could not, and who has no choice."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from weakref import ref

from proxy.core.clock import Clock
from proxy.core.errors import UpstreamError
from proxy.core.exchange import Exchange
from proxy.core.outcome import CONNECT_FAILURE, failure_class, lasts
from proxy.http.logins import Ties
from proxy.middleware.load_balance.targets import Targets, TargetSet
from proxy.policy.endpoint import Endpoint

_PROMISED: Final = 1.0
"""Seconds for which a trial is kept for the attempt that is ended for it."""


def logged_in_at(targets: Targets, ties: Ties) -> Sequence[Endpoint]:
    """The server that the client of a connection is logged in at, whatever speaks against it."""
    known = ties.servers
    return [endpoint for endpoint in targets.by_endpoint if endpoint.name in known][:1]


def is_for_another(
    error: UpstreamError, targets: Targets, exchange: Exchange, endpoint: Endpoint, now: float
) -> bool:
    """Whether nothing was sent, and another server, which was not asked yet, may be asked at once.

    A wrong certificate is wrong for good: then it does not matter what speaks against the others.
    """
    wrong = lasts(error)
    if not wrong and failure_class(error) != CONNECT_FAILURE:
        return False
    tried = {endpoint.name, *[attempt.endpoint for attempt in exchange.record.attempt_log]}
    return any(
        other.name not in tried and (wrong or target.usable(now))
        for other, target in targets.by_endpoint.items()
    )


def server_left(
    targets: TargetSet[Any], panic_threshold: float, clock: Clock
) -> Callable[[Exchange], bool]:
    """Whether there is a server for another attempt of an exchange that waits for one.

    A trial needs no other one: it has to end in time, since nobody may ask that server before. A
    server that is due for a trial is there for one exchange: if all were told of it that wait, all
    but one would find none.
    What is returned does not hold the targets: they hold those who ask.
    """
    known = ref(targets)

    def is_left(exchange: Exchange) -> bool:
        targets = known()
        if targets is None or (panic_threshold and targets.now.primaries):
            return True
        now, record = clock(), exchange.record
        due = None
        for endpoint, target in targets.now.by_endpoint.items():
            breaker = target.breaker
            usable = target.usable(now, pauses=False)
            if breaker is None or not breaker.open:
                if usable:
                    return True
            elif usable and now >= breaker.promised_until:
                due = due or breaker
            elif (
                endpoint.name == record.endpoint
                and breaker.trial is not None
                and breaker.trial is record.trial
            ):
                return True
        if due is not None:
            due.promised_until = now + _PROMISED
        return due is not None

    return is_left


def too_few(usable: Sequence[Endpoint], primaries: Sequence[Endpoint]) -> bool:
    """Whether these could not carry the load of all: less than half of them, one that is slow
    counting as little as it gets."""
    return 2 * sum(each.share for each in usable) < len(primaries)


def with_refusing(usable: Sequence[Endpoint], paused: Sequence[Endpoint]) -> Sequence[Endpoint]:
    """What to choose from where there are too few that are usable, and no backup is.

    Then those count too that have answered a 503 with Retry-After, as long as nothing else speaks
    against them. A quota that is used up stays one. ``paused``: all that are usable, but for a
    pause.
    """
    return [
        endpoint
        for endpoint in paused
        if endpoint in usable
        or (endpoint.refused_until >= endpoint.paused_until and not endpoint.backup)
    ]
