"""Which server gets an attempt, and what its outcome says about that server."""

import asyncio
import random
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import (
    CertificateInvalid,
    ConnectFailed,
    NoEndpointAvailable,
    ResponseTimeout,
    UpstreamError,
)
from proxy.core.reply import Ending
from proxy.middleware.load_balance.load_balance import LoadBalance
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.load_balance.room import Room
from proxy.middleware.load_balance.targets import TargetSet
from proxy.policy.breaker import Breaker
from tests.support.endpoint import Live
from tests.support.loop import JumpingLoop, get, loop_clock, reply, settle
from tests.support.servers import Node, again, balance, busy, shares, streaming

pytestmark = pytest.mark.usefixtures("jumping")  # balancing looks at that clock


async def test_servers_take_turns_by_weight() -> None:
    a, b = Node("a", weight=3), Node("b")
    assert await shares(balance(a, b), a, b) == [30, 10]


async def test_what_failed_a_request_is_not_asked_again_while_another_is_left() -> None:
    a, b, c = nodes = Node("a"), Node("b"), Node("c")
    handle = balance(*nodes)
    for _ in range(6):
        await handle(again(a, c))
    assert (a.asked, b.asked, c.asked) == (0, 6, 0)
    await handle(again(*nodes))  # nobody is left: anyone is better than none
    assert a.asked + b.asked + c.asked == 7


async def test_backups_are_asked_only_when_no_primary_is_left() -> None:
    a, b, spare = nodes = Node("a"), Node("b"), Node("spare", backup=True)
    handle = balance(*nodes)
    assert await shares(handle, *nodes) == [20, 20, 0]
    await handle(again(a))
    assert (b.asked, spare.asked) == (21, 0)
    await handle(again(a, b))
    assert spare.asked == 1


@pytest.mark.parametrize("why", ["unhealthy", "paused", "ejected"])
async def test_backups_take_over_while_the_primaries_are_out(
    jumping: JumpingLoop, why: str
) -> None:
    breaker = Breaker()
    a, spare = Node("a", breaker=breaker), Node("spare", backup=True)
    handle = balance(a, spare)
    if why == "unhealthy":
        a.healthy = False
    elif why == "paused":
        a.pause(jumping.time() + 5)
    else:
        breaker.eject(jumping.time())
    assert await shares(handle, a, spare, requests=3) == [0, 3]
    a.healthy = True
    await asyncio.sleep(6)
    assert await shares(handle, a, spare, requests=3) == [3, 0]


async def test_a_backup_that_is_well_goes_before_a_primary_that_asked_for_a_pause(
    jumping: JumpingLoop,
) -> None:
    a, b, spare = Node("a"), Node("b"), Node("spare", backup=True)
    b.pause(jumping.time() + 5)
    handle = balance(a, b, spare)
    for _ in range(4):
        await handle(again(a))
    assert (a.asked, b.asked, spare.asked) == (0, 0, 4)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_pauses_a_server_for_all_requests(
    jumping: JumpingLoop, status: int
) -> None:
    a, b = Node("a", busy(b"7", status)), Node("b")
    handle = balance(a, b)
    assert (await handle(get())).status == status
    assert await shares(handle, a, b, requests=5) == [0, 5]
    await asyncio.sleep(7)
    assert await shares(handle, a, b, requests=4) == [2, 2]


async def test_no_pause_is_longer_than_a_minute(jumping: JumpingLoop) -> None:
    a, b = Node("a", busy(b"86400")), Node("b")
    await balance(a, b)(get())
    assert a.paused_until == jumping.time() + 60


async def test_an_error_that_names_a_time_is_no_pause() -> None:
    a, b = Node("a", busy(b"7", 500)), Node("b")
    await balance(a, b)(get())
    assert a.paused_until == 0


async def test_where_all_are_paused_one_of_them_is_asked() -> None:
    a, b = Node("a", busy(b"9")), Node("b", busy(b"9"))
    assert await shares(balance(a, b), a, b, requests=6) == [3, 3]


async def test_one_that_is_paused_goes_before_one_that_failed(jumping: JumpingLoop) -> None:
    a, b = Node("a"), Node("b")
    b.pause(jumping.time() + 5)
    await balance(a, b)(again(a))
    assert (a.asked, b.asked) == (0, 1)


async def test_news_of_a_server_count_from_the_next_request_on() -> None:
    a, b = Node("a"), Node("b")
    live = Live(a, b)
    targets = TargetSet(live, lambda node: node.handle, None)
    clock, table = loop_clock(), LoadBalanceOptions()
    room = Room(targets, 5.0, clock=clock)
    handle = LoadBalance(targets, table, random.Random(1), room=room, clock=clock).handle
    assert await shares(handle, a, b, requests=4) == [2, 2]
    b.healthy = False
    live.tell_state()
    assert await shares(handle, a, b, requests=4) == [4, 0]
    b.healthy = True
    live.tell_state()
    assert await shares(handle, a, b, requests=4) == [2, 2]


@pytest.mark.parametrize(
    ("others", "ready"),
    [((), False), ((Node("b"),), True), ((Node("b", backup=True),), True)],
)
async def test_a_refusal_says_whether_another_could_be_asked(
    others: tuple[Node, ...], ready: bool
) -> None:
    came = await balance(Node("a", busy(b"7")), *others)(get())
    assert came.alternative_ready is ready


