"""What became of each attempt of an exchange that has ended.

What the client was told says nothing of that: a stale reply stands for a failure, a stored one for
a 304, and a client that leaves is told nothing.
"""

from typing import Final

from proxy.core.exchange import Exchange
from proxy.core.record import ABANDONED, BROKEN, NOT_ATTEMPTED, Attempt

_LEFT: Final = 499
"""Stands for what was told a client that has left."""


def attempts(exchange: Exchange, now: float) -> tuple[Attempt, ...]:
    """Those that were made, of an exchange that ends ``now``; the one that counts stands last.

    Those before its last wait for a server are not known any more; those that go on without it are
    told when they have ended.
    """
    record = exchange.record
    if record.left_behind:
        return ()
    tries = record.attempt_log
    if any(each.outcome == NOT_ATTEMPTED for each in tries):
        tries = tuple(each for each in tries if each.outcome != NOT_ATTEMPTED)
    if record.is_unlogged:
        return (*tries, _last(exchange, now))
    if tries and _was_cut(exchange, tries[-1]):
        return (*tries[:-1], tries[-1]._replace(outcome=record.outcome or ABANDONED))
    return tries


def all_tries(exchange: Exchange, now: float) -> tuple[Attempt, ...]:
    """What the access log has as ``tries``: those too that were not made; none of only one."""
    log = exchange.record.attempt_log
    return (*log, _last(exchange, now)) if log and exchange.record.is_unlogged else log


def _last(exchange: Exchange, now: float) -> Attempt:
    """The one that is not logged."""
    record = exchange.record
    began = record.attempt_began_at or exchange.asked_at + record.queue_s
    return record.attempt(record.endpoint, _outcome(exchange), began, now)


def _was_cut(exchange: Exchange, last: Attempt) -> bool:
    """Whether its reply ended early: it broke, or the client that was given it has left.

    The client was given another one where a stale or a fixed reply stands in for it, or where a
    stream was opened before there was a reply.
    """
    outcome = exchange.record.outcome
    if outcome == BROKEN:
        return last.outcome.isdecimal()
    if outcome or not (exchange.committed and exchange.error):
        return False
    return last.outcome == str(exchange.status) or exchange.status == _LEFT


def _outcome(exchange: Exchange) -> str:
    """The outcome of the last attempt."""
    record = exchange.record
    if record.outcome:
        return record.outcome
    if exchange.error or record.first_byte_at is None:
        return ABANDONED
    return str(record.reply_status)
