"""When a server is left alone for a while, and who is its trial."""

import asyncio
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import BodyTooLarge, ConnectFailed, NoEndpointAvailable, ResponseTimeout
from proxy.core.reply import Ending
from proxy.middleware.load_balance.ejection import CircuitBreakerOptions, breaker
from proxy.policy.breaker import Breaker
from tests.support.loop import JumpingLoop, get, reply, settle
from tests.support.servers import Node, again, balance, busy, shares, streaming

pytestmark = pytest.mark.usefixtures("jumping")  # balancing looks at that clock


def fragile(failures: int = 3) -> Breaker:
    return Breaker(consecutive_failures=failures, base_ejection_time=5)


async def test_a_breaker_is_made_as_the_options_say() -> None:
    options = CircuitBreakerOptions(
        consecutive_failures=0,
        failure_ratio=0.5,
        min_requests=2,
        interval=Duration(4),
        base_ejection_time=Duration(3),
        max_ejection_time=Duration(5),
    )
    made = breaker(options, lambda: True)
    for now, until in ((0.0, 0.0), (5.0, 0.0), (6.0, 9.0), (9.0, 14.0)):
        permission = made.allow(now)
        assert permission is not None
        permission.failed(now)  # the last one is that of a trial
        assert made.until == until


async def test_the_time_until_the_next_trial_is_told(jumping: JumpingLoop) -> None:
    a = Node("a", ConnectFailed(), breaker=Breaker(consecutive_failures=1))
    handle = balance(a)
    with pytest.raises(ConnectFailed):
        await handle(get())
    await asyncio.sleep(2)
    with pytest.raises(NoEndpointAvailable) as caught:
        await handle(get())
    assert caught.value.retry_after == pytest.approx(3)
    assert a.asked == 1


async def test_in_panic_ejected_servers_are_used_too() -> None:
    """Better a try than a refusal: Envoy's panic mode."""
    nodes = [Node(name, ConnectFailed(), breaker=Breaker(consecutive_failures=1)) for name in "abc"]
    handle = balance(*nodes, panic_threshold=50.0)
    for _ in range(3):
        await settle(handle(get()))
    assert min(await shares(handle, *nodes, requests=9)) > 0
    nodes = [Node(name, breaker=Breaker(base_ejection_time=60)) for name in "ab"]
    for node in nodes:
        assert node.breaker is not None
        node.breaker.eject(asyncio.get_running_loop().time())
    answer = await balance(*nodes, panic_threshold=50.0)(again(*nodes))
    assert answer.status == 200


@pytest.mark.parametrize("fault", [ConnectFailed(), ResponseTimeout(), busy(), reply(500)])
async def test_failures_in_a_row_eject_a_server(fault: Any) -> None:
    a, b = Node("a", fault, fault, fault, breaker=fragile()), Node("b")
    handle = balance(a, b)
    await shares(handle, a, b, requests=6)
    assert await shares(handle, a, b, requests=6) == [0, 6]


@pytest.mark.parametrize("fault", [reply(404), busy(b"", 429), BodyTooLarge()])
async def test_what_is_not_its_fault_does_not_eject_a_server(fault: Any) -> None:
    breaker = fragile(1)
    handle = balance(Node("a", fault, breaker=breaker))
    await settle(handle(get()))
    assert not breaker.open


async def test_a_good_head_does_not_end_a_row_of_replies_that_break() -> None:
    breaker = fragile(3)
    handle = balance(Node("a", *[streaming() for _ in range(3)], breaker=breaker))
    for open_then in (False, False, True):
        answer = await handle(get())
        answer.close(Ending.BROKEN)
        assert breaker.open is open_then


async def test_a_backup_that_answers_has_no_failures_in_a_row() -> None:
    breaker = fragile(2)
    a, spare = Node("a"), Node("spare", ConnectFailed(), backup=True, breaker=breaker)
    handle = balance(a, spare)
    await settle(handle(again(a)))
    assert breaker.failures == 1
    await handle(again(a))
    assert (spare.asked, breaker.failures) == (2, 0)