@pytest.mark.parametrize(
    ("error", "tried", "ready"),
    [
        (CertificateInvalid, (), True),
        (CertificateInvalid, ("b",), False),
        (ConnectFailed, (), True),
        (ConnectFailed, ("b",), False),
        (ResponseTimeout, (), False),  # it was sent: whether it may be sent again is not known here
    ],
)
async def test_an_error_says_whether_another_server_can_be_asked_at_once(
    error: type[UpstreamError], tried: tuple[str, ...], ready: bool
) -> None:
    a, b = Node("a", error()), Node("b")
    with pytest.raises(error) as caught:
        await balance(a, b)(again(*[node for node in (a, b) if node.name in tried]))
    assert caught.value.alternative_ready is ready


async def test_a_server_that_is_paused_is_nowhere_else(jumping: JumpingLoop) -> None:
    a, b = Node("a", busy(b"7")), Node("b")
    b.pause(jumping.time() + 3)
    came = await balance(a, b)(get())
    assert not came.alternative_ready


async def test_without_a_healthy_server_nothing_is_sent() -> None:
    a, b = Node("a"), Node("b")
    a.healthy = b.healthy = False
    with pytest.raises(NoEndpointAvailable) as caught:
        await balance(a, b)(get())
    assert caught.value.retry_after == 1
    assert a.asked == b.asked == 0


async def test_in_panic_unhealthy_servers_are_used_too() -> None:
    nodes = [Node(name) for name in "abc"]
    nodes[0].healthy = nodes[1].healthy = False
    assert await shares(balance(*nodes), *nodes, requests=6) == [0, 0, 6]
    assert await shares(balance(*nodes, panic_threshold=50.0), *nodes, requests=6) == [2, 2, 2]


async def test_least_request_leaves_busy_servers_alone() -> None:
    a, b = Node("a", *[streaming() for _ in range(9)]), Node("b")
    handle = balance(a, b, policy="least_request")
    a.in_flight = 5
    assert (await shares(handle, a, b, requests=20))[1] == 20


async def test_peak_ewma_leaves_slow_servers_alone() -> None:
    a = Node("a", *[(0.5, reply(200)) for _ in range(100)])
    b = Node("b", *[(0.01, reply(200)) for _ in range(100)])
    slow, fast = await shares(balance(a, b, policy="peak_ewma"), a, b, requests=60)
    assert slow <= 3
    assert fast >= 57


@pytest.mark.parametrize("fault", [ConnectFailed(), busy(), busy(b"", 429)])
async def test_a_fast_failure_attracts_nobody(fault: Any) -> None:
    a = Node("a", fault)
    b = Node("b", *[(0.2, reply(200)) for _ in range(100)])
    handle = balance(a, b, policy="peak_ewma")
    while not a.asked:
        await settle(handle(get()))
    assert (await shares(handle, a, b, requests=10))[0] == 0


async def test_a_failure_counts_for_as_long_as_it_took() -> None:
    a, b = Node("a", (3, ConnectFailed())), Node("b", (3, ConnectFailed()))
    await settle(balance(a, b, policy="peak_ewma")(get()))
    now = asyncio.get_running_loop().time()
    assert sorted(node.latency.value(now) for node in (a, b)) == [0, 3]


async def test_the_same_key_finds_the_same_server_while_it_is_there() -> None:
    nodes = [Node(name) for name in "abcd"]
    handle = balance(*nodes, policy="hash", hash_key="header:X-User")

    async def home(user: bytes) -> str:
        exchange = get(headers=((b"x-user", user),))
        await handle(exchange)
        return exchange.record.endpoint

    users = [b"%d" % n for n in range(40)]
    before = [await home(user) for user in users]
    assert [await home(user) for user in users] == before
    assert set(before) == set("abcd")
    gone = nodes[0]
    gone.healthy = False
    nodes[1].pause(0)
    handle = balance(*nodes, policy="hash", hash_key="header:X-User")
    after = [await home(user) for user in users]
    assert all(now == was for now, was in zip(after, before, strict=True) if was != gone.name)
    assert gone.name not in after


async def test_a_server_that_is_back_gets_its_share_bit_by_bit(jumping: JumpingLoop) -> None:
    a, b = Node("a", weight=4), Node("b", weight=4)
    b.available_since = jumping.time()
    handle = balance(a, b, slow_start=Duration(30))
    cold = (await shares(handle, a, b))[1]
    await asyncio.sleep(15)
    warmer = (await shares(handle, a, b))[1]
    await asyncio.sleep(15)
    assert await shares(handle, a, b) == [20, 20]
    assert 2 <= cold <= 5 < warmer < 18
    assert b.weight == 4


async def test_what_a_server_does_is_counted() -> None:
    a = Node("a", ConnectFailed(), ResponseTimeout(), busy(), reply(200), streaming())
    handle = balance(a)
    for _ in range(4):
        await settle(handle(get()))
    answer = await handle(get())
    assert a.in_flight == 1
    answer.close(Ending.BROKEN)
    assert a.in_flight == 0
    assert a.outcomes == {
        "connect-failure": 1,
        "timeout": 1,
        503: 1,
        200: 2,
        "broken": 1,
    }


@pytest.mark.parametrize(("withdrawn", "got"), [(1, [0, 12]), (2, [0, 0])])
async def test_a_panic_brings_no_requests_to_what_an_operator_has_withdrawn(
    withdrawn: int, got: list[int]
) -> None:
    nodes = Node("a"), Node("b")
    for node in nodes[:withdrawn]:
        node.withdrawn = True
    assert await shares(balance(*nodes, panic_threshold=60.0), *nodes, requests=12) == got
