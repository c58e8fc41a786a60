"""Active health checks, on a clock that jumps."""

import asyncio
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import ConnectFailed, ProtocolViolation, ReplyBroken
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.upstream import health
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.health import HealthCheckOptions, HealthGuard
from tests.support.loop import JumpingLoop, reply


class Endpoint:
    """A server as checks see it: what it answers, and what was made of it."""

    check_pool = None

    def __init__(self, name: str = "a") -> None:
        self.name = name
        self.upstream = "api"
        self.address = self
        self.healthy = True
        self.answer: Any = 200
        self.asked: list[float] = []
        self.heard = asyncio.Event()
        self.exchange: Exchange | None = None
        self.replies: list[Reply] = []

    def set_health(self, *, healthy: bool) -> None:
        self.healthy = healthy

    async def handle(self, exchange: Exchange) -> Reply:
        self.exchange = exchange
        self.asked.append(asyncio.get_running_loop().time())
        self.heard.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, float):
            await asyncio.sleep(self.answer)
            return reply(200)
        if isinstance(self.answer, Reply):
            return self.answer
        self.replies.append(answer := reply(self.answer, body=b"fine"))
        return answer


class Members:
    """Endpoints as checks see them."""

    def __init__(self, *members: Endpoint) -> None:
        self.members: tuple[Endpoint, ...] = members
        self.on_membership: list[Callable[[], None]] = []
        self.credentials = SimpleNamespace(shown=lambda: ((b"X-Key", b"of-the-proxy"),))

    def now(self, *members: Endpoint) -> None:
        self.members = members
        for tell in list(self.on_membership):
            tell()


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks ask the endpoint itself."""

    def forward(address: Endpoint, *_: object) -> Any:
        return SimpleNamespace(handle=address.handle)

    monkeypatch.setattr(health, "Forward", forward)


def guard(endpoints: Members, **options: Any) -> HealthGuard:
    table = HealthCheckOptions(**{"interval": Duration(10), **options})
    return HealthGuard(cast(Endpoints, endpoints), table, random.Random(1))


async def test_a_server_changes_sides_after_several_answers_in_a_row(jumping: JumpingLoop) -> None:
    endpoint = Endpoint()
    checks = guard(Members(endpoint), unhealthy_threshold=3, healthy_threshold=2)
    seen: list[bool] = []
    for answer in (500, 500, 200, 500, 500, 500, 200, 500, 200, 200):
        endpoint.answer = answer
        endpoint.heard.clear()
        await endpoint.heard.wait()
        await asyncio.sleep(1)
        seen.append(endpoint.healthy)
    await checks.close()
    assert seen == [True] * 5 + [False] * 4 + [True]


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (200, True),
        (204, True),
        (302, True),
        (399, True),
        (400, False),
        (503, False),
        (ConnectFailed("refused"), False),
        (ProtocolViolation("nonsense"), False),
        (RuntimeError("a fault of ours"), False),
        (1.9, True),
        (2.1, False),
    ],
)
async def test_only_a_good_answer_in_time_is_one(
    jumping: JumpingLoop, answer: Any, *, well: bool
) -> None:
    endpoint = Endpoint()
    endpoint.answer = answer
    checks = guard(Members(endpoint), unhealthy_threshold=1, timeout=Duration(2))
    await asyncio.sleep(9)
    await checks.close()
    assert endpoint.healthy is well


async def test_a_reply_that_breaks_is_no_good_answer(jumping: JumpingLoop) -> None:
    class Broken:
        buffered = None
        ending: Ending | None = None

        async def read(self) -> bytes:
            raise ReplyBroken("cut")

        def close(self, ending: Ending) -> None:
            self.ending = ending

    endpoint, source = Endpoint(), Broken()
    endpoint.answer = Reply(200, (), source)
    checks = guard(Members(endpoint), unhealthy_threshold=1)
    await asyncio.sleep(9)
    await checks.close()
    assert (endpoint.healthy, source.ending) == (False, Ending.ABANDONED)


async def test_a_check_reads_the_whole_reply_and_gives_it_back(jumping: JumpingLoop) -> None:
    endpoint = Endpoint()
    checks = guard(Members(endpoint), path="/up?x=1")
    await asyncio.sleep(9)
    await checks.close()
    assert endpoint.exchange is not None
    assert (endpoint.exchange.method, endpoint.exchange.target) == ("GET", b"/up?x=1")
    assert (b"X-Key", b"of-the-proxy") in endpoint.exchange.headers
    assert [answer.closed for answer in endpoint.replies] == [True]


async def test_servers_are_not_all_asked_at_once(jumping: JumpingLoop) -> None:
    members = [Endpoint(name) for name in "abcdef"]
    start = jumping.time()
    checks = guard(Members(*members))
    await asyncio.sleep(300)
    await checks.close()
    assert all(start <= endpoint.asked[0] <= start + 1 for endpoint in members)
    assert len({endpoint.asked[0] for endpoint in members}) == 6
    gaps = [
        after - before
        for endpoint in members
        for before, after in zip(endpoint.asked, endpoint.asked[1:], strict=False)
    ]
    assert len(gaps) > 150
    assert all(9 <= gap <= 11 for gap in gaps)
    assert max(gaps) - min(gaps) > 1


async def test_checks_come_and_go_with_the_servers(jumping: JumpingLoop) -> None:
    a, b = Endpoint("a"), Endpoint("b")
    endpoints = Members(a)
    checks = guard(endpoints)
    await asyncio.sleep(15)
    endpoints.now(b)
    known = len(a.asked)
    await asyncio.sleep(50)
    assert (len(a.asked), len(b.asked) >= 4) == (known, True)
    await checks.close()


async def test_nothing_is_checked_after_the_end(jumping: JumpingLoop) -> None:
    a = Endpoint("a")
    a.answer = 60.0
    endpoints = Members(a)
    checks = guard(endpoints, timeout=Duration(0))
    await asyncio.sleep(20)  # in the middle of a check
    await checks.close()
    endpoints.now(a, Endpoint("b"))
    await asyncio.sleep(50)
    assert len(a.asked) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