@pytest.mark.parametrize("ending", [Ending.COMPLETE, Ending.ABANDONED])
async def test_a_reply_that_nobody_wants_is_no_failure(ending: Ending) -> None:
    breaker = fragile(1)
    answer = await balance(Node("a", streaming(), breaker=breaker))(get())
    answer.close(ending)
    assert not breaker.open


async def test_one_trial_at_a_time_decides_about_a_return(jumping: JumpingLoop) -> None:
    breaker = fragile(1)
    a = Node("a", ConnectFailed(), (2, reply(200)), breaker=breaker)
    handle = balance(a, Node("b"))
    await settle(handle(get()))
    await asyncio.sleep(5)
    requests = [asyncio.ensure_future(handle(get())) for _ in range(6)]
    await asyncio.gather(*requests)
    assert (a.asked, a.recoveries) == (2, 1)
    assert breaker.state(jumping.time()) == "closed"


async def test_a_trial_that_fails_ejects_for_longer(jumping: JumpingLoop) -> None:
    breaker = fragile(1)
    a = Node("a", ConnectFailed(), ConnectFailed(), breaker=breaker)
    handle = balance(a, Node("b"))
    await settle(handle(get()))
    await asyncio.sleep(5)
    await shares(handle, a, requests=4)
    assert a.asked == 2
    assert breaker.until - jumping.time() == pytest.approx(10)


async def test_successes_count_where_a_share_of_failures_ejects() -> None:
    breaker = Breaker(consecutive_failures=0, failure_ratio=0.5, min_requests=4)
    script = [reply(200)] * 10 + [ConnectFailed()] * 4
    a = Node("a", *script, breaker=breaker)
    handle = balance(a)
    for _ in script:
        await settle(handle(get()))
    assert (a.asked, breaker.open) == (14, False)


async def test_servers_that_are_well_share_while_another_is_out() -> None:
    """Only an open breaker is due for a trial."""
    a, b, c = nodes = [Node(name, breaker=fragile()) for name in "abc"]
    c.healthy = False
    assert await shares(balance(a, b, c), *nodes, requests=6) == [3, 3, 0]


@pytest.mark.parametrize("end", ["cancelled", "not its fault"])
async def test_a_trial_without_a_verdict_leaves_its_place_to_another(end: str) -> None:
    breaker = fragile(1)
    slow: Any = (2, reply(200)) if end == "cancelled" else (2, BodyTooLarge())
    a = Node("a", ConnectFailed(), slow, breaker=breaker)
    handle = balance(a)
    await settle(handle(get()))
    await asyncio.sleep(5)
    trial = asyncio.ensure_future(handle(get()))
    await asyncio.sleep(1)
    with pytest.raises(NoEndpointAvailable):  # while it is under way
        await handle(get())
    if end == "cancelled":
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)
        assert a.in_flight == 0
    else:
        await settle(trial)
    assert (await handle(get())).status == 200
    assert not breaker.open


async def test_a_request_with_one_try_is_no_trial_while_another_server_is_well(
    jumping: JumpingLoop,
) -> None:
    a, b = Node("a", ConnectFailed(), breaker=fragile(1)), Node("b")
    handle = balance(a, b, repeatable=lambda _: False)
    await settle(handle(get()))
    await asyncio.sleep(5)
    assert await shares(handle, a, b, requests=4) == [0, 4]
    b.healthy = False
    assert await shares(handle, a, b, requests=4) == [4, 0]


async def test_a_trial_that_nobody_could_make_is_made_by_a_request_with_one_try() -> None:
    a, b = Node("a", ConnectFailed(), breaker=fragile(1)), Node("b")
    handle = balance(a, b, repeatable=lambda _: False)
    await settle(handle(get()))
    await asyncio.sleep(6)
    await handle(get())
    assert (a.asked, b.asked) == (2, 0)


async def test_a_server_that_says_nothing_gets_one_trial_after_the_other() -> None:
    """Without a time for the first there are as many as requests."""
    breaker = Breaker(base_ejection_time=0)
    breaker.eject(1.0)
    assert all(breaker.allow(1.0) for _ in range(2000))
