"""A request that waits for a connection looks again when other servers may be asked than before."""

import asyncio
import random
from collections.abc import Callable

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import CredentialsUnavailable, ServerAtLimit
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.middleware.load_balance.alternatives import OVERDUE
from proxy.middleware.load_balance.ejection import CircuitBreakerOptions
from proxy.middleware.load_balance.load_balance import LoadBalance
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.load_balance.room import Room
from proxy.middleware.load_balance.targets import TargetSet
from proxy.policy.breaker import Breaker
from proxy.policy.permits import Permits
from tests.support.endpoint import Live
from tests.support.loop import JumpingLoop, get, loop_clock, reply, settle
from tests.support.servers import Node, free, limited


class Route:
    """Balancing over servers that change."""

    def __init__(
        self,
        *nodes: Node,
        repeatable: Callable[[Exchange], bool] = lambda _: True,
        ejection: float = 5,
    ) -> None:
        options = CircuitBreakerOptions(base_ejection_time=Duration(ejection))
        self.live = Live(*nodes)
        self.targets = TargetSet(self.live, lambda node: node.handle, options)
        clock = loop_clock()
        room = Room(self.targets, 5.0, upstream="api", clock=clock)
        known = self.targets, LoadBalanceOptions(policy="round_robin"), random.Random(1), repeatable
        self.handle: Handler = LoadBalance(*known, room=room, clock=clock).handle

    def breaker(self, node: Node) -> Breaker:
        breaker = self.targets.now.by_endpoint[node].breaker
        assert breaker is not None
        return breaker


def turn_back(route: Route, node: Node) -> None:
    node.healthy = True
    route.live.tell_state()


async def test_a_server_that_is_back_is_asked_by_who_waits(jumping: JumpingLoop) -> None:
    a, b = limited("a"), limited("b", full=False)
    b.healthy = False
    route, began = Route(a, b), jumping.time()
    waiting = asyncio.ensure_future(route.handle(get()))
    await asyncio.sleep(1)
    turn_back(route, b)
    assert (await waiting).status == 200
    assert (b.asked, jumping.time() - began) == (1, 1)


async def test_a_server_that_is_new_is_asked_by_who_waits(jumping: JumpingLoop) -> None:
    a, new = limited("a"), limited("new", full=False)
    route, began = Route(a), jumping.time()
    waiting = asyncio.ensure_future(route.handle(get()))
    await asyncio.sleep(1)
    route.live.become(a, new)
    assert (await waiting).status == 200
    assert (new.asked, jumping.time() - began) == (1, 1)


async def test_one_that_is_given_to_who_waits_is_known_only_to_other_targets(
    jumping: JumpingLoop,
) -> None:
    a, gone = limited("a"), limited("gone")
    route = Route(a, gone)
    waiting = asyncio.ensure_future(route.handle(get()))
    await asyncio.sleep(1)
    free(gone)
    route.live.become(a)  # in the same turn of the loop
    await asyncio.sleep(1)
    free(a)
    assert (await waiting).status == 200
    assert (a.asked, gone.asked) == (1, 0)
    assert gone.permits is not None
    assert not gone.permits.full


@pytest.mark.parametrize("by", ["ejection", "pause"])
async def test_the_end_of_an_ejection_or_a_pause_is_waited_for(
    jumping: JumpingLoop, by: str
) -> None:
    a, b = limited("a"), limited("b", full=False)
    route, began = Route(a, b), jumping.time()
    if by == "ejection":
        route.breaker(b).open_for(2, began)
    else:
        b.paused_until = began + 2
    assert (await route.handle(get())).status == 200
    assert (b.asked, jumping.time() - began) == (1, 2)


async def test_where_a_trial_has_failed_the_next_one_is_waited_for(jumping: JumpingLoop) -> None:
    a, b = limited("a"), limited("b", (1.5, reply(500)), full=False)
    route, began = Route(a, b, ejection=2), jumping.time()
    route.breaker(b).open_for(1, began)
    asking = [asyncio.ensure_future(route.handle(get())) for _ in range(2)]
    assert [(await each).status for each in asking] == [500, 200]
    assert (b.asked, jumping.time() - began) == (2, 4.5)


