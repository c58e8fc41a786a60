"""Whether another server could do what one could not, and who has no choice."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final
from weakref import ref

from proxy.core.clock import Clock
from proxy.core.errors import NoEndpointAvailable, UpstreamError, UpstreamQuotaExceeded
from proxy.core.exchange import Exchange
from proxy.core.outcome import CONNECT_FAILURE, failure_class, lasts
from proxy.core.reply import Reply
from proxy.core.ties import Ties
from proxy.middleware.load_balance.targets import Targets, TargetSet
from proxy.policy.endpoint import Endpoint, in_service

OVERDUE: Final = 1.0
"""Seconds after which any request may be a trial: there may be none but POSTs."""
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


async def ask_next(
    ask: Callable[[Exchange, list[Endpoint]], Awaitable[Reply]],
    exchange: Exchange,
    endpoint: Endpoint,
    error: UpstreamQuotaExceeded,
) -> Reply:
    """Ask one server after the other, as this one takes no more requests of this client for now.

    Raises the refusal of the server that takes one first. ``ask`` is given those that were asked
    already, and adds the one that it asks.
    """
    asked = [endpoint]
    while len(set(asked)) == len(asked):  # each once
        try:
            return await ask(exchange, asked)
        except UpstreamQuotaExceeded as other:
            sendable = error.sendable or other.sendable
            if (other.retry_after or 0.0) < (error.retry_after or 0.0):
                error = other
            error.sendable = sendable
        except NoEndpointAvailable:
            break
    raise error from None


def server_left(
    targets: TargetSet[Any], panic_threshold: float, clock: Clock
) -> Callable[[Exchange], bool]:
    """Whether there is a server for another attempt of an exchange that waits for one.

    A trial needs no other one: it has to end in time, since it keeps others from that server. A
    server that is due for a trial is there for one exchange: if all were told of it that wait, all
    but one would find none.
    What is returned does not hold the targets: they hold those who ask.
    """
    known = ref(targets)

    def is_left(exchange: Exchange) -> bool:
        targets = known()
        if targets is None:
            return True
        if panic_threshold and not all(each.withdrawn for each in targets.now.primaries):
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


def choice(
    targets: Targets,
    exchange: Exchange,
    usable: Sequence[Endpoint],
    now: float,
    *,
    asked: Collection[Endpoint],
    may_wait: bool,
    passive: bool,
) -> Sequence[Endpoint]:
    """What an attempt may choose from, where something may speak against a server.

    ``usable``: see ``policy/balance.eligible``. ``asked``: those that have no quota for it left.
    ``may_wait``: the request leaves a trial to others, until it is overdue; ``passive``: see
    ``TargetSet``. Raises NoEndpointAvailable.
    """
    log = exchange.record.attempt_log
    tried = {attempt.endpoint for attempt in log}
    if asked:  # to wait for one of these is better than one that could not be connected to
        dead = {attempt.endpoint for attempt in log if attempt.outcome == CONNECT_FAILURE}
        asked = [each for each in targets.by_endpoint if each in asked or each.name in dead]
    # One that asked for a pause is better than one that failed, and than no answer.
    usable = [each for each in usable if each not in asked] if asked else usable
    paused = targets.usable(now, pauses=False, but=asked)
    backups = [endpoint for endpoint in targets.usable(now, but=asked) if endpoint.backup]
    if not backups and too_few(usable, targets.primaries):
        usable = with_refusing(usable, paused)
    ejected: list[Endpoint] = []
    if passive and not (usable or paused or asked):  # all others have gone since
        ejected = [each for each in targets.by_endpoint if in_service(each)]
    for candidates in (usable, backups, paused, ejected):
        if fresh := [endpoint for endpoint in candidates if endpoint.name not in tried]:
            # A trial that is due is made at once, lest its latency put it off for ever; by a
            # request that has one try only after it has been waited for.
            waited = now - OVERDUE if may_wait else now
            due = [endpoint for endpoint in fresh if targets.trial_due(endpoint, waited)]
            return due[:1] or list(filter(targets.is_closed, fresh)) or fresh
    if left := usable or paused or ejected:
        return left
    raise targets.none_usable(now)


def too_few(usable: Sequence[Endpoint], primaries: Sequence[Endpoint]) -> bool:
    """Whether these could not carry the load of all: less than half of those that no operator has
    withdrawn, one that is slow counting as little as it gets."""
    return 2 * sum(each.share for each in usable) < sum(not each.withdrawn for each in primaries)


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
