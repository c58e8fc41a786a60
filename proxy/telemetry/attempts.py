"""What became of each attempt of an exchange that has ended.

What the client was told says nothing of that: a stale reply stands for a failure, a stored one for
a 304, and a client that leaves is told nothing.
"""

from proxy.core.exchange import Exchange
from proxy.core.record import ABANDONED, NOT_ATTEMPTED, Attempt


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
        began = record.attempt_began_at or exchange.asked_at + record.queue_s
        return (*tries, record.attempt(record.endpoint, _outcome(exchange), began, now))
    if tries and exchange.committed and exchange.error:  # it was, when its head came
        return (*tries[:-1], tries[-1]._replace(outcome=_outcome(exchange)))
    return tries


def _outcome(exchange: Exchange) -> str:
    """Of the last one."""
    record = exchange.record
    if record.outcome:
        return record.outcome
    if exchange.error or record.first_byte_at is None:
        return ABANDONED
    return str(record.reply_status)