async def test_who_looks_again_keeps_its_place(jumping: JumpingLoop) -> None:
    a, b = limited("a", *[(1, reply())] * 2), limited("b")
    b.healthy = False
    route, order = Route(a, b), list[int]()

    async def ask(number: int) -> None:
        await route.handle(get())
        order.append(number)

    asking = []
    for number in range(2):
        asking.append(asyncio.ensure_future(ask(number)))
        await asyncio.sleep(0.5)
    turn_back(route, b)  # which is at its limit
    asking.append(asyncio.ensure_future(ask(2)))
    await asyncio.sleep(0.5)
    free(a)
    await asyncio.gather(*asking)
    assert (order, a.asked, b.asked) == ([0, 1, 2], 3, 0)


async def test_one_who_may_not_ask_whom_it_was_given_keeps_its_other_places(
    jumping: JumpingLoop,
) -> None:
    a, b = limited("a"), limited("b", *[(1, reply())] * 2)
    route, order = Route(a, b), list[int]()

    async def ask(number: int) -> None:
        await route.handle(get())
        order.append(number)

    first = asyncio.ensure_future(ask(1))
    await asyncio.sleep(0.5)
    a.healthy = False
    second = asyncio.ensure_future(ask(2))
    await asyncio.sleep(0.5)
    free(a)
    await asyncio.sleep(0.5)
    free(b)
    await asyncio.gather(first, second)
    assert order == [1, 2]


async def test_nobody_waits_for_longer_because_it_looks_again(jumping: JumpingLoop) -> None:
    a, b, c = limited("a"), limited("b"), limited("c")
    b.healthy = c.healthy = False
    route, began = Route(a, b, c), jumping.time()
    exchange = get()
    waiting = asyncio.ensure_future(route.handle(exchange))
    for node in (b, c):
        await asyncio.sleep(2)
        turn_back(route, node)
    assert isinstance(await settle(waiting), ServerAtLimit)
    assert jumping.time() - began == 5
    assert exchange.record.queue_s == 5


async def test_who_leaves_is_in_no_line_any_more(jumping: JumpingLoop) -> None:
    a, b = limited("a"), limited("b")
    b.healthy = False
    route = Route(a, b)
    waiting = asyncio.ensure_future(route.handle(get()))
    await asyncio.sleep(1)
    turn_back(route, b)
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.wait((waiting,))
    for node in (a, b):
        free(node)
        assert node.permits is not None
        assert not node.permits.full
        assert not node.permits._waiting


@pytest.mark.parametrize("after", [0.1, 3])
async def test_a_server_that_is_due_for_a_trial_is_a_way_out_for_what_runs_once_when_overdue(
    jumping: JumpingLoop, after: float
) -> None:
    a, b = limited("a"), limited("b", full=False)
    route = Route(a, b, repeatable=lambda _: False)
    route.breaker(b).open_for(0.5, jumping.time())
    await asyncio.sleep(0.5)
    waiting = asyncio.ensure_future(route.handle(get()))
    await asyncio.sleep(after)
    free(a)
    assert (await waiting).status == 200
    assert (a.asked, b.asked) == ((1, 0) if after < OVERDUE else (0, 1))


class WithoutToken(Node):
    """Its requests have no credentials at first, so they are not sent."""

    async def handle(self, exchange: Exchange) -> Reply:
        if not self.asked:
            self.asked += 1
            raise CredentialsUnavailable
        return await super().handle(exchange)


async def test_a_connection_is_left_to_others_by_what_has_no_credentials(
    jumping: JumpingLoop,
) -> None:
    a = WithoutToken("a")
    a.permits = Permits(1)
    a.permits.set_aside("another")
    route = Route(a)
    waiting = asyncio.ensure_future(settle(route.handle(get())))
    await asyncio.sleep(1)
    free(a)
    assert isinstance(await waiting, CredentialsUnavailable)
    assert (await route.handle(get())).status == 200
