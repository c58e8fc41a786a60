"""Which server gets an attempt.

How it works. Each attempt takes the route's snapshot of servers, ``TargetSet.now``. A snapshot is
clean if, when it was last looked at, every server but the backups was usable, had its full weight,
and had a closed breaker without a failure. ``_clean`` is the snapshot that is known to be clean, or
None. Nearly all attempts take the fast path, which asks no server's state:

- fast path: the snapshot is ``_clean``, this request has had no attempt before, and its client is
  not logged in on a connection to a server. Any primary server may be picked. With one server the
  policy is not asked, and no clock is read.
- slow path (``_candidates``): each server's state is looked at. If all is clean, the snapshot is
  remembered as ``_clean``. The candidates are the first group of these that has a server which this
  request has not tried: the usable ones (usable backups if no primary is usable, all primaries in a
  panic), usable backups, those that asked for a pause. If fewer than half and no backup are usable,
  those that said 503 with Retry-After count too. In that group, a server that is due for a trial is
  first (once overdue, where the request must not run twice); else those with a closed breaker. If
  every server was tried, the usable or paused ones are tried again; without ``[circuit_breaker]``
  even those that are ejected, where no other is in service. If there is none, NoEndpointAvailable
  is raised.
- behind both, servers at their ``limit`` are passed over or waited for, see ``room.py``.

A server that takes no more of this client for now (UpstreamQuotaExceeded) sends it to the next one.

What makes ``_clean`` None, so that the next attempt takes the slow path: a failed attempt, a reply
whose verdict is not ANSWERED, a body that broke, and every change of a server's state
(``on_state``: a pause, a health check, a recovery). Other servers make another snapshot.

What an outcome says about its server, see ``outcomes.py``. A success is told only if somebody needs
it: a breaker that counts a ratio, is open or has failures, a snapshot that is not clean, or
``peak_ewma``. With ``least_request``, servers are compared once a second, and a slow one gets less
(``weights.compare``). ``in_flight`` goes up before the attempt and down when its reply ends.
"""

import math
import random
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from proxy.core.body import served_since
from proxy.core.clock import Clock
from proxy.core.errors import NotAttempted, UpstreamError, UpstreamQuotaExceeded
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import NEEDS_VERDICT, failure_class
from proxy.core.reply import Reply
from proxy.core.request_key import key_of
from proxy.core.scope import UpstreamScope
from proxy.middleware.load_balance.alternatives import (
    ask_next,
    choice,
    is_for_another,
    logged_in_at,
    server_left,
)
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.load_balance.outcomes import Outcomes, ReplyEnded
from proxy.middleware.load_balance.room import Room, room_of
from proxy.middleware.load_balance.targets import Targets, TargetSet
from proxy.middleware.load_balance.weights import COMPARE_EVERY, apply_weights, compare
from proxy.policy.balance import POLICIES
from proxy.policy.endpoint import Endpoint

_ALL: Final = 100.0


def link(scope: UpstreamScope, inner: Handler) -> Handler | None:
    """Where there is anything to choose: several endpoints, or one that may be left alone."""
    targets: TargetSet[Any] | None = scope.find(TargetSet)
    if targets is None:
        return None
    targets.tell_of(route=scope.route, upstream=scope.upstream)
    scope.shared.watch(targets, route=scope.route, upstream=scope.upstream)
    shared, clock = scope.shared, scope.shared.clock
    scope.has_headroom.append(lambda: targets.has_headroom(clock()))
    options = scope.find(LoadBalanceOptions) or LoadBalanceOptions()
    scope.has_server_left.append(server_left(targets, options.panic_threshold, clock))
    known = targets, options, shared.rng, scope.has_more_attempts
    return LoadBalance(*known, room=room_of(scope, targets), clock=clock).handle


