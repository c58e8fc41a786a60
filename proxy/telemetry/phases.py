"""Where the time of an exchange went: one of six phases for each moment of it.

- ``client``: the client was waited for, to send its request or to take its reply;
- ``queue``: the request waited to be let through, see ``core/record.Wait``;
- ``retries``: attempts that failed, and the waits between them;
- ``connect``: the last attempt got its connection;
- ``first_byte``: the server was waited for, from the connection to the head of its reply; if that
  was a failure, until its copies had failed too;
- ``body``: the rest of the reply came.
"""

from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import Final, NamedTuple, Protocol, TypeVar

from proxy.core.body import EMPTY, client_waited
from proxy.core.exchange import Exchange
from proxy.core.record import ABANDONED, ANSWER, HEDGED, NOT_ATTEMPTED, Attempt, Record
from proxy.http.upgrade import SWITCHING

NAMES: Final = ("client", "queue", "retries", "connect", "first_byte", "body")
"""In the order in which a request meets them."""

_AT_ONCE: Final = 0.01
"""Seconds within which an exchange ends with the attempt that is under way."""
_NO_FAILURE: Final = frozenset({ABANDONED, HEDGED, NOT_ATTEMPTED})
"""Outcomes of copies that were ended, or never sent."""


class _Try(Protocol):
    """An attempt, or what is shown of one."""

    @property
    def outcome(self) -> str: ...
    @property
    def hedged(self) -> bool: ...


AnyTry = TypeVar("AnyTry", bound=_Try)


class Phases(NamedTuple):
    """Seconds of each."""

    client: float
    queue: float
    retries: float
    connect: float
    first_byte: float
    body: float

    @property
    def longest(self) -> str:
        """The phase that most of the time went on."""
        return NAMES[max(range(len(NAMES)), key=self.__getitem__)]


def phases(exchange: Exchange, now: float) -> Phases:
    """Of an exchange that ends now, or that is looked at in its midst; ``now`` is monotonic.

    They add up to its duration: each takes its part of what those before it have left.
    """
    record, started = exchange.record.with_call(), exchange.started_at
    head_at, queue, wait = record.first_byte_at, record.queue_s, record.wait
    between = is_between(exchange, now)
    if between or (wait is not None and wait.what != ANSWER):
        head_at = None  # what is known is of the attempt that has failed
    if wait is not None:
        queue += max(0.0, (now if head_at is None else min(now, head_at)) - wait.began)
    sending, taking = 0.0, 0.0
    if exchange.body is not EMPTY:
        sending = client_waited(exchange.body, now)
    if exchange.stalled is not None and exchange.status != SWITCHING:
        taking = exchange.stalled(now)
    before, body = max(0.0, now - started), 0.0
    given_up = idle = 0.0
    if record.attempt_log and not between:
        given_up, idle = _given_up(record, head_at)
    if head_at is not None:
        body = min(before, max(0.0, now - head_at - given_up))
        before -= body
        taking = min(taking, body)
        body -= taking
    else:
        taking = min(taking, before)
        before -= taking
    queue = min(queue, before)
    before -= queue
    retries = 0.0
    if record.attempt_log:
        until = (now, queue, sending) if between else _last_began(record, now)
        retries = min(before, _retries(record.attempt_log, *until) + idle)
        before -= retries
    upload = min(record.head_s + sending, before)
    before -= upload
    connect = record.connect_s
    if not record.attempt_count:  # nobody was asked: it waited, for another's answer at most
        return Phases(upload + taking, queue + before, retries, 0.0, 0.0, body)
    if connect is None and head_at is None:  # it got no connection, or has none yet
        return Phases(upload + taking, queue, retries, before, 0.0, 0.0)
    connect = min(connect or 0.0, before)
    return Phases(upload + taking, queue, retries, connect, before - connect, body)


def is_between(exchange: Exchange, now: float) -> bool:
    """Whether all attempts have failed, and it waits for another, or did so until it was ended."""
    record = exchange.record.with_call()
    if not record.attempt_log or record.is_unlogged:
        return False
    if not exchange.status or record.refused:
        return True
    if exchange.committed or not (exchange.error == "client_gone" or exchange.ended_by):
        return False
    return now - max(map(_end, record.attempt_log)) > _AT_ONCE


