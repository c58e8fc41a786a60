"""Whom else a request is sent to whose quota at one server is used up, and whom not."""

from proxy.core.errors import ConnectFailed, UpstreamQuotaExceeded
from proxy.core.outcome import CONNECT_FAILURE
from proxy.core.record import Attempt
from proxy.middleware.quota_wait import QuotaWait
from proxy.policy.breaker import Breaker
from tests.support.loop import JumpingLoop, get, loop_clock
from tests.support.servers import Node, balance


def used_up(wait: float) -> UpstreamQuotaExceeded:
    return UpstreamQuotaExceeded("not now", retry_after=wait)


async def test_where_no_other_server_can_be_connected_to_the_quota_is_waited_for(
    jumping: JumpingLoop,
) -> None:
    """As with ``[retry]``, which has asked the other one before."""
    down = Node("down", *[ConnectFailed()] * 9)
    alive = Node("alive", used_up(3))
    handle = QuotaWait(balance(down, alive, passive=True), 30, clock=loop_clock()).handle
    exchange = get()
    exchange.record.attempt_log = (Attempt("down", CONNECT_FAILURE, 0.0),)
    assert (await handle(exchange)).status == 200
    assert (down.asked, alive.asked, exchange.record.queue_s) == (0, 2, 3)


async def test_one_that_is_ejected_is_not_asked_while_another_has_a_quota_to_wait_for(
    jumping: JumpingLoop,
) -> None:
    down = Node("down", *[ConnectFailed()] * 9, breaker=Breaker(base_ejection_time=9))
    alive = Node("alive", used_up(3), breaker=Breaker())
    assert down.breaker is not None
    down.breaker.eject(jumping.time())
    handle = QuotaWait(balance(down, alive, passive=True), 30, clock=loop_clock()).handle
    exchange = get()
    assert (await handle(exchange)).status == 200
    assert (down.asked, alive.asked, exchange.record.queue_s) == (0, 2, 3)


async def test_one_that_failed_otherwise_is_asked_again_where_the_quota_is_that_of_others(
    jumping: JumpingLoop,
) -> None:
    flaky, limited = Node("flaky"), Node("limited", used_up(30))
    exchange = get()
    exchange.record.attempt_log = (Attempt("flaky", "503", 0.0),)
    assert (await balance(flaky, limited)(exchange)).status == 200
    assert (flaky.asked, limited.asked) == (1, 1)
