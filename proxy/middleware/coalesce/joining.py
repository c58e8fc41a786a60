"""Until when requests join a call of which nothing comes.

A request that has stalled must not take all equal ones with it. So a call takes clients for a
bounded time only without a byte from its upstream: ``UsualTime.joined_for``. After that the next
equal request makes a call of its own, which those that follow join for twice the time at least,
and so on. An API that thinks for long gets few calls: their number grows with the logarithm of the
time. Where all clients of a call leave it, the earlier one is joined again for what is left of the
time of that call. Else each client that is too impatient for the API would make a call. A call that
was not sent, since it was refused or waited for its turn, leaves no such time: the next request
makes a call beside the same earlier one.

Those who wait already wait on: they have their own timeouts, and the earlier call may be answered
first. The time for which a call is not sent does not count, since another one would wait as well.
"""

from proxy.middleware.coalesce.shared_call import SharedCall
from proxy.policy.joining import UsualTime


def silent(call: SharedCall, now: float) -> float:
    """Seconds for which nothing has come of a call, though the upstream was asked."""
    if call.shared_reply is not None:
        return max(0.0, now - call.shared_reply.heard_at)
    record = call.record
    until = now if record.wait is None else record.wait.began
    return max(0.0, until - call.began - record.queue_s)


def _goes_on(call: SharedCall) -> bool:
    """Whether clients wait for it whom others may join."""
    shared = call.shared_reply
    joinable = call.head_pending or (shared is not None and shared.joinable)
    return call.clients > 0 and joinable


def under_way(call: SharedCall) -> int:
    """How many calls go on of a key, of which this is the last one."""
    earlier, count = call.earlier, 1
    while earlier is not None:
        count += _goes_on(earlier)
        earlier = earlier.earlier
    return count


def is_over(call: SharedCall, usual: UsualTime, now: float) -> bool:
    """Whether nothing has come of a call for too long to join it."""
    seconds = silent(call, now)
    return seconds >= call.joined_for and seconds >= usual.joined_for()


def follow(call: SharedCall, earlier: SharedCall, usual: UsualTime) -> None:
    """A call begins beside an earlier one of which nothing comes."""
    call.earlier = earlier
    call.joined_for = 2 * max(earlier.joined_for, usual.joined_for())


def instead_of(call: SharedCall, now: float) -> SharedCall | None:
    """The earlier call that others are beside again, where a call ends that gave no answer.

    They join it for as long as they would have joined the call that was sent and then left.
    """
    if call.clients and not call.refused:
        return None
    earlier = call.earlier
    while earlier is not None and not _goes_on(earlier):
        earlier = earlier.earlier
    if earlier is not None and not call.clients and call.record.sent_at is not None:
        left = call.joined_for - silent(call, now)
        earlier.joined_for = max(earlier.joined_for, silent(earlier, now) + left)
    return earlier
