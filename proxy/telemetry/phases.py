"""Where the time of an exchange went: one of six phases for each moment of it.

- ``client``: the client was waited for, to send its request or to take its reply;
- ``queue``: the request waited to be let through, see ``core/record.Wait``;
- ``retries``: attempts that failed, and the waits between them;
- ``connect``: the last attempt got its connection;
- ``first_byte``: the server was waited for, from the connection to the head of its reply;
- ``body``: the rest of the reply came.
"""

from functools import partial
from typing import Final, NamedTuple

from proxy.core.body import EMPTY, Body
from proxy.core.exchange import Exchange
from proxy.core.record import ANSWER, Attempt, Record
from proxy.http.upgrade import SWITCHING

NAMES: Final = ("client", "queue", "retries", "connect", "first_byte", "body")
"""In the order in which a request meets them."""


_AT_ONCE: Final = 0.01
"""Seconds within which an exchange ends with the attempt that is under way."""


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
    """Of an exchange that ends now, or that is looked at in its midst; ``now`` is monotonic."""
    record, started = exchange.record.with_call(), exchange.started_at
    head_at, queue, tries = record.first_byte_at, record.queue_s, record.attempt_log
    ended = bool(exchange.status)
    under_way = record.is_unlogged
    between = bool(tries) and not under_way
    if between and ended:
        between = _given_up(exchange, tries[-1], now)
        ended = not between
    wait = record.wait
    if between or (wait is not None and wait.what != ANSWER):
        head_at = None  # what is known is of the attempt that has failed
    if wait is not None:
        queue += max(0.0, (now if head_at is None else min(now, head_at)) - wait.began)
    sending, taking = record.head_s, 0.0
    if exchange.body is not EMPTY:
        sending += _sending(exchange.body, now)
    if exchange.stalled is not None and exchange.status != SWITCHING:
        taking = exchange.stalled(now)
    body = 0.0
    if head_at is not None:
        head_at = max(head_at, started)
        body = max(0.0, now - head_at - taking)
    before = max(0.0, (now if head_at is None else head_at) - started - queue)
    retries = 0.0
    if tries:
        until = now if between else None
        if under_way:  # all that are logged have failed, and the wait for this one is over
            until = max(record.attempt_began_at, tries[-1].began + tries[-1].seconds)
        retries = min(before, _retries(tries, until, ended=ended and not under_way))
        before -= retries
    upload = min(sending, before)
    before -= upload
    connect = record.connect_s
    if not record.attempt_count:  # nobody was asked: it waited, for another's answer at most
        return Phases(upload + taking, queue + before, retries, 0.0, 0.0, body)
    if connect is None and head_at is None:  # it got no connection, or has none yet
        return Phases(upload + taking, queue, retries, before, 0.0, 0.0)
    connect = min(connect or 0.0, before)
    return Phases(upload + taking, queue, retries, connect, before - connect, body)


def _given_up(exchange: Exchange, last: Attempt, now: float) -> bool:
    """Whether its client, or an operator, has ended it while another attempt was waited for."""
    if exchange.committed or not (exchange.error == "client_gone" or exchange.ended_by):
        return False
    return now - last.began - last.seconds > _AT_ONCE


def phase_now(exchange: Exchange, now: float) -> str:
    """What an exchange in flight is waiting for; ``now`` is monotonic."""
    record = exchange.record.with_call()
    if exchange.committed:
        stalled = exchange.stalled
        return "client" if exchange.status != SWITCHING and is_growing(stalled, now) else "body"
    phase = phase_of(record)
    if exchange.body is EMPTY or phase in ("connect", "retries") or record.wait is not None:
        return phase
    return "client" if is_growing(partial(_sending, exchange.body), now) else phase


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


def _sending(body: Body, now: float) -> float:
    """Seconds in which the client could have sent more of its body, and did not."""
    return body.waited(now) - body.held_back(now)


def _retries(tries: tuple[Attempt, ...], until: float | None, *, ended: bool) -> float:
    """Seconds from each failed attempt's beginning to the next one's, less waits in queues.

    ``until``: when the attempt behind them began; the time now where it has not. Of an exchange
    that has ``ended`` the last attempt is the one that counts. While one that ran beside it failed
    or was overtaken, another server was waited for.
    """
    seconds, queued = 0.0, 0.0
    for number, attempt in enumerate(tries):
        last = number == len(tries) - 1
        if last and ended and number:
            break
        end = tries[number + 1].began if not last else until or attempt.began + attempt.seconds
        if not attempt.hedged and attempt.began:
            seconds += max(0.0, end - attempt.began - (attempt.queue_s - queued))
        queued = max(queued, attempt.queue_s)
    return seconds
