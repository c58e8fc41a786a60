"""What balancing does where nobody has written anything about it."""

import asyncio
import random
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed, ConnectionTerminated
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.middleware.load_balance.ejection import passive
from proxy.middleware.load_balance.load_balance import LoadBalance
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.load_balance.room import Room
from proxy.middleware.load_balance.targets import TargetSet
from tests.support.endpoint import StateOnly
from tests.support.loop import JumpingLoop, get, loop_clock, reply, settle


class Server(StateOnly):
    """Takes so many seconds, or fails."""

    def __init__(self, name: str, seconds: float = 0.05) -> None:
        super().__init__(name)
        self.seconds = seconds
        self.failure: Any = None
        self.asked = 0

    async def handle(self, exchange: Exchange) -> Reply:
        self.asked += 1
        exchange.record.endpoint = self.name
        if isinstance(self.failure, type):
            raise self.failure
        if self.failure:
            return reply(self.failure)
        await asyncio.sleep(self.seconds)
        exchange.record.first_byte_at = asyncio.get_running_loop().time()
        return reply(200)


class Live:
    """Servers of an upstream."""

    def __init__(self, *members: Server) -> None:
        self.members = members
        self.away: tuple[Server, ...] = ()
        self.on_membership: list[Any] = []
        self.on_state: list[Any] = []


def balanced(*servers: Server, **options: Any) -> Handler:
    """As it is without ``[load_balance]`` and ``[circuit_breaker]``."""
    targets = TargetSet(Live(*servers), lambda server: server.handle, passive(1.0), passive=True)
    table = LoadBalanceOptions(**options)
    room = Room(targets, 5.0, clock=loop_clock())
    return LoadBalance(targets, table, random.Random(1), room=room, clock=loop_clock()).handle


async def ask(handle: Handler, times: int, every: float = 0.2) -> None:
    """One after the other, so that no server is ever busy."""
    for _ in range(times):
        await settle(handle(get()))
        await asyncio.sleep(every)


async def test_a_server_that_is_slow_beside_its_peers_gets_less(jumping: JumpingLoop) -> None:
    servers = a, b, c = Server("a"), Server("b"), Server("c", 2.0)
    handle = balanced(*servers)
    await ask(handle, 200)
    before = c.asked
    await ask(handle, 400)
    assert 0 < c.asked - before < 60, "it is asked now and then, to see whether it is well again"
    assert a.asked + b.asked > 400


async def test_it_gets_its_share_again_once_it_is_quick(jumping: JumpingLoop) -> None:
    servers = _, _, c = Server("a"), Server("b"), Server("c", 2.0)
    handle = balanced(*servers)
    await ask(handle, 300)
    c.seconds = 0.05
    await ask(handle, 800)
    before = c.asked
    await ask(handle, 300)
    assert c.asked - before > 60


async def test_how_slow_a_server_is_can_be_made_to_matter_less(jumping: JumpingLoop) -> None:
    servers = _, _, c = Server("a"), Server("b"), Server("c", 2.0)
    await ask(balanced(*servers, min_share=100), 300)
    assert c.asked > 70


@pytest.mark.parametrize("failure", [ConnectFailed, ConnectionTerminated, 502, 503, 504])
async def test_a_server_that_fails_three_times_is_left_alone_for_a_second(
    jumping: JumpingLoop, failure: Any
) -> None:
    servers = a, b = Server("a"), Server("b")
    handle = balanced(*servers)
    await ask(handle, 30)
    b.failure = failure
    while b.asked < 1000 and a.asked < 1000:
        before = b.asked
        await ask(handle, 4, every=0)
        if b.asked == before:
            break
    seen = b.asked
    await ask(handle, 10, every=0)
    assert b.asked == seen
    b.failure = None
    await asyncio.sleep(5)
    await ask(handle, 40)
    assert b.asked > seen + 5


async def test_what_may_be_the_answer_to_the_request_ejects_nobody(jumping: JumpingLoop) -> None:
    servers = _, b = Server("a"), Server("b")
    b.failure = 500
    await ask(balanced(*servers), 100)
    assert b.asked > 30


async def test_the_last_server_is_never_left_alone(jumping: JumpingLoop) -> None:
    alone = Server("a")
    alone.failure = ConnectFailed
    handle = balanced(alone)
    await ask(handle, 20, every=0)
    assert alone.asked == 20
    both = a, b = Server("a"), Server("b")
    a.failure = b.failure = ConnectFailed
    handle = balanced(*both)
    await ask(handle, 40, every=0)
    assert a.asked + b.asked == 40


@pytest.mark.parametrize(("others", "ready"), [(1, True), (0, False)])
async def test_a_failed_connection_says_whether_another_server_is_there(
    jumping: JumpingLoop, others: int, ready: bool
) -> None:
    servers = [Server(str(number)) for number in range(1 + others)]
    for server in servers:
        server.failure = ConnectFailed
    with pytest.raises(ConnectFailed) as caught:
        await balanced(*servers)(get())
    assert caught.value.alternative_ready is ready


async def ask_for(handle: Handler, times: int, patience: float) -> int:
    """One client after the other, each of which leaves after so many seconds: how many got none."""
    left = 0
    for _ in range(times):
        try:
            async with asyncio.timeout(patience):
                await handle(get())
        except TimeoutError:
            left += 1
        await asyncio.sleep(0.2)
    return left


@pytest.mark.parametrize("known", [0, 100])
async def test_a_server_that_hangs_is_known_after_three_clients(
    jumping: JumpingLoop, known: int
) -> None:
    _, b = servers = Server("a"), Server("b")
    handle = balanced(*servers)
    await ask(handle, known)
    b.seconds = 1e6
    assert await ask_for(handle, 60, patience=2.0) <= 6
    b.seconds = 0.05
    before = b.asked
    await ask(handle, 300)
    assert b.asked - before > 60, "an answer shows that it is well"


async def test_clients_that_leave_early_everywhere_make_no_server_slow(
    jumping: JumpingLoop,
) -> None:
    a, b = servers = Server("a"), Server("b")
    handle = balanced(*servers)
    await ask(handle, 40)
    a.seconds = b.seconds = 2.0
    await ask_for(handle, 60, patience=0.2)
    assert min(a.asked, b.asked) > 30
    await ask(handle, 100)
    assert min(a.asked, b.asked) > 70


@pytest.mark.parametrize("why", ["unhealthy", "withdrawn", "gone"])
async def test_a_server_that_is_ejected_is_asked_when_no_other_is_left(
    jumping: JumpingLoop, why: str
) -> None:
    a, b = Server("a"), Server("b")
    live = Live(a, b)
    targets = TargetSet(live, lambda server: server.handle, passive(9.0), passive=True)
    room, table = Room(targets, 5.0, clock=loop_clock()), LoadBalanceOptions()
    handle = LoadBalance(targets, table, random.Random(1), room=room, clock=loop_clock()).handle
    a.failure = ConnectFailed
    await ask(handle, 20)
    assert a.asked == 3
    a.failure = None
    if why == "gone":
        live.members = (a,)
        for call in live.on_membership:
            call()
    else:
        b.healthy, b.withdrawn = why != "unhealthy", why == "withdrawn"
        targets.on_state[0]()
    assert (await handle(get())).status == 200
    b.failure = ConnectFailed
    await ask(handle, 5)
    assert (a.asked, b.asked) == (9, 17)
