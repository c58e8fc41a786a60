"""Who is asked where too few servers are usable."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import NoEndpointAvailable, ServerAtLimit, UpstreamQuotaExceeded
from proxy.core.ties import Ties
from proxy.middleware.load_balance.alternatives import server_left
from proxy.middleware.load_balance.ejection import CircuitBreakerOptions
from proxy.middleware.load_balance.targets import TargetSet
from proxy.policy.balance import POLICIES
from proxy.policy.breaker import Breaker
from proxy.policy.permits import Permits
from tests.support.endpoint import Live
from tests.support.loop import JumpingLoop, get, loop_clock, reply, settle, upload
from tests.support.servers import Node, again, balance, busy, shares


@pytest.mark.parametrize(("status", "asked"), [(503, [2, 2, 2]), (429, [0, 0, 6])])
async def test_a_minority_does_not_carry_the_load_of_all_for_a_503(
    jumping: JumpingLoop, status: int, asked: list[int]
) -> None:
    a, b, c = Node("a", busy(b"9", status)), Node("b", busy(b"9", status)), Node("c")
    handle = balance(a, b, c)
    assert await shares(handle, a, b, requests=2) == [1, 1]
    await shares(handle, a, b, c, requests=3)  # until turns are even again
    assert await shares(handle, a, b, c, requests=6) == asked


async def test_one_that_refuses_is_left_alone_while_half_are_well(jumping: JumpingLoop) -> None:
    a, b, c = Node("a", busy(b"9")), Node("b"), Node("c")
    handle = balance(a, b, c)
    await handle(get())
    assert await shares(handle, a, b, c, requests=6) == [0, 3, 3]


async def test_a_server_that_is_slow_counts_as_little_as_it_gets(jumping: JumpingLoop) -> None:
    a, b, c = Node("a", busy(b"9")), Node("b"), Node("c")
    handle = balance(a, b, c, policy="least_request")
    while not a.asked:
        await handle(get())
    c.share = 0.05
    for _ in range(3):  # what was tried first, or is asked for as a copy, goes to no slow server
        await handle(again(b))
    assert a.asked > 1


async def test_a_quota_that_is_used_up_stays_one_behind_a_503(jumping: JumpingLoop) -> None:
    a, b, c = Node("a", busy(b"3")), Node("b", busy(b"3")), Node("c")
    handle = balance(a, b, c)
    assert await shares(handle, a, b, requests=2) == [1, 1]
    a.pause(jumping.time() + 9)
    assert await shares(handle, a, b, c, requests=4) == [0, 2, 2]


@pytest.mark.parametrize(
    ("first", "second", "panic", "left"),
    [
        ("well", "well", 0, True),
        ("ejected", "well", 0, True),
        ("ejected", "paused", 0, True),
        ("ejected", "ejected", 0, False),
        ("ejected", "unhealthy", 0, False),
        ("ejected", "ejected", 50, True),  # in a panic all are asked
        ("on trial", "ejected", 0, True),  # the trial itself
        ("ejected", "on trial", 0, False),  # one of somebody else
        ("older than the trial", "ejected", 0, False),  # at the same server
        ("due", "ejected", 0, True),
        ("ejected", "due", 0, True),
    ],
)
async def test_whether_there_is_a_server_for_another_attempt(
    jumping: JumpingLoop, first: str, second: str, panic: float, left: bool
) -> None:
    """Of an exchange whose attempt is at the first one."""
    nodes = Node("a"), Node("b")
    exchange = get()
    exchange.record.endpoint = "a"
    targets = TargetSet(Live(*nodes), lambda node: node.handle, CircuitBreakerOptions())
    for node, state in zip(nodes, (first, second), strict=True):
        breaker = targets.now.by_endpoint[node].breaker
        assert breaker is not None
        if state in ("ejected", "on trial", "older than the trial", "due"):
            breaker.open_for(9, jumping.time() - (0 if state == "ejected" else 20))
        if state in ("on trial", "older than the trial"):
            permission = breaker.allow(jumping.time())
            assert permission
            if state == "on trial" and node is nodes[0]:
                exchange.record.trial = permission
        if state == "paused":
            node.pause(jumping.time() + 9)
        node.healthy = state != "unhealthy"
    is_left = server_left(targets, panic, loop_clock())
    assert is_left(exchange) is left
    targets.close()
    del targets
    assert is_left(exchange), "nobody holds them any more"


async def test_a_server_that_is_due_for_a_trial_is_there_for_one_exchange(
    jumping: JumpingLoop,
) -> None:
    node = Node("a")
    targets = TargetSet(Live(node), lambda node: node.handle, CircuitBreakerOptions())
    breaker = targets.now.by_endpoint[node].breaker
    assert breaker is not None
    breaker.open_for(9, jumping.time() - 20)
    is_left = server_left(targets, 0, loop_clock())
    assert [is_left(get()) for _ in range(3)] == [True, False, False]
    jumping._jumper.now += 1  # who was told of it did not come
    assert [is_left(get()) for _ in range(3)] == [True, False, False]
    breaker.close(jumping.time())
    assert [is_left(get()) for _ in range(3)] == [True] * 3


async def test_an_attempt_notes_that_it_is_the_trial(jumping: JumpingLoop) -> None:
    breaker = Breaker()
    node = Node("a", (5, reply()), (5, reply()), breaker=breaker)
    handle = balance(node)
    older, trial = get(), get()
    first = asyncio.ensure_future(handle(older))
    await asyncio.sleep(1)
    breaker.open_for(1, jumping.time())
    await asyncio.sleep(2)
    second = asyncio.ensure_future(handle(trial))
    await asyncio.sleep(1)
    assert breaker.trial is not None
    assert trial.record.trial is breaker.trial
    assert older.record.trial is None
    await first
    await second
    assert not breaker.open


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_server_at_its_limit_is_passed_over_while_another_is_not(policy: str) -> None:
    nodes = Node("a"), Node("b"), Node("c")
    for node in nodes:
        node.permits = Permits(1)
    handle = balance(*nodes, policy=policy)
    for node in nodes[::2]:
        assert node.permits is not None
        assert node.permits.set_aside("another")
    assert await shares(handle, *nodes, requests=6) == [0, 6, 0]


async def test_a_limit_that_is_reached_is_no_fault_of_the_server(jumping: JumpingLoop) -> None:
    nodes = [
        Node(name, *[(9, ServerAtLimit())] * 4, breaker=Breaker(consecutive_failures=1))
        for name in "ab"
    ]
    handle = balance(*nodes, policy="least_request")
    for _ in range(8):
        assert isinstance(await settle(handle(get())), ServerAtLimit)
    for node in nodes:
        assert node.breaker is not None
        assert (node.breaker.open, node.usual.hangs, node.in_flight) == (False, False, 0)


def full(wait: float, *, sendable: bool = False) -> UpstreamQuotaExceeded:
    error = UpstreamQuotaExceeded("not now", retry_after=wait)
    error.sendable = sendable
    return error


async def test_where_a_quota_is_used_up_the_next_server_is_asked(jumping: JumpingLoop) -> None:
    a, b, c = nodes = Node("a", full(5)), Node("b", full(5)), Node("c")
    handle = balance(*nodes)
    assert [(await handle(get())).status for _ in range(3)] == [200] * 3
    assert a.asked + b.asked + c.asked == 3 + 2
    assert [node.in_flight for node in nodes] == [0, 0, 0]


async def test_where_all_quotas_are_used_up_the_one_with_requests_first_says_when(
    jumping: JumpingLoop,
) -> None:
    nodes = Node("a", full(15)), Node("b", full(2)), Node("c", full(9, sendable=True))
    nodes[1].pause(jumping.time() + 2)
    came = await settle(balance(*nodes)(get()))
    assert isinstance(came, UpstreamQuotaExceeded)
    assert (came.retry_after, came.sendable) == (2, True)
    assert [node.asked for node in nodes] == [1, 1, 1]


async def test_a_trial_whose_quota_is_used_up_is_none(jumping: JumpingLoop) -> None:
    breaker = Breaker()
    node = Node("a", full(15), breaker=breaker)
    breaker.open_for(1, jumping.time())
    await asyncio.sleep(1)
    assert isinstance(await settle(balance(node)(get())), UpstreamQuotaExceeded)
    assert breaker.would_allow(jumping.time())


async def test_whoever_is_logged_in_at_a_server_is_not_sent_to_another(
    jumping: JumpingLoop,
) -> None:
    a, b = Node("a", *[full(5)] * 9), Node("b")
    exchange = get()
    exchange.ties = Ties()
    held: Any = "a", None
    exchange.ties.held["a"] = held
    assert isinstance(await settle(balance(a, b)(exchange)), UpstreamQuotaExceeded)
    assert (a.asked, b.asked) == (1, 0)


async def test_a_trial_whose_client_is_waited_for_keeps_others_out_for_a_second(
    jumping: JumpingLoop,
) -> None:
    breaker = Breaker(base_ejection_time=9)
    node = Node("a", (8, reply()), reply(), breaker=breaker)
    handle = balance(node)
    breaker.open_for(1, jumping.time())
    await asyncio.sleep(1)
    dripping = asyncio.ensure_future(handle(upload((0, 8))))
    await asyncio.sleep(0.9)
    assert isinstance(await settle(handle(get())), NoEndpointAvailable)
    await asyncio.sleep(0.1)
    assert (await handle(get())).status == 200
    assert not breaker.open
    await dripping