class LoadBalance:
    """Picks a server for each attempt, never one that was tried while another is left."""

    __slots__ = (
        "_clean",
        "_clock",
        "_floor",
        "_key",
        "_options",
        "_outcomes",
        "_pick",
        "_repeatable",
        "_room",
        "_targets",
        "_timed",
        "_weigh_at",
    )

    def __init__(
        self,
        targets: TargetSet[Any],
        options: LoadBalanceOptions,
        rng: random.Random,
        repeatable: Callable[[Exchange], bool] = lambda _: True,
        *,
        room: Room,
        clock: Clock,
    ) -> None:
        """``repeatable``: whether running a request twice is the same as once."""
        self._targets = targets
        self._clock = clock
        self._repeatable, self._room = repeatable, room
        self._options = options
        policy = POLICIES[options.policy](rng)
        self._pick: Callable[[Sequence[Endpoint], bytes | None, float], Endpoint] = policy.pick
        self._key = key_of(options.hash_key) if policy.by_key else None
        self._timed = policy.by_latency
        weighs = policy.less_for_slow and options.min_share < _ALL
        self._floor = options.min_share / _ALL if weighs else 0.0
        self._weigh_at = 0.0 if weighs else math.inf
        self._outcomes = Outcomes(clock, timed=policy.by_latency, passive=targets.passive)
        self._clean: Targets | None = None
        """What needs no second look: nothing speaks against any of these servers."""
        targets.on_state.append(self.invalidate)

    async def handle(self, exchange: Exchange, asked: list[Endpoint] | None = None) -> Reply:
        """Raises NoEndpointAvailable where there is no server to ask, but for those ``asked``."""
        targets = self._targets.now
        if (
            targets is not self._clean
            or exchange.record.attempt_log
            or asked
            or (exchange.ties is not None and exchange.ties.held)
        ):
            candidates = self._candidates(targets, exchange, asked or ())
        else:
            candidates = targets.primaries
        if targets.limited:
            found = targets, exchange, candidates, asked or ()
            targets, candidates = await self._room.find(*found, self._candidates)
        # While all is well, nothing looks at a clock unless there is a choice to be made by it.
        began = 0.0
        if len(candidates) == 1:
            endpoint = candidates[0]
        else:
            began = self._clock()
            key = self._key(exchange) if self._key is not None else None
            if began >= self._weigh_at:
                self._weigh_at = began + COMPARE_EVERY
                compare(targets, self._floor)
                apply_weights(targets, self._options.slow_start, began, self._floor)
            endpoint = self._pick(candidates, key, began)
        _, handle, breaker = targets.by_endpoint[endpoint]
        # In a panic a server is asked that its breaker would not admit: without a permission.
        permission = None
        if breaker is not None:
            permission = breaker.shared
            if breaker.open:
                permission = breaker.allow(self._clock(), exchange.body.waited)
                exchange.record.trial = permission
        endpoint.in_flight += 1
        # What a client takes for its upload says nothing of the server.
        upload = exchange.body if began and exchange.body.buffered is None else None
        if upload is not None:
            began -= upload.waited(began)
        try:
            reply = await handle(exchange)
        except NotAttempted as error:
            endpoint.in_flight -= 1
            if permission is not None:
                permission.abandoned()
            if isinstance(error, UpstreamQuotaExceeded):
                if asked is not None:
                    asked.append(endpoint)
                elif not exchange.bound:
                    return await ask_next(self.handle, exchange, endpoint, error)
            raise
        except UpstreamError as error:
            endpoint.in_flight -= 1
            endpoint.outcomes[failure_class(error) or type(error).__name__] += 1
            error.alternative_ready = is_for_another(
                error, targets, exchange, endpoint, self._clock()
            )
            if upload is not None:
                began = served_since(upload, began, self._clock())
            self._clean = None
            self._outcomes.failed(endpoint, permission, began)
            raise
        except BaseException:
            endpoint.in_flight -= 1
            if permission is not None:
                permission.abandoned()
            if upload is not None:
                began = served_since(upload, began, self._clock())
            waited = self._clock() - began
            if began and self._floor and waited > endpoint.usual.seconds:
                endpoint.usual.unanswered(waited)
            raise
        status = reply.status
        endpoint.outcomes[status] += 1
        prior_failures = 0
        if status in NEEDS_VERDICT:
            prior_failures = breaker.failures if breaker is not None else 0
            self._clean = None
            reply.alternative_ready = self._outcomes.refused(targets, endpoint, permission, reply)
        else:
            first = exchange.record.first_byte_at
            if upload is not None:
                began = served_since(upload, began, first or self._clock())
            if began and self._floor and first is not None:
                endpoint.usual.observe(first - began)
            if (
                targets is not self._clean
                or targets.counts_successes
                or self._timed
                # A backup's: it is not looked at while all is well with the others.
                or (breaker is not None and (breaker.open or breaker.failures))
            ):
                prior_failures = breaker.failures if breaker is not None else 0
                self._outcomes.succeeded(endpoint, breaker, permission, began)
        if reply.buffered is not None:
            endpoint.in_flight -= 1
        else:
            ended = ReplyEnded(endpoint, breaker, prior_failures, self.invalidate, self._clock)
            reply.on_close(ended)
        return reply

    def invalidate(self) -> None:
        """Look again before the next attempt."""
        self._clean = None

    def _candidates(
        self, targets: Targets, exchange: Exchange, asked: Collection[Endpoint]
    ) -> Sequence[Endpoint]:
        """Those that may be asked, and were not ``asked`` in vain already."""
        if exchange.ties is not None and (own := logged_in_at(targets, exchange.ties)):
            return own
        now = self._clock()
        full = apply_weights(targets, self._options.slow_start, now, self._floor)
        usable = targets.eligible(self._options.panic_threshold, now)
        if full and usable is targets.primaries and all(map(targets.is_clean, usable)):
            self._clean = targets
        may_wait, passive = not self._repeatable(exchange), self._targets.passive
        found = targets, exchange, usable, now
        return choice(*found, asked=asked, may_wait=may_wait, passive=passive)