def failed_attempts(exchange: Exchange, now: float) -> tuple[Attempt, ...]:
    """Those before the one that has answered, that is under way or whose failure is the answer."""
    record = exchange.record.with_call()
    goes_on = record.is_unlogged or is_between(exchange, now)
    return failed_before(record.attempt_log, goes_on=goes_on)


def failed_before(tries: Sequence[AnyTry], *, goes_on: bool) -> tuple[AnyTry, ...]:
    """Of these, those before the one that counts, with the copies that failed by themselves.

    ``goes_on``: the one that counts is none of them.
    """
    counted = [place for place, each in enumerate(tries) if not each.hedged]
    if len(counted) > 1 and not goes_on:
        counted.pop()  # with those that ran beside it
    before = tries[: counted[-1] + 1] if counted else ()
    return tuple(each for each in before if not each.hedged or each.outcome not in _NO_FAILURE)


def awaited_beside(record: Record) -> Attempt | None:
    """The copy that was waited for after the attempt that counts had failed, if for longer."""
    if len(record.attempt_log) < 2 or record.is_unlogged or record.attempt_log[-1].hedged:
        return None
    *others, last = record.attempt_log
    copies = list(takewhile(lambda each: each.hedged, reversed(others)))
    longest = max(copies, key=_end, default=last)
    return longest if _end(longest) - _end(last) > last.seconds else None


def phase_now(exchange: Exchange, now: float) -> str:
    """What an exchange in flight is waiting for; ``now`` is monotonic."""
    record = exchange.record.with_call()
    if exchange.committed:
        stalled = exchange.stalled
        return "client" if exchange.status != SWITCHING and is_growing(stalled, now) else "body"
    phase = phase_of(record)
    if exchange.body is EMPTY or phase in ("connect", "retries") or record.wait is not None:
        return phase
    return "client" if is_growing(partial(client_waited, exchange.body), now) else phase


def phase_of(record: Record) -> str:
    """What is waited for until the head of a reply goes to a client, its client aside."""
    wait = record.wait
    if wait is not None:
        return "queue" if wait.what != ANSWER or record.first_byte_at is None else "body"
    if not record.attempt_count:
        return "queue"
    if record.attempt_log and not record.is_unlogged:
        return "retries"
    if record.connect_s is None:
        return "connect"
    return "first_byte" if record.first_byte_at is None else "body"


def is_growing(waited: object, now: float) -> bool:
    """Whether a clock of waits stands for a wait that is going on."""
    return callable(waited) and waited(now + 1.0) > waited(now)


def _end(attempt: Attempt) -> float:
    return attempt.began + attempt.seconds


def _last_began(record: Record, now: float) -> tuple[float, float, float]:
    """When the last attempt began, or the first of those beside it; and the seconds waited until
    then, in queues and for the client."""
    tries = record.attempt_log
    if record.is_unlogged:
        last, others = record.attempt("", "", record.attempt_began_at, now), tries
    else:
        last, others = tries[-1], tries[:-1]
    for each in reversed(others):
        if not each.hedged:
            break
        if 0 < each.began < last.began:
            last = each
    return last.began, last.queue_s, last.client_s


def _given_up(record: Record, head_at: float | None) -> tuple[float, float]:
    """Seconds for which an attempt was waited for that was not made, where what came before it is
    the answer; and those of them that were not in a queue."""
    began, until, queued = record.given_up
    last = record.attempt_log[-1].began if head_at is None else head_at
    if not until or record.is_unlogged or last >= until:  # none, or another one was made later
        return 0.0, 0.0
    return until - began, max(0.0, until - began - queued)


def _retries(tries: tuple[Attempt, ...], until: float, queue: float, client: float) -> float:
    """Seconds from the first attempt's beginning until then, less the waits in between.

    ``queue`` and ``client``: those of the request until then. All attempts in that time have
    failed. While one that ran beside the last failed or was overtaken, another server was waited
    for.
    """
    made = [each for each in tries if each.began and each.outcome != NOT_ATTEMPTED]
    if not made:
        return 0.0
    first = min(made, key=lambda each: each.began)
    return max(0.0, until - first.began - (queue - first.queue_s) - (client - first.client_s))
